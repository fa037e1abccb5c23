"""Where bytes lie: the classes of stored objects, and their keys."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Self
from uuid import UUID

from domain.accounts import AccountId
from domain.privacy import AUDIT, COPY, HELD, MEDIA, PARTIAL, SUPPORT, Classification


class ObjectClass(StrEnum):
    """The first part of every object key; each has a row in the privacy register, and a rule in RULES."""

    UPLOADS = "uploads"
    INCOMING = "incoming"
    """What a caller sent by a link, as it came: until it is taken in, or left."""
    OUTPUTS = "outputs"
    PARTIALS = "partials"
    """What a picture looked like while it was made, for whoever watches."""
    ANSWERS = "answers"
    """What a provider sent instead of pictures, kept for support."""
    ARCHIVES = "archives"
    """Pictures of an account as one file, to be downloaded."""
    RENDITIONS = "renditions"
    """Copies of pictures in another format or size, made when they are asked for."""
    THUMBNAILS = "thumbnails"
    """A small copy of each picture, shown in lists."""
    QUARANTINE = "quarantine"
    """Pictures that must not be here, held for the law: no link leads there, no export and no erasure takes them."""
    AUDIT = "audit"
    """Signed heads of the audit chain: no row speaks of them, for they testify against the rows."""

    @property
    def rule(self) -> "Rule":
        return RULES[self]

    @property
    def classification(self) -> Classification:
        return self.rule.classification

    @property
    def is_swept(self) -> bool:
        """Whether an object of which nothing speaks is deleted in the end."""
        return self.rule.grace is not None


@dataclass(frozen=True, slots=True)
class Rule:
    """How long a class's objects stay.

    `spoken_of_by`: the rows that keep one, in words; the store knows them as SQL. `grace`: how old an object may get of which
    none of them speaks yet (None: it is never swept). `longest`: after which it goes even though one speaks of it. `path`: what
    follows the owner in a key that we could have written; whatever else lies there is a stranger's, and is kept.
    """

    classification: Classification
    spoken_of_by: str
    path: str
    grace: timedelta | None
    longest: timedelta | None = None

    def keeps(self, modified: datetime, now: datetime, *, spoken_of: bool) -> bool:
        """Whether an object that was put then stays for now."""
        if self.grace is None:
            return True
        age = now - modified
        return (self.longest is None or age < self.longest) and (spoken_of or age < self.grace)


PARTIALS_KEPT = timedelta(hours=1)
_NUMBER = "[0-9]{1,4}"
_ID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
RULES: Mapping[ObjectClass, Rule] = MappingProxyType(
    {
        # An upload's row comes with its request.
        ObjectClass.UPLOADS: Rule(MEDIA, "the asset", "original", timedelta(hours=1)),
        ObjectClass.INCOMING: Rule(MEDIA, "nobody", "(live|test)/(reference|mask)", timedelta(hours=1)),
        # An output's may come for as long as its generation is open, whatever its age: ends are final.
        ObjectClass.OUTPUTS: Rule(
            MEDIA, "an open generation; an asset of the attempt", f"{_NUMBER}/(manifest|{_NUMBER})", timedelta(0)
        ),
        # A worker that lost its lease, and does not know yet, may put one after the erasure.
        ObjectClass.PARTIALS: Rule(
            PARTIAL, "the generation, until it is erased", f"{_NUMBER}/{_NUMBER}", timedelta(0), PARTIALS_KEPT
        ),
        ObjectClass.ANSWERS: Rule(SUPPORT, "the generation, until it is erased", _NUMBER, timedelta(0), timedelta(days=30)),
        # An archive knows which attempt may put it, and which did.
        ObjectClass.ARCHIVES: Rule(COPY, "the archive", _NUMBER, timedelta(0)),
        # Put before its row, under an id of its own: what is thrown away is never what somebody just made.
        ObjectClass.RENDITIONS: Rule(COPY, "the rendition", _ID, timedelta(hours=1)),
        # Put before its picture's row says so; a picture has one, whatever became of it.
        ObjectClass.THUMBNAILS: Rule(MEDIA, "the asset", "small", timedelta(hours=1)),
        # Bytes lie there before their row: one without a row is as much evidence.
        ObjectClass.QUARANTINE: Rule(HELD, "the row, until it is released by hand", "original", None),
        ObjectClass.AUDIT: Rule(AUDIT, "nobody", ".*", None),
    }
)
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

    @classmethod
    def rendition(cls, account_id: AccountId, asset_id: UUID, rendition_id: UUID) -> Self:
        return cls(ObjectClass.RENDITIONS, account_id, asset_id, (str(rendition_id),))

    @classmethod
    def thumbnail(cls, account_id: AccountId, asset_id: UUID) -> Self:
        return cls(ObjectClass.THUMBNAILS, account_id, asset_id, ("small",))

    @classmethod
    def incoming(cls, account_id: AccountId, upload_id: UUID, mode: str, kind: str) -> Self:
        """Whose it is, in which mode and what for is said by the key alone, which the link to put it pins."""
        return cls(ObjectClass.INCOMING, account_id, upload_id, (mode, kind))

    @staticmethod
    def of_generation(account_id: AccountId, generation_id: UUID) -> tuple[str, ...]:
        """What the keys of all a generation's objects begin with."""
        kinds = (ObjectClass.OUTPUTS, ObjectClass.ANSWERS, ObjectClass.PARTIALS)
        return tuple(f"{kind}/{account_id}/{generation_id}/" for kind in kinds)

    @classmethod
    def picture(cls, account_id: AccountId, generation_id: UUID, attempt: int, index: int) -> Self:
        return cls(ObjectClass.OUTPUTS, account_id, generation_id, (str(attempt), str(index)))

    @classmethod
    def manifest(cls, account_id: AccountId, generation_id: UUID, attempt: int) -> Self:
        return cls(ObjectClass.OUTPUTS, account_id, generation_id, (str(attempt), "manifest"))

    @property
    def is_swept(self) -> bool:
        """Whether we could have put something there, and delete it once nothing speaks of it."""
        rule = self.object_class.rule
        return rule.grace is not None and re.fullmatch(rule.path, "/".join(self.path)) is not None

    @property
    def of_owner(self) -> str:
        """What the keys of everything of the same class and owner begin with."""
        return f"{self.object_class}/{self.account_id}/{self.owner}/"

    @property
    def is_manifest(self) -> bool:
        return self.path[-1] == "manifest"

    @classmethod
    def answer(cls, account_id: AccountId, generation_id: UUID, attempt: int) -> Self:
        return cls(ObjectClass.ANSWERS, account_id, generation_id, (str(attempt),))

    @classmethod
    def partial(cls, account_id: AccountId, generation_id: UUID, attempt: int, index: int) -> Self:
        return cls(ObjectClass.PARTIALS, account_id, generation_id, (str(attempt), str(index)))

    @classmethod
    def quarantined(cls, account_id: AccountId, impounded_id: UUID) -> Self:
        return cls(ObjectClass.QUARANTINE, account_id, impounded_id, ("original",))

    @classmethod
    def archive(cls, account_id: AccountId, archive_id: UUID, attempt: int) -> Self:
        return cls(ObjectClass.ARCHIVES, account_id, archive_id, (str(attempt),))

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
