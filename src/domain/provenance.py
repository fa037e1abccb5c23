"""Where a picture comes from: what is signed into each that we make, and what the credentials in one say."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from domain.accounts import Mode

MOST_WORDS, MOST_CODES, MOST_INGREDIENTS = 200, 20, 100
"""What is kept of credentials that somebody else wrote: characters of a text, codes, and ingredients of the whole chain."""
LOG_KEPT = timedelta(days=730)
"""How long we know our own pictures again."""
_SOON, _SELDOM = timedelta(minutes=5), timedelta(days=1)


class Marking(StrEnum):
    """Whether a picture says where it comes from."""

    UNMARKED = "unmarked"
    """What somebody uploaded: its credentials were read, and what we keep is only pixels. Or nobody has looked yet."""
    UPSTREAM = "upstream"
    """The model's own credentials, untouched."""
    SIGNED = "signed"
    """Ours."""
    PENDING = "pending"
    """It could not be signed yet, and is handed out to nobody."""

    @property
    def may_be_handed_out(self) -> bool:
        return self is not Marking.PENDING


class CredentialState(StrEnum):
    """What a check of content credentials came to. `valid`: whole, but signed by somebody we have no reason to trust."""

    NONE = "none"
    INVALID = "invalid"
    VALID = "valid"
    TRUSTED = "trusted"

    @property
    def holds(self) -> bool:
        return self in (CredentialState.VALID, CredentialState.TRUSTED)


class SourceType(StrEnum):
    """IPTC's words for what made a picture."""

    GENERATED = "trainedAlgorithmicMedia"
    EDITED = "compositeWithTrainedAlgorithmicMedia"

    @classmethod
    def of_model(cls, *, edited: bool) -> "SourceType":
        return cls.EDITED if edited else cls.GENERATED

    @property
    def address(self) -> str:
        return f"http://cv.iptc.org/newscodes/digitalsourcetype/{self.value}"


class Act(StrEnum):
    """C2PA's words for what was done."""

    CREATED = "c2pa.created"
    EDITED = "c2pa.edited"
    TRANSCODED = "c2pa.transcoded"
    RESIZED = "c2pa.resized"
    PUBLISHED = "c2pa.published"


def sign_again(made_at: datetime, now: datetime) -> datetime:
    """When a picture that cannot be signed as it is comes next: after as long as it has waited, a day at most."""
    return now + min(max(now - made_at, _SOON), _SELDOM)


@dataclass(frozen=True, slots=True)
class Made:
    """What is signed into a picture. It names nobody: no prompt, no account, no file. `model`: the software that did it."""

    acts: tuple[Act, ...]
    source_type: SourceType | None
    model: str | None = None

    @classmethod
    def by_model(cls, model: str, *, edited: bool, opened: bool = True) -> Self:
        """`opened`: what was edited is at hand, to be named as what this was made from."""
        act = Act.EDITED if edited and opened else Act.CREATED
        return cls((act,), SourceType.of_model(edited=edited), model)


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A picture that another was made from, as whoever signed that one found it. `state` is `trusted` only under a trusted
    signature; it has no title, which would be somebody's file name."""

    relationship: str
    state: CredentialState
    codes: tuple[str, ...]
    claim_generator: str | None
    ingredients: tuple["Ingredient", ...] = ()


@dataclass(frozen=True, slots=True)
class Credentials:
    """The content credentials in a file. `codes` are C2PA's for what is wrong with them; `signed_at` is a timestamp authority's
    word, in UTC as ISO 8601 has it; `source_type` the last part of IPTC's address, as signed."""

    state: CredentialState
    codes: tuple[str, ...] = ()
    claim_generator: str | None = None
    by_us: bool = False
    source_type: str | None = None
    signed_at: str | None = None
    ingredients: tuple[Ingredient, ...] = ()

    @property
    def marking(self) -> Marking:
        """Of a model's picture that carries these. Credentials that do not hold count for nothing here."""
        if not self.state.holds:
            return Marking.PENDING
        return Marking.SIGNED if self.by_us else Marking.UPSTREAM


NO_CREDENTIALS = Credentials(CredentialState.NONE)
UNREADABLE = Credentials(CredentialState.INVALID, ("unreadable",))
"""What is there cannot be taken apart at all."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What is kept of the credentials that an upload came with."""

    state: CredentialState
    claim_generator: str | None


@dataclass(frozen=True, slots=True)
class LoggedPicture:
    """A picture that we made, as we know it again when it, its owner and its prompt are gone. `asset_id` leads nowhere then.

    `pdq` is what it looks like, 64 hexadecimal digits, once it was `looked_at` and if it can be told by it.
    """

    asset_id: UUID
    mode: Mode
    model: str
    sha256: str
    marking: Marking
    made_at: datetime
    pdq: str | None = None
    looked_at: datetime | None = None
