"""The audit records as a chain: a day's records are numbered from 1 without a gap, and each seals the one before it.

A record's hash is the SHA-256, in hex, of these fields in this order, each as UTF-8 behind its length in eight big-endian bytes:
the words in SEALED, the hash before it, the day, then the record's id, instant (UTC, with microseconds), staff, action, subject
and reason. Its number is its place in the chain, so nothing has to seal it. A day's first record follows the last one of the day
before, so that no day can be taken out.

Hashes stop nobody who can write every row anew. Against that stand heads: what the chain was when it was signed, kept elsewhere.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Self

from domain.accounts import AuditRecord
from domain.objects import ObjectKey

SEALED, SIGNED = "gpt-image-2 audit record 1", "gpt-image-2 audit head 1"
BEGINNING = "0" * 64
"""What the first record of all follows."""

Sign = Callable[[bytes], tuple[str, bytes]]
"""The signing key's name, and the signature of a message."""


class BrokenHead(ValueError):
    """What lies at a head's key is none."""


@dataclass(frozen=True, slots=True)
class Tip:
    """Where a day's chain ends."""

    day: date
    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class Link:
    """A record in its place. Its day is that of its instant, or a later one if the chain had come there already: a day is closed
    as soon as the next has begun."""

    day: date
    number: int
    hash: str
    record: AuditRecord


def follow(tip: Tip | None, record: AuditRecord) -> Link:
    """The record as the next link after the chain's tip."""
    day = record.at.astimezone(UTC).date()
    if tip and day <= tip.day:
        return Link(tip.day, tip.number + 1, seal(tip.hash, tip.day, record), record)
    return Link(day, 1, seal(tip.hash if tip else BEGINNING, day, record), record)


def seal(before: str, day: date, record: AuditRecord) -> str:
    """The hash of a record that follows the one with the hash `before`."""
    own = (str(record.id), _instant(record.at), str(record.staff), record.action, record.subject, record.reason)
    return hashlib.sha256(_fields(SEALED, before, day.isoformat(), *own)).hexdigest()


@dataclass(frozen=True, slots=True)
class Head:
    """What was there when it was signed: a day's first `count` records, the last of them with this hash. `kid` names the key."""

    day: date
    count: int
    hash: str
    signed_at: datetime
    kid: str
    signature: bytes

    @classmethod
    def signed(cls, tip: Tip, now: datetime, sign: Sign) -> Self:
        return cls(tip.day, tip.number, tip.hash, now, *sign(_message(tip.day, tip.number, tip.hash, now)))

    @property
    def message(self) -> bytes:
        """What the signature is of."""
        return _message(self.day, self.count, self.hash, self.signed_at)

    @property
    def key(self) -> ObjectKey:
        return ObjectKey.audit_head(self.day, self.count, self.hash)

    def write(self) -> bytes:
        said = {"day": self.day.isoformat(), "count": self.count, "hash": self.hash, "signed_at": _instant(self.signed_at)}
        return json.dumps(said | {"kid": self.kid, "signature": self.signature.hex()}).encode()

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Raises BrokenHead."""
        try:
            said = json.loads(content)
            day, signed_at = date.fromisoformat(said["day"]), datetime.fromisoformat(said["signed_at"]).astimezone(UTC)
            count, signature = int(said["count"]), bytes.fromhex(said["signature"])
            head = cls(day, count, str(said["hash"]), signed_at, str(said["kid"]), signature)
            assert head.message, "it can be written down again"
            return head
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise BrokenHead from error


def _message(day: date, count: int, hash: str, signed_at: datetime) -> bytes:
    return _fields(SIGNED, day.isoformat(), str(count), hash, _instant(signed_at))


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _fields(*fields: str) -> bytes:
    said = [field.encode() for field in fields]
    return b"".join(len(each).to_bytes(8, "big") + each for each in said)
