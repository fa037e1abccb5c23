"""The shapes of verification in JSON."""

from datetime import date
from typing import Literal

from msgspec import Struct

from domain.accounts import Mode
from domain.provenance import CredentialState, Marking
from entrypoints.http.shapes import Time


class Ingredient(Struct, frozen=True):
    """A picture that another was made from, as whoever signed that one found it: `none` without credentials, `invalid` where they
    did not hold (`codes` says why), `valid` by a signer we do not know, `trusted`."""

    relationship: str
    state: CredentialState
    codes: list[str]
    claim_generator: str | None
    ingredients: list["Ingredient"]


class Credentials(Struct, frozen=True, kw_only=True):
    """The content credentials (C2PA) in a file. `codes` are the standard's for what does not hold; `source_type` is IPTC's word
    for what made the picture; `signed_at` is a timestamp authority's word, null without one."""

    state: CredentialState
    codes: list[str]
    claim_generator: str | None
    signed_by_us: bool
    source_type: str | None
    signed_at: Time | None
    ingredients: list[Ingredient]


class Match(Struct, frozen=True):
    """A picture that we made: these very `same_bytes`, or one that looks alike, of which `distance` bits of 256 differ."""

    same_bytes: bool
    distance: int | None
    made_on: date
    mode: Mode
    model: str
    marking: Marking


class Verification(Struct, frozen=True, kw_only=True):
    """What a file says of itself and what we know of it. `mode` is that of the nearest match: a `test` picture was painted to try
    the service out, by no model."""

    object: Literal["verification"] = "verification"
    sha256: str
    content_type: str
    made_here: bool
    mode: Mode | None
    credentials: Credentials
    matches: list[Match]
