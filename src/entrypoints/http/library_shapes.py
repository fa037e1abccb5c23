"""The shapes of the library: what an owner keeps together."""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from domain.accounts import Mode
from domain.limits import LIMITS
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
