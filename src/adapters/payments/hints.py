"""What comes to the webhook: proven by its signature, and read no further than what it is about.

The sandbox signs in Stripe's way, so that one reader hears both.
"""

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
    """`secrets`: any of which may sign. Raises HintRefused.

    Stripe's SDK would read the machine's clock, build the whole event, and let a signature of next year pass.
    """
    if len(body) > MOST_BYTES:
        raise HintRefused("too large")
    written, signatures = _signed(signature)
    if abs(now.timestamp() - int(written)) > TOLERANCE_SECONDS:
        raise HintRefused("signed at another time")
    proofs = [_proof(secret, written, body) for secret in secrets]
    if not any(hmac.compare_digest(proof, each) for proof in proofs for each in signatures):
        raise HintRefused("not signed by the provider")
    try:
        return msgspec.json.decode(body.decode(), type=Event).hint()
    except (ValueError, RecursionError):
        raise HintRefused("not an event") from None


def write_hint(hint: Hint, at: datetime, secret: str) -> tuple[bytes, str]:
    """The body and its signature, made at this time."""
    about = Data(About(hint.object_kind, hint.object_id))
    body = msgspec.json.encode(Event(hint.id, "event", hint.type, int(hint.created.timestamp()), about))
    seconds = str(int(at.timestamp()))
    return body, f"t={seconds},{_SCHEME}={_proof(secret, seconds, body)}"


def _proof(secret: str, seconds: str, body: bytes) -> str:
    return hmac.new(secret.encode(), seconds.encode() + b"." + body, sha256).hexdigest()


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
