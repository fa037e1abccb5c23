"""The shapes of media in JSON."""

from collections.abc import Mapping
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from domain.accounts import Mode
from domain.archives import ArchiveFailure, ArchiveState
from domain.limits import LIMITS, MAX_INTEGER
from domain.media import AssetKind
from domain.provenance import CredentialState, Marking
from entrypoints.http.shapes import Time


class Asset(Struct, frozen=True, kw_only=True):
    """A stored picture of the account. `url` and `thumbnail_url` are readable by whoever has them, until `url_expires_at`. The
    thumbnail, a WebP of 512 pixels at most, and the `blurhash` to show until it is loaded come seconds after the picture: null
    until then, and for what cannot be drawn. A picture that waits for the signature which says where it comes from is handed
    out to nobody: both addresses are null."""

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
    url: str | None
    thumbnail_url: str | None
    blurhash: str | None
    url_expires_at: Time


class Carried(Struct, frozen=True):
    """The content credentials that an upload came with, of which only this is kept: `none`, `invalid`, `valid` by a signer we do
    not know, or `trusted`, and what software they name."""

    state: CredentialState
    claim_generator: str | None


class Upload(Asset, frozen=True, kw_only=True):
    """A picture just brought in, what was changed in it (`oriented`, `converted`, `metadata_removed`), and the content
    credentials that it came with."""

    changed: list[str]
    credentials: Carried | None


class Origin(Struct, frozen=True):
    """How a picture says where it comes from: by its model's own credentials (`upstream`), by ours (`signed`), not yet
    (`pending`), or, as what somebody brought in, not at all; `credentials` are those that it was brought in with."""

    marking: Marking
    credentials: Carried | None


class Lineage(Struct, frozen=True):
    """What a picture was made by and from: assets, in order, and the generation that its own goes on from."""

    generation: UUID | None
    parent: UUID | None
    references: list[UUID]


class OneAsset(Asset, frozen=True, kw_only=True):
    """A stored picture with where it comes from."""

    provenance: Origin
    lineage: Lineage


class Assets(Struct, frozen=True):
    """A page of assets, newest first; `next` continues it."""

    data: list[Asset]
    next: str | None


class ArchiveBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Which pictures are packed; one that is named twice is packed once."""

    assets: Annotated[list[UUID], Meta(min_length=1, max_length=LIMITS["archive_assets"])]


class Archive(Struct, frozen=True, kw_only=True):
    """Many pictures as one ZIP file. `done` of its pictures are packed; `url` is there once it is `ready`, and readable by
    whoever has it until `url_expires_at`. After `expires_at` nothing is left of it. `failure` says why there is no file."""

    id: UUID
    object: Literal["archive"] = "archive"
    mode: Mode
    state: ArchiveState
    done: int
    of: int
    bytes: int | None
    failure: ArchiveFailure | None
    created_at: Time
    expires_at: Time | None
    url: str | None
    url_expires_at: Time | None


class UploadBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A file that is to be sent by a link: its type, such as `image/jpeg`, and its length."""

    content_type: Annotated[str, Meta(max_length=100)]
    bytes: Annotated[int, Meta(ge=1, le=MAX_INTEGER)]
    purpose: Literal["reference", "mask"] = "reference"


class UploadBegun(Struct, frozen=True):
    """Where to send the file, with these headers exactly, until `expires_at`."""

    id: UUID
    url: str
    headers: Mapping[str, str]
    expires_at: Time
    object: Literal["upload"] = "upload"
    method: Literal["PUT"] = "PUT"
