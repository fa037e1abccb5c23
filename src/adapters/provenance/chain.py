"""The certificates that our signatures stand on: those that are set, or a development chain made in the data folder."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ROOT_LASTS, LEAF_LASTS = timedelta(days=30 * 365), timedelta(days=3 * 365)
RENEWED_BEFORE = timedelta(days=365)
"""A development chain gets a new leaf at the first start in its last year, so that whoever runs for months has one that lasts."""
_BEGAN = timedelta(days=1)
"""Before it is made: clocks differ."""


@dataclass(frozen=True, slots=True)
class SigningChain:
    """`certificates` as PEM, the signer's first; `anchors` as PEM, whom to trust to know our signatures again."""

    certificates: str
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    anchors: str

    def __post_init__(self) -> None:
        """Raises ValueError, which never repeats a key."""
        leaf = self.leaf
        if self.key.public_key() != leaf.public_key():
            raise ValueError("the key is not that of the first certificate")
        if not isinstance(self.key.curve, ec.SECP256R1):
            raise ValueError("the key must be of the curve P-256, to sign with ES256")
        constraints = _extension(leaf, x509.BasicConstraints)
        if leaf.issuer == leaf.subject or (constraints and constraints.ca):
            raise ValueError("the first certificate must be a signer's, issued by another: none accepts a self-signed one")
        if not self.names[0]:
            raise ValueError("the first certificate names no organisation")

    @property
    def leaf(self) -> x509.Certificate:
        return x509.load_pem_x509_certificates(self.certificates.encode())[0]

    @property
    def expires_at(self) -> datetime:
        """When the first of them does."""
        return min(each.not_valid_after_utc for each in x509.load_pem_x509_certificates(self.certificates.encode()))

    @property
    def names(self) -> tuple[str, str]:
        """Organisation and common name of the signer."""
        subject = self.leaf.subject
        said = [subject.get_attributes_for_oid(oid) for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)]
        organisation, common = (str(found[0].value) if found else "" for found in said)
        return organisation, common

    def sign(self, message: bytes) -> bytes:
        return self.key.sign(message, ec.ECDSA(SHA256()))

    @classmethod
    def load(cls, certificates: Path, key: Path) -> Self:
        """Those in two PEM files, the signer's certificate first. Raises ValueError or OSError."""
        chain = certificates.read_text("ascii")
        return cls(chain, _key(key.read_bytes()), _pem(x509.load_pem_x509_certificates(chain.encode())[-1]))

    @classmethod
    def load_or_create(cls, folder: Path, now: datetime) -> Self:
        """The development chain in this folder (files of mode 0600), made or renewed there where needed; of many who try at once,
        one does. A renewed one has the same root, so what was signed before stays ours."""
        with _locked(folder):
            root_file, leaf_file = folder / "root.pem", folder / "signer.pem"
            root = _read_or_make(root_file, lambda: _made_root(now))
            with suppress(FileNotFoundError):
                found = cls._of(leaf_file.read_text("ascii"), root)
                if found.leaf.not_valid_after_utc - now > RENEWED_BEFORE and _issued(found.leaf, root):
                    return found
            _write(leaf_file, _made_leaf(root, now))
            return cls._of(leaf_file.read_text("ascii"), root)

    @classmethod
    def _of(cls, leaf: str, root: str) -> Self:
        """Both with their keys."""
        anchors = _pem(x509.load_pem_x509_certificate(root.encode()))
        return cls(_pem(x509.load_pem_x509_certificate(leaf.encode())) + anchors, _key(leaf.encode()), anchors)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read_or_make(file: Path, make: Callable[[], str]) -> str:
    with suppress(FileNotFoundError):
        return file.read_text("ascii")
    _write(file, make())
    return file.read_text("ascii")


def _write(file: Path, text: str) -> None:
    """Whole or not at all, whenever this process dies."""
    aside = file.with_name(f".{file.name}")
    with suppress(FileNotFoundError):
        aside.unlink()  # of one who died here; whoever holds the lock is alone
    with os.fdopen(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    aside.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _made_root(now: datetime) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("development root")
    made = (
        _begun(name, name, key, now, ROOT_LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        .sign(key, SHA256())
    )
    return _private(key) + _pem(made)


def _made_leaf(root: str, now: datetime) -> str:
    issuer, issuer_key = x509.load_pem_x509_certificate(root.encode()), _key(root.encode())
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        _begun(_name("development signer"), issuer.subject, key, now, LEAF_LASTS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage("digital_signature"), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, SHA256())
    )
    return _private(key) + _pem(made)


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, lasts: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number(), now - _BEGAN, now + lasts)
    ).add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _name(common: str) -> x509.Name:
    said = {NameOID.ORGANIZATION_NAME: "GPT Image 2 (development)", NameOID.COMMON_NAME: common}
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in said.items()])


def _usage(*named: str) -> x509.KeyUsage:
    first = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    every = (*first, "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{usage: usage in named for usage in every})


def _extension(certificate: x509.Certificate, kind: type[x509.BasicConstraints]) -> x509.BasicConstraints | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _issued(leaf: x509.Certificate, root: str) -> bool:
    try:
        leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(root.encode()))
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the key must be of the curve P-256, to sign with ES256")
    return key


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _private(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
