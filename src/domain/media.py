"""Pictures as things: what may be uploaded, what is kept, and where its bytes lie."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NewType, Self
from uuid import UUID

from domain.accounts import AccountId, Mode
from domain.errors import InvalidMask, LimitExceeded, UnsupportedFormat, UploadTooLarge
from domain.limits import LIMITS
from domain.privacy import AUDIT, MEDIA, SUPPORT, Classification

AssetId = NewType("AssetId", UUID)


class PictureFormat(StrEnum):
    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"
    GIF = "gif"

    @property
    def content_type(self) -> str:
        return f"image/{self.value}"

    @property
    def shown_inline(self) -> bool:
        """Anything else goes out as an attachment."""
        return self in (PictureFormat.PNG, PictureFormat.JPEG, PictureFormat.WEBP)


class AssetKind(StrEnum):
    REFERENCE = "reference"
    MASK = "mask"
    OUTPUT = "output"


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


@dataclass(frozen=True, slots=True, order=True)
class ObjectKey:
    """Where bytes lie: `{class}/{account}/{owner}/…`, ids and small numbers only, so that a key tells nothing."""

    object_class: ObjectClass
    account_id: AccountId
    owner: UUID
    path: tuple[str, ...]

    def __str__(self) -> str:
        return "/".join((self.object_class.value, str(self.account_id), str(self.owner), *self.path))

    @classmethod
    def parse(cls, key: str) -> Self:
        object_class, account, owner, *path = key.split("/")
        return cls(ObjectClass(object_class), AccountId(UUID(account)), UUID(owner), tuple(path))

    @classmethod
    def upload(cls, account_id: AccountId, asset_id: AssetId) -> Self:
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


@dataclass(frozen=True, slots=True)
class Asset:
    """One stored picture of an account: an upload, a mask, or an output (then `attempt` brought it, at place `index`)."""

    id: AssetId
    account_id: AccountId
    mode: Mode
    kind: AssetKind
    format: PictureFormat
    width: int
    height: int
    bytes: int
    sha256: str
    has_alpha: bool
    created_at: datetime
    generation_id: UUID | None = None
    attempt: int | None = None
    index: int | None = None

    @property
    def key(self) -> ObjectKey:
        if self.generation_id is None or self.attempt is None or self.index is None:
            return ObjectKey.upload(self.account_id, self.id)
        return ObjectKey.picture(self.account_id, self.generation_id, self.attempt, self.index)


@dataclass(frozen=True, slots=True)
class CleanPicture:
    """An upload after intake: decoded, turned upright, stripped of everything but pixels, written anew.

    `changed` says what intake did: `oriented`, `converted`, `metadata_removed`.
    """

    content: bytes
    format: PictureFormat
    width: int
    height: int
    sha256: str
    has_alpha: bool
    changed: tuple[str, ...]


UPLOAD_FORMATS = (PictureFormat.PNG, PictureFormat.JPEG, PictureFormat.WEBP)


def sniff(content: bytes) -> PictureFormat:
    """The format by its first bytes; what the sender claims counts for nothing."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return PictureFormat.PNG
    if content.startswith(b"\xff\xd8\xff"):
        return PictureFormat.JPEG
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return PictureFormat.WEBP
    raise UnsupportedFormat("the file is not a PNG, JPEG or WebP image", field="file", allowed=[f.value for f in UPLOAD_FORMATS])


def check_bytes(size: int, kind: AssetKind) -> None:
    limit = LIMITS["mask_bytes"] if kind is AssetKind.MASK else LIMITS["upload_bytes"]
    if size > limit:
        raise UploadTooLarge(f"a {kind} may have at most {limit} bytes", field="file", limit=limit)


def check_pixels(width: int, height: int, frames: int) -> None:
    """Called with what the header says, before anything is decoded."""
    if frames > LIMITS["upload_frames"]:
        raise LimitExceeded("an upload may hold one picture only", field="file", limit=LIMITS["upload_frames"])
    if max(width, height) > LIMITS["upload_side"]:
        raise LimitExceeded(f"a side may have at most {LIMITS['upload_side']} pixels", field="file", limit=LIMITS["upload_side"])
    if width * height > LIMITS["upload_pixels"]:
        raise LimitExceeded(
            f"an upload may have at most {LIMITS['upload_pixels']} pixels", field="file", limit=LIMITS["upload_pixels"]
        )


def check_mask(format: PictureFormat, has_alpha: bool) -> None:
    if format is not PictureFormat.PNG or not has_alpha:
        raise InvalidMask("a mask is a PNG whose transparent pixels mark what to change", field="file", reason="no_alpha")


def check_opening(least_alpha: int) -> None:
    """`least_alpha` of a mask's pixels, 0 to 255: one that is opaque everywhere would buy an unchanged picture."""
    if least_alpha == 255:
        raise InvalidMask("a mask needs transparent pixels: they mark what to change", field="file", reason="opaque")
