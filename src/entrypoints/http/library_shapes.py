"""The shapes of the library: what an owner keeps together."""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from domain.accounts import Mode
from domain.bulk import BulkAction, BulkOutcome
from domain.generations import GenerationState
from domain.limits import LIMITS
from domain.requests import Kind
from entrypoints.http.media_shapes import Archive
from entrypoints.http.shapes import Generation, Labels, Picture, Time

Name = Annotated[str, Meta(min_length=1, max_length=LIMITS["name_characters"])]
Several = Annotated[list[UUID], Meta(max_length=LIMITS["page"], extra_json_schema={"uniqueItems": True})]


class Collected(Struct, frozen=True, forbid_unknown_fields=True):
    """Collections it comes into, at the end, and collections it leaves."""

    add: Several = []
    remove: Several = []


class GenerationChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays. `metadata` replaces all labels there were."""

    favourite: bool | UnsetType = UNSET
    metadata: Labels | UnsetType = UNSET
    collections: Collected | UnsetType = UNSET


class CollectionBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Several collections may bear the same name."""

    name: Name


class CollectionChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays. `cover`: a generation in it; null: whichever comes first."""

    name: Name | UnsetType = UNSET
    cover: UUID | UnsetType | None = UNSET


class Place(Struct, frozen=True, forbid_unknown_fields=True):
    """Behind which other generation of the collection; null: first of all. Left out: last, or where it is already."""

    after: UUID | UnsetType | None = UNSET


class Collection(Struct, frozen=True, kw_only=True):
    """A named set of generations, in their owner's order. `items` counts those in the trash too. `picture` is of the `cover`, or
    else of the first in it that has one; null if there is none."""

    id: UUID
    object: Literal["collection"] = "collection"
    mode: Mode
    name: str
    items: int
    cover: UUID | None
    picture: Picture | None
    created_at: Time


class Collections(Struct, frozen=True):
    """A page of collections, newest first; `next` continues it."""

    data: list[Collection]
    next: str | None


class CollectionItems(Struct, frozen=True):
    """A page of what is in a collection, in its owner's order; `next` continues it."""

    data: list[Generation]
    next: str | None


class Matching(Struct, frozen=True, forbid_unknown_fields=True):
    """As the filters of a list; what is left out does not matter, so that {} is everything but the trash."""

    state: Annotated[list[GenerationState], Meta(max_length=len(GenerationState))] = []
    model: Name | None = None
    kind: Kind | None = None
    favourite: bool | None = None
    collection: UUID | None = None
    trashed: bool = False
    q: Annotated[str, Meta(max_length=LIMITS["search_characters"])] | None = None
    created_after: Time | None = None
    created_before: Time | None = None


class Bulk(Struct, frozen=True, forbid_unknown_fields=True):
    """One act on many: either on those with these `ids`, or on all that match a `filter`, as many as a request may act on.
    `collection` is named where the act is one of collections. `atomic`: all of them or none, of which purging is not capable."""

    action: BulkAction
    ids: Annotated[list[UUID], Meta(min_length=1, max_length=LIMITS["bulk_ids"])] | UnsetType = UNSET
    filter: Matching | UnsetType = UNSET
    collection: UUID | None = None
    atomic: bool = False


class BulkResult(Struct, frozen=True):
    """What became of one. `status` is what the same act on it alone would have been answered with."""

    id: UUID
    outcome: BulkOutcome
    status: int


class BulkDone(Struct, frozen=True):
    """What became of each, in the order they were named in; `outcomes` counts them. `archive` is the file that is being made."""

    action: BulkAction
    outcomes: dict[str, int]
    results: list[BulkResult]
    archive: Archive | None
