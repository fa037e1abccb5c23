"""The shapes of people: with whom they sign in, their sessions, and who they are to us."""

from datetime import date
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from domain.accounts import Mode, Role, Scope
from domain.limits import LIMITS, MAX_INTEGER
from entrypoints.http.shapes import Time


class Provider(Struct, frozen=True):
    """`start`: the path at which a browser begins to sign in."""

    id: str
    start: str


class Providers(Struct, frozen=True):
    data: list[Provider]


class Leave(Struct, frozen=True):
    """`url`: where the browser goes on."""

    url: str


class Session(Struct, frozen=True):
    """`current`: the one that asks. `seen_at` is coarse."""

    id: UUID
    provider: str
    signed_in_at: Time
    seen_at: Time
    expires_at: Time
    current: bool


class Sessions(Struct, frozen=True):
    data: list[Session]


class Identity(Struct, frozen=True):
    id: UUID
    provider: str
    email: str
    linked_at: Time


class KeyBody(Struct, frozen=True, forbid_unknown_fields=True):
    """`spend_cap`: credits in a calendar month (UTC)."""

    mode: Mode
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=len(Scope), extra_json_schema={"uniqueItems": True})]
    name: Annotated[str, Meta(min_length=1, max_length=LIMITS["name_characters"])] | None = None
    spend_cap: Annotated[int, Meta(ge=0, le=MAX_INTEGER)] | None = None


class Key(Struct, frozen=True):
    """`hint`: the secret's last four characters. `used_on`: the last day on which it was used."""

    id: UUID
    mode: Mode
    scopes: list[Scope]
    hint: str
    name: str | None
    spend_cap: int | None
    created_at: Time
    used_on: date | None


class NewKey(Key, frozen=True, kw_only=True):
    """`secret` is told once, here."""

    secret: str


class Keys(Struct, frozen=True):
    data: list[Key]


class MeBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays. `email`: one that a linked sign-in has verified."""

    name: Annotated[str, Meta(min_length=1, max_length=LIMITS["name_characters"])] | UnsetType | None = UNSET
    email: Annotated[str, Meta(max_length=254)] | UnsetType = UNSET


class Me(Struct, frozen=True):
    id: UUID
    name: str | None
    email: str | None
    role: Role
    plan: str
    created_at: Time
    identities: list[Identity]
