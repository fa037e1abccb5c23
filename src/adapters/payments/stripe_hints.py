"""What Stripe tells by its webhook: proven by its signature, and read no further than what it is about."""

import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Literal

import msgspec

from adapters.payments.stripe_answers import Named
from application.payments import HintRefused
from domain.billing import Hint

TOLERANCE_SECONDS = 300
"""How far the time of a signature may be from ours, before or after it."""
MOST_BYTES = 1 << 20
_MOST_HEADER_CHARACTERS = 4096
_TIME = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)
_SIGNATURE = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SCHEME = "v1"

_Word = Annotated[str, msgspec.Meta(pattern=r"\A[\x21-\x7e]{1,255}\Z")]


class About(msgspec.Struct, frozen=True):
    """An invoice that is only foreseen has no id."""

    object: _Word
    id: _Word | None = None


class Data(msgspec.Struct, frozen=True):
    object: About


class Event(Named, frozen=True):
    id: _Word
    object: Literal["event"]
    type: _Word
    created: Annotated[int, msgspec.Meta(ge=0, lt=1 << 36)]
    data: Data

    def hint(self) -> Hint:
        about = self.data.object
        return Hint(self.id, self.type, datetime.fromtimestamp(self.created, UTC), about.object, about.id or "")


def read_hint(body: bytes, signature: str | None, now: datetime, secrets: Sequence[str]) -> Hint:
    """The SDK would read the machine's clock, build the whole event, and let a signature of next year pass.

    Raises HintRefused.
    """
    if len(body) > MOST_BYTES:
        raise HintRefused("too large")
    written, signatures = _signed(signature)
    if abs(now.timestamp() - int(written)) > TOLERANCE_SECONDS:
        raise HintRefused("signed at another time")
    message = written.encode() + b"." + body
    proofs = [hmac.new(secret.encode(), message, sha256).hexdigest() for secret in secrets]
    if not any(hmac.compare_digest(proof, each) for proof in proofs for each in signatures):
        raise HintRefused("not signed by Stripe")
    try:
        return msgspec.json.decode(body.decode(), type=Event).hint()
    except (ValueError, RecursionError):
        raise HintRefused("not an event") from None


def _signed(header: str | None) -> tuple[str, Sequence[str]]:
    """The time as it was written, and the signatures of the scheme we know; others may stand beside them."""
    if not header or len(header) > _MOST_HEADER_CHARACTERS:
        raise HintRefused("no signature")
    parts = [part.partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    signatures = [value for name, _, value in parts if name == _SCHEME]
    if len(times) != 1 or not _TIME.fullmatch(times[0]) or not signatures:
        raise HintRefused("no signature")
    if not all(between for _, between, _ in parts) or not all(_SIGNATURE.fullmatch(each) for each in signatures):
        raise HintRefused("a signature of another form")
    return times[0], signatures
