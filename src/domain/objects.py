"""Where bytes lie: the classes of stored objects, and their keys."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from domain.accounts import AccountId
from domain.privacy import AUDIT, MEDIA, SUPPORT, Classification


class ObjectClass(StrEnum):
    """The first part of every object key; each has a row in the privacy register."""

    UPLOADS = "uploads"
    OUTPUTS = "outputs"
    ANSWERS = "answers"
    """What a provider sent instead of pictures, kept for support."""
    AUDIT = "audit"
    """Signed heads of the audit chain: no row speaks of them, for they testify against the rows."""

    @property
    def classification(self) -> Classification:
        return {ObjectClass.ANSWERS: SUPPORT, ObjectClass.AUDIT: AUDIT}.get(self, MEDIA)

    @property
    def kept_unspoken_of(self) -> timedelta:
        """How old an object that is swept may get while no asset speaks of it. An upload's asset comes with its request; an
        output's may come for as long as its generation is open, whatever its age."""
        return _KEPT[self]

    @property
    def is_swept(self) -> bool:
        """Whether an object of which nothing speaks is deleted in the end."""
        return self in _KEPT


_KEPT = {ObjectClass.UPLOADS: timedelta(hours=1), ObjectClass.OUTPUTS: timedelta(0), ObjectClass.ANSWERS: timedelta(days=30)}
_OURS = AccountId(UUID(int=0))
"""In place of an account, where an object is the service's own."""
PART = re.compile(r"[a-z0-9-]+", re.ASCII)
"""What each part of a key is made of: no store, disk or address stumbles over it."""


@dataclass(frozen=True, slots=True, order=True)
class ObjectKey:
    """Where bytes lie: `{class}/{account}/{owner}/…`, ids and small numbers only, so that a key tells nothing."""

    object_class: ObjectClass
    account_id: AccountId
    owner: UUID
    path: tuple[str, ...]

    def __str__(self) -> str:
        return "/".join(self._parts)

    @property
    def _parts(self) -> tuple[str, ...]:
        return (self.object_class.value, str(self.account_id), str(self.owner), *self.path)

    @property
    def plain_parts(self) -> tuple[str, ...]:
        """What stores go by. Raises ValueError unless each is made of a-z, 0-9 and dashes."""
        if not all(PART.fullmatch(part) for part in self._parts):
            raise ValueError("an object key is made of a-z, 0-9 and dashes")
        return self._parts

    @classmethod
    def parse(cls, key: str) -> Self:
        object_class, account, owner, *path = key.split("/")
        return cls(ObjectClass(object_class), AccountId(UUID(account)), UUID(owner), tuple(path))

    @classmethod
    def upload(cls, account_id: AccountId, asset_id: UUID) -> Self:
        return cls(ObjectClass.UPLOADS, account_id, asset_id, ("original",))

    @staticmethod
    def of_generation(account_id: AccountId, generation_id: UUID) -> tuple[str, ...]:
        """What the keys of all a generation's objects begin with."""
        return tuple(f"{kind}/{account_id}/{generation_id}/" for kind in (ObjectClass.OUTPUTS, ObjectClass.ANSWERS))

    @classmethod
    def picture(cls, account_id: AccountId, generation_id: UUID, attempt: int, index: int) -> Self:
        return cls(ObjectClass.OUTPUTS, account_id, generation_id, (str(attempt), str(index)))

    @classmethod
    def manifest(cls, account_id: AccountId, generation_id: UUID, attempt: int) -> Self:
        return cls(ObjectClass.OUTPUTS, account_id, generation_id, (str(attempt), "manifest"))

    @property
    def is_manifest(self) -> bool:
        return self.path[-1] == "manifest"

    @classmethod
    def answer(cls, account_id: AccountId, generation_id: UUID, attempt: int) -> Self:
        return cls(ObjectClass.ANSWERS, account_id, generation_id, (str(attempt),))

    @classmethod
    def audit_head(cls, day: date, count: int, hash: str) -> Self:
        """A different head has a different key, so that none is ever overwritten."""
        return cls(ObjectClass.AUDIT, _OURS, _day_as_id(day), (f"{count:08}", hash))

    @staticmethod
    def audit_heads(day: date | None = None) -> str:
        """What the keys of a day's heads begin with, or of all."""
        return f"{ObjectClass.AUDIT}/{_OURS}/" + (f"{_day_as_id(day)}/" if day else "")


def _day_as_id(day: date) -> UUID:
    """A key's owner is an id: 2030-01-31 is 20300131-0000-…."""
    return UUID(f"{day.isoformat().replace('-', '')}-0000-0000-0000-000000000000")
