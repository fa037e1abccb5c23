"""What comes in outside of bodies: page sizes, cursors, instants, words to filter by, and the caller's own key for a request."""

import hashlib
import re
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar.params import HeaderParameter, QueryParameter

from application.store import IdempotencyKey
from domain.accounts import Caller
from domain.errors import CardNumberRefused, InvalidRequest, InvalidText
from domain.limits import LIMITS, holds_card_number, text
from domain.words import KNOWN_WORDS, WORD_CHARACTERS

PAGE = 20
KEY = "Idempotency-Key"

Limit = Annotated[int, QueryParameter(ge=1, le=LIMITS["page"], description="how many to answer at most")]
After = Annotated[
    str | None,
    QueryParameter(max_length=LIMITS["cursor_characters"], description="the `next` of the page before, with the same filters"),
]
Instant = Annotated[
    str | None, QueryParameter(description="RFC 3339, with its zone", schema_extra={"format": "date-time"}, max_length=64)
]
Word = Annotated[str | None, QueryParameter(max_length=LIMITS["name_characters"])]
Id = Annotated[UUID | None, QueryParameter()]
Search = Annotated[
    str | None,
    QueryParameter(
        max_length=LIMITS["search_characters"],
        description=(
            f"words of the prompt, all of them, whatever their case: at most {LIMITS['search_words']}. In scripts without "
            f"spaces, characters side by side. The first {KNOWN_WORDS:,} different words of a prompt are known, and the first "
            f"{WORD_CHARACTERS} characters of a word"
        ),
    ),
]
Idempotency = Annotated[
    str | None,
    HeaderParameter(
        name=KEY,
        description="printable ASCII; the same key with the same body answers the same thing, for 24 hours",
        schema_extra={"pattern": "^[ -~]+$", "minLength": 1, "maxLength": LIMITS["idempotency_key_characters"]},
    ),
]

canonical = msgspec.json.Encoder(order="deterministic").encode
"""What was understood of a body, always in the same bytes: repeats are told by it."""
_ONLY_DIGITS = re.compile(r"[\d .-]+", re.ASCII)


def instant(field: str, value: str | None) -> datetime | None:
    """In UTC. Raises InvalidRequest."""
    if value is None:
        return None
    try:
        return utc(field, msgspec.convert(value, Annotated[datetime, msgspec.Meta(tz=True)]))
    except msgspec.ValidationError:
        raise InvalidRequest(f"{field} must be an RFC 3339 time with its zone", field=field) from None


def utc(field: str, value: datetime) -> datetime:
    """The same instant in UTC; the ends of the calendar have none. Raises InvalidRequest."""
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise InvalidRequest(f"{field} lies outside the calendar", field=field) from None


def word(field: str, value: str | None) -> str | None:
    return None if value is None else text(field, value, LIMITS["name_characters"], least=1)


def idempotency_key(value: str | None) -> str | None:
    """Raises InvalidText or CardNumberRefused.

    Only a digest is ever kept of a key, so it is asked for card numbers only where it can be nothing else: digits and dashes.
    Of random keys in hexadecimal, one in two thousand holds a number that could be a card's.
    """
    if value is None:
        return None
    field, limit = KEY, LIMITS["idempotency_key_characters"]
    if not 1 <= len(value) <= limit:
        raise InvalidText(f"{field} has 1 to {limit} characters", field=field, limit=limit, reason="length")
    if not (value.isascii() and value.isprintable()):
        raise InvalidText(f"{field} is printable ASCII", field=field, reason="not_printable_ascii")
    if _ONLY_DIGITS.fullmatch(value) and holds_card_number(value):
        raise CardNumberRefused(f"{field} seems to hold a payment card number", field=field)
    return value


def once(caller: Caller, route: str, key: str | None, body: bytes) -> tuple[IdempotencyKey, str] | None:
    """The caller's key for this request, with the fingerprint of its body as it was understood: spaces and the order of fields do
    not count. Raises InvalidText or CardNumberRefused."""
    written = idempotency_key(key)
    return (IdempotencyKey(caller.account_id, caller.mode, route, written), hashlib.sha256(body).hexdigest()) if written else None
