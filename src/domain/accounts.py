"""Who acts: accounts, their API keys, and what a caller may do."""

import re
import zlib
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NewType, Self
from uuid import UUID

from domain.errors import MissingScope, Unauthenticated
from domain.ledger import WalletId

AccountId = NewType("AccountId", UUID)
KeyId = NewType("KeyId", UUID)


class Mode(StrEnum):
    """Stands on keys, wallets, generations, assets and idempotency rows; nothing ever crosses between the two."""

    LIVE = "live"
    TEST = "test"


class Role(StrEnum):
    USER = "user"
    SUPPORT = "support"
    ADMIN = "admin"

    @property
    def is_staff(self) -> bool:
        return self is not Role.USER


class Scope(StrEnum):
    GENERATE = "generate"
    READ = "read"
    BILLING = "billing"


@dataclass(frozen=True, slots=True)
class Account:
    """A customer. `plan` names a plan of the catalogue."""

    id: AccountId
    role: Role
    plan: str
    created_at: datetime
    name: str | None = None
    email: str | None = None

    def with_role(self, role: Role) -> Self:
        return replace(self, role=role)


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated key: on whose behalf, in which mode, and for what."""

    account_id: AccountId
    key_id: KeyId
    mode: Mode
    scopes: frozenset[Scope]
    plan: str
    wallet_id: WalletId

    def must_have(self, scope: Scope) -> None:
        if scope not in self.scopes:
            raise MissingScope(f"this needs the scope {scope}", scope=scope)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of a key: never the secret, only its hash and last four characters."""

    id: KeyId
    account_id: AccountId
    mode: Mode
    scopes: frozenset[Scope]
    secret_hash: bytes
    hint: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One change by staff: who, what, on what, and why. Ids only, and the staff member's own words."""

    id: UUID
    at: datetime
    staff: AccountId
    action: str
    subject: str
    reason: str


_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEY = re.compile(r"gi2_(live|test)_([0-9A-Za-z]{32})([0-9A-Za-z]{6})")


def write_key(mode: Mode, entropy: bytes) -> str:
    """The text of a key over at least 24 bytes of `entropy`: prefix, 32 characters (190 bits), checksum."""
    if len(entropy) < 24:
        raise ValueError("an API key needs at least 24 bytes of entropy")
    body = f"gi2_{mode}_{_base62(int.from_bytes(entropy, 'big'), 32)}"
    return body + _base62(zlib.crc32(body.encode()), 6)


def check_key(key: str) -> Mode:
    """The mode of a well-formed key. A mistyped one is refused here, before any look-up."""
    found = _KEY.fullmatch(key)
    if not found or _base62(zlib.crc32(key[:-6].encode()), 6) != found[3]:
        raise Unauthenticated("this is not an API key of ours")
    return Mode(found[1])


def _base62(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits = _ALPHABET[digit] + digits
    return digits
