"""The service's keys: one short list, from which each purpose derives its own."""

import base64
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from application.ports import Signer
from application.registration import PersonDigests

KEY_BYTES = 32
_KID = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PurposeKeys(Signer, PersonDigests):
    """The keys of one purpose: the first signs, all verify."""

    keys: Mapping[str, bytes] = field(repr=False)

    def sign(self, message: bytes) -> tuple[str, bytes]:
        kid = next(iter(self.keys))
        return kid, _mac(self.keys[kid], kid, message)

    def verify(self, kid: str, message: bytes, mac: bytes) -> bool:
        key = self.keys.get(kid)
        return key is not None and hmac.compare_digest(_mac(key, kid, message), mac)

    def of(self, said: bytes) -> Sequence[tuple[str, bytes]]:
        return [(kid, _mac(key, kid, said)) for kid, key in self.keys.items()]


@dataclass(frozen=True, slots=True)
class Keyring:
    """Named keys, newest first. Its text is `kid:key,kid:key`, each key at least 32 bytes in base64.

    To rotate, put a new key in front; take an old one away when nothing it signed is alive any more.
    """

    keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError, which never repeats a key."""
        keys: dict[str, bytes] = {}
        for place, entry in enumerate(text.strip().split(","), start=1):
            kid, _, encoded = entry.strip().partition(":")
            if not _KID.fullmatch(kid):
                raise ValueError(f"key {place} of the keyring has no name; the form is name:base64,name:base64")
            if kid in keys:
                raise ValueError(f"the keyring names {kid} twice")
            keys[kid] = _decoded(f"key {kid} of the keyring", encoded)
        return cls(keys)

    @staticmethod
    def generate() -> str:
        """The text of a new keyring with one key."""
        return f"k{secrets.token_hex(4)}:{base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}"

    @classmethod
    def load_or_create(cls, path: Path) -> Self:
        """The keyring in this file, made there (mode 0600) if there is none; of many who try at once, one makes it."""
        return cls.parse(_in_file(path, cls.generate))

    def purpose(self, label: str) -> PurposeKeys:
        """Keys for one purpose only: what they sign is worth nothing elsewhere."""
        return PurposeKeys({kid: _derive(key, f"sign:{label}", KEY_BYTES) for kid, key in self.keys.items()})

    def derive(self, label: str, length: int) -> bytes:
        """`length` secret bytes from the first key, the same each time."""
        return _derive(next(iter(self.keys.values())), f"derive:{length}:{label}", length)


@dataclass(frozen=True, slots=True)
class SafetyKey:
    """Names accounts to a provider, always alike: it never rotates, or a customer under watch there would become a new one."""

    key: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError, which never repeats the key."""
        return cls(_decoded("the safety key", text.strip()))

    @classmethod
    def load_or_create(cls, path: Path) -> Self:
        """As for the keyring."""
        return cls.parse(_in_file(path, lambda: base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()))

    def name(self, subject: bytes) -> str:
        """64 characters that tell nothing."""
        return hmac.digest(self.key, subject, hashlib.sha256).hex()


def _decoded(name: str, text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError(f"{name} is not base64") from None
    if len(key) < KEY_BYTES:
        raise ValueError(f"{name} is shorter than {KEY_BYTES} bytes")
    return key


def _in_file(path: Path, make: Callable[[], str]) -> str:
    """The text of this file, made there (mode 0600) if there is none; of many who try at once, one makes it."""
    with suppress(FileNotFoundError):
        return path.read_text("ascii")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(make() + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # somebody else was first: theirs counts
            os.link(aside, path)
    finally:
        aside.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return path.read_text("ascii")


def _derive(key: bytes, label: str, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=f"gpt-image-2:{label}".encode()).derive(key)


def _mac(key: bytes, kid: str, message: bytes) -> bytes:
    return hmac.digest(key, kid.encode() + b"\0" + message, hashlib.sha256)
