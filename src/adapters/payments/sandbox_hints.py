"""The sandbox's webhook: signed and proven in Stripe's way, so that one route hears both."""

import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Literal

import msgspec

from application.payments import HintRefused
from domain.billing import Hint

TOLERANCE_SECONDS = 300
"""How far the time of a signature may be from ours, before or after it."""
_MOST_BYTES = 64 * 1024
_HEADER = re.compile(r"t=([1-9][0-9]{0,11}),v1=([0-9a-f]{64})", re.ASCII)
_Word = Annotated[str, msgspec.Meta(pattern=r"\A[\x21-\x7e]{1,255}\Z")]


class _About(msgspec.Struct, frozen=True):
    id: _Word
    object: _Word


class _Told(msgspec.Struct, frozen=True):
    object: _About


class _Body(msgspec.Struct, frozen=True):
    id: _Word
    object: Literal["event"]
    type: _Word
    created: Annotated[int, msgspec.Meta(ge=0, lt=1 << 36)]
    data: _Told


def write_hint(hint: Hint, at: datetime, secret: str) -> tuple[bytes, str]:
    """The body and its signature, made at this time."""
    told = _Told(_About(hint.object_id, hint.object_kind))
    body = msgspec.json.encode(_Body(hint.id, "event", hint.type, int(hint.created.timestamp()), told))
    seconds = str(int(at.timestamp()))
    return body, f"t={seconds},v1={_proof(secret, seconds, body)}"


def read_hint(body: bytes, signature: str | None, now: datetime, secrets: Sequence[str]) -> Hint:
    """Raises HintRefused."""
    if len(body) > _MOST_BYTES:
        raise HintRefused("too large")
    signed = _HEADER.fullmatch(signature or "")
    if not signed:
        raise HintRefused("no signature")
    seconds, proof = signed.groups()
    if abs(now.timestamp() - int(seconds)) > TOLERANCE_SECONDS:
        raise HintRefused("signed at another time")
    if not any(hmac.compare_digest(_proof(secret, seconds, body), proof) for secret in secrets):
        raise HintRefused("not signed by the sandbox")
    try:
        said = msgspec.json.decode(body.decode(), type=_Body)
    except (ValueError, RecursionError):
        raise HintRefused("not an event") from None
    about = said.data.object
    return Hint(said.id, said.type, datetime.fromtimestamp(said.created, UTC), about.object, about.id)


def _proof(secret: str, seconds: str, body: bytes) -> str:
    return hmac.new(secret.encode(), seconds.encode() + b"." + body, sha256).hexdigest()
