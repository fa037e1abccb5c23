"""API keys: how they are written, what is kept of them, and what one may spend in a month."""

import re
import zlib
from dataclasses import dataclass
from datetime import UTC, date, datetime

from domain.accounts import AccountId, KeyId, Mode, Scope
from domain.errors import SpendCapReached, Unauthenticated


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of a key: never the secret, only its hash and last four characters. `spend_cap`: credits in a calendar month
    (UTC). `used_on`: the last day on which it was used, as far as is known."""

    id: KeyId
    account_id: AccountId
    mode: Mode
    scopes: frozenset[Scope]
    secret_hash: bytes
    hint: str
    created_at: datetime
    name: str | None = None
    spend_cap: int | None = None
    used_on: date | None = None


@dataclass(slots=True)
class Spending:
    """What a key with a cap has spent in one month: all that its generations held, but for what was released again within the
    same month. Changed in the transactions that hold and release."""

    key_id: KeyId
    cap: int
    month: date
    spent: int

    def __post_init__(self) -> None:
        if self.month.day != 1:
            raise ValueError("a month is named by its first day")

    def hold(self, amount: int, now: datetime) -> None:
        """Raises SpendCapReached."""
        if (month := month_of(now)) > self.month:
            self.month, self.spent = month, 0
        if self.spent + amount > self.cap:
            raise SpendCapReached(required=amount, spent=self.spent, spend_cap=self.cap)
        self.spent += amount

    def release(self, amount: int, held_at: datetime) -> None:
        """What was held in a month that is over is nobody's concern any more."""
        if month_of(held_at) == self.month:
            self.spent -= amount


def month_of(at: datetime) -> date:
    """Its first day, UTC."""
    return at.astimezone(UTC).date().replace(day=1)


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
