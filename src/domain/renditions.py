"""Copies of a picture: the small one that is shown in lists, and those in another format or size."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import NewType
from uuid import UUID

from domain.accounts import AccountId
from domain.errors import InvalidRequest, TooManyPixels
from domain.limits import LIMITS
from domain.media import Asset, AssetId, AssetKind, Likeness, PictureFormat
from domain.objects import ObjectKey
from domain.provenance import Act, Made, SourceType

THUMBNAIL_SIDE = 512
"""A thumbnail's longer side, in pixels, unless the picture itself is smaller."""
THUMBNAIL_FORMAT = PictureFormat.WEBP
LOOK_AGAIN = timedelta(minutes=2)
"""After which somebody else tries to make a thumbnail that was begun."""
MOST_LOOKS = 4
"""Whatever dies of a picture that often will not make one of it."""


@dataclass(frozen=True, slots=True)
class Sketch:
    """A thumbnail, and what can be shown and compared before it is there."""

    content: bytes = field(repr=False)
    blurhash: str
    likeness: Likeness


RenditionId = NewType("RenditionId", UUID)
KEPT_UNUSED = timedelta(days=30)
"""How long a rendition stays after it was last asked for."""
USE_NOTED = timedelta(days=1)
"""How old the note of a rendition's last use may get before it is written anew."""


class RenditionFormat(StrEnum):
    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"
    AVIF = "avif"


class RenditionWidth(IntEnum):
    SMALL = 512
    MEDIUM = 1024
    LARGE = 2048


@dataclass(frozen=True, slots=True)
class Shape:
    """What a rendition is like. `width` and `height` in pixels; `label`: it says in plain sight that it was made by AI."""

    format: PictureFormat
    width: int
    height: int
    label: bool


def shape_of(asset: Asset, format: RenditionFormat | None, width: RenditionWidth | None, *, label: bool) -> Shape | None:
    """What was asked for, spelt out; None if that is the picture as it is kept. Never larger than that, whatever is asked.

    Without a format it keeps its own; a film becomes the first of its pictures. Raises InvalidRequest for a label on what no
    model made, and TooManyPixels where only a smaller width can be had.
    """
    if label and asset.kind is not AssetKind.OUTPUT:
        raise InvalidRequest("only what a model made can be labelled as made by AI", field="label")
    whole = width is None or width >= asset.width
    wanted = PictureFormat(format) if format else asset.format
    if whole and not label and wanted is asset.format:
        return None
    if wanted is PictureFormat.GIF:
        wanted = PictureFormat.PNG
    across = asset.width if width is None or whole else int(width)
    down = max(1, round(asset.height * across / asset.width))
    if across * down > LIMITS["rendition_pixels"]:
        limit = LIMITS["rendition_pixels"]
        raise TooManyPixels(f"a copy may have at most {limit} pixels: ask for a width", field="width", limit=limit)
    return Shape(wanted, across, down, label)


def made_as(asset: Asset, shape: Shape, source_type: SourceType | None) -> Made:
    """What is signed into a rendition: what was done to its picture, and what had made that."""
    done = {
        Act.RESIZED: shape.width != asset.width,
        Act.EDITED: shape.label,
        Act.TRANSCODED: shape.format is not asset.format,
    }
    return Made(tuple(act for act, did in done.items() if did), source_type)


@dataclass(frozen=True, slots=True)
class Rendition:
    """A stored copy of a picture in another format or size, or with a label."""

    id: RenditionId
    asset_id: AssetId
    account_id: AccountId
    format: PictureFormat
    width: int
    label: bool
    bytes: int
    sha256: str
    created_at: datetime
    used_at: datetime

    @property
    def key(self) -> ObjectKey:
        return ObjectKey.rendition(self.account_id, self.asset_id, self.id)
