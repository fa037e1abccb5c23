"""The shapes of media in JSON."""

from typing import Literal
from uuid import UUID

from msgspec import Struct

from domain.accounts import Mode
from domain.media import AssetKind
from entrypoints.http.shapes import Time


class Asset(Struct, frozen=True, kw_only=True):
    """A stored picture of the account. `url` is readable by whoever has it, until `url_expires_at`."""

    id: UUID
    object: Literal["asset"] = "asset"
    mode: Mode
    kind: AssetKind
    content_type: str
    width: int
    height: int
    bytes: int
    sha256: str
    has_alpha: bool
    created_at: Time
    generation: UUID | None
    index: int | None
    url: str
    url_expires_at: Time


class Upload(Asset, frozen=True, kw_only=True):
    """A picture just brought in, and what was changed in it: `oriented`, `converted`, `metadata_removed`."""

    changed: list[str]


class Assets(Struct, frozen=True):
    """A page of assets, newest first; `next` continues it."""

    data: list[Asset]
    next: str | None
