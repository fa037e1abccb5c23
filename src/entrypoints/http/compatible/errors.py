"""Refusals in OpenAI's shape: `{"error": {"message", "type", "code", "param"}}`, on every route that OpenAI's clients know.

Their SDKs choose the class they raise by the status, and repeat 408, 409, 429 and 5xx by themselves unless `x-should-retry` says
no: so it does wherever asking again cannot help, or would be a new purchase.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from litestar import Response
from litestar.types import Scope

from domain import buying_errors, errors
from domain.attempts import Failure, FailureClass
from domain.errors import DomainError, Fact

MEDIA_TYPE = "application/json"
GENERATION_ID, SHOULD_RETRY = "x-generation-id", "x-should-retry"
_PLACES = ("/v1/images/", "/v1/models/")
_MADE = "made_generation"

_REQUEST, _PICTURE, _QUOTA, _OURS = "invalid_request_error", "image_generation_user_error", "insufficient_quota", "server_error"


@dataclass(frozen=True, slots=True)
class Said:
    """`is_final`: the client is told not to ask again by itself."""

    status: int
    type: str
    code: str
    is_final: bool = False


TABLE: Mapping[type[DomainError], Said] = {
    errors.UnknownModel: Said(404, _REQUEST, "model_not_found"),
    errors.RetiredModel: Said(404, _REQUEST, "model_not_found"),
    errors.UnsupportedByModel: Said(400, _REQUEST, "invalid_value"),
    errors.LimitExceeded: Said(400, _REQUEST, "invalid_value"),
    errors.InvalidRequest: Said(400, _REQUEST, "invalid_value"),
    errors.InvalidText: Said(400, _REQUEST, "invalid_value"),
    errors.Unauthenticated: Said(401, _REQUEST, "invalid_api_key"),
    errors.InsufficientCredits: Said(429, _QUOTA, "insufficient_quota", is_final=True),
    errors.DebtOutstanding: Said(429, _QUOTA, "insufficient_quota", is_final=True),
    errors.SpendCapReached: Said(429, _QUOTA, "insufficient_quota", is_final=True),
    buying_errors.PaymentNeeded: Said(429, _QUOTA, "insufficient_quota", is_final=True),
    errors.RateLimited: Said(429, "requests", "rate_limit_exceeded"),
    errors.TooManyOpen: Said(429, "requests", "rate_limit_exceeded"),
    errors.TooManyStreams: Said(429, "requests", "rate_limit_exceeded"),
    errors.TooManyRefusals: Said(429, "requests", "rate_limit_exceeded"),
    errors.TooManyBytes: Said(400, _REQUEST, "image_file_too_large"),
    errors.UnsupportedFormat: Said(400, _REQUEST, "unsupported_file_mimetype"),
    errors.TooManyPixels: Said(400, _REQUEST, "image_too_large"),
    errors.TooHeavy: Said(400, _REQUEST, "image_too_large"),
    errors.Truncated: Said(400, _REQUEST, "invalid_image_file"),
    errors.Animated: Said(400, _REQUEST, "invalid_image_file"),
    errors.BrokenImage: Said(400, _REQUEST, "invalid_image_file"),
    errors.MaskMismatch: Said(400, _REQUEST, "invalid_mask"),
}
"""Where the source has words of its own; everything else keeps its status and its public name."""

_REASONS = {"unknown": "unknown_parameter", "missing": "missing_required_parameter", "too_long": "string_above_max_length"}

_ENDS: Mapping[FailureClass, Said] = {
    FailureClass.MODERATION: Said(400, _PICTURE, "moderation_blocked"),
    FailureClass.CAPABILITY: Said(400, _REQUEST, "invalid_value"),
    FailureClass.CANCELLED: Said(409, _REQUEST, "generation_cancelled", is_final=True),
    FailureClass.CAPACITY: Said(503, _OURS, "overloaded", is_final=True),
    FailureClass.TIMEOUT: Said(504, _OURS, "timeout", is_final=True),
}
"""How a generation without pictures ended; all others are 500. What can be tried again has been, before it was told."""


def speaks_openai(path: str) -> bool:
    return path.startswith(_PLACES)


def made(scope: Scope, generation: object) -> None:
    """Whatever is answered from now on names this generation."""
    cast(dict[str, Any], scope)[_MADE] = str(generation)


def answer(
    scope: Scope, said: Said, message: str, param: str | None = None, headers: Mapping[str, str] | None = None
) -> Response[bytes]:
    content = msgspec.json.encode({"error": {"message": message, "type": said.type, "code": said.code, "param": param}})
    sent = {**(headers or {}), **names(scope)}
    if said.is_final or said.status == 409:
        sent[SHOULD_RETRY] = "false"
    return Response(content, status_code=said.status, media_type=MEDIA_TYPE, headers=sent)


def names(scope: Scope) -> dict[str, str]:
    """The header that names the generation, once there is one."""
    known = cast(dict[str, Any], scope).get(_MADE)
    return {GENERATION_ID: known} if known else {}


def said_of(kind: type[DomainError], status: int) -> Said:
    """`status`: what it is elsewhere."""
    return TABLE.get(kind) or edge(status, kind.problem())


def edge(status: int, name: str) -> Said:
    """What HTTP itself refuses, by its public name."""
    return Said(status, _OURS if status >= 500 else _REQUEST, name.replace("-", "_"))


def refused(scope: Scope, error: DomainError, status: int, headers: Mapping[str, str]) -> Response[bytes]:
    said, facts = said_of(type(error), status), error.facts
    if code := _REASONS.get(str(facts.get("reason"))):
        said = Said(said.status, said.type, code)
    return answer(scope, said, _sentence(error.detail, facts), _param(facts), headers)


def ended(scope: Scope, failure: Failure | None) -> Response[bytes]:
    """A generation that ended without a picture: nothing is charged for it, and it is never a success."""
    if failure is None:
        return answer(scope, Said(500, _OURS, "empty", is_final=True), "There is no picture to answer. Nothing more is charged.")
    said = _ENDS.get(failure.failure_class) or Said(500, _OURS, failure.failure_class, is_final=True)
    if failure.failure_class is FailureClass.MODERATION:
        message = (
            "Your request was rejected by the safety system. "
            f"moderation_stage={failure.stage}, safety_violations=[{failure.code}]. Nothing was charged."
        )
    else:
        message = f"{failure.message or failure.code}. Nothing was charged."
    return answer(scope, said, message)


def _param(facts: Mapping[str, Fact]) -> str | None:
    field = facts.get("field")
    return field if isinstance(field, str) else None


def _sentence(detail: str, facts: Mapping[str, Fact]) -> str:
    allowed = facts.get("allowed")
    if isinstance(allowed, list) and allowed:
        return f"{detail}. Supported values are: {', '.join(allowed)}."
    if "required" in facts and "available" in facts:
        return f"{detail}: {facts['required']} credits are needed and {facts['available']} are available."
    return detail
