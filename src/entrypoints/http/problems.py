"""What a refusal looks like from outside: RFC 9457 problem documents, and one table that gives each broken rule its status.

A refusal names the field and the rule, never the value: whatever was sent stays out of the answer.
"""

import traceback
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, InternalServerException, ValidationException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.params import ParameterKwarg
from litestar.types import ExceptionHandlersMap, Scope

from application.payments import PaymentDeclined, PaymentRefused, PaymentsUnavailable
from application.ports import StorageUnavailable
from application.provenance import ProvenanceUnavailable
from application.store import StoreUnavailable
from domain import buying_errors, errors
from domain.errors import DomainError, InvalidRequest, NotFound, TooManyBytes
from domain.limits import LIMITS, holds_card_number
from entrypoints.http.compatible import errors as compatible

MEDIA_TYPE = "application/problem+json"

STATUS: Mapping[type[DomainError], int] = {
    # What was sent. A price above the caller's maximum is one of these: SDKs repeat a 409 by themselves, and a 402 would say
    # that credits are missing.
    errors.InvalidRequest: 400,
    errors.InvalidText: 400,
    errors.CardNumberRefused: 400,
    errors.UnknownModel: 400,
    errors.RetiredModel: 400,
    errors.UnsupportedByModel: 400,
    errors.LimitExceeded: 400,
    errors.PriceAboveMaximum: 400,
    errors.InvalidCursor: 400,
    errors.InvalidInstant: 400,
    errors.InvalidAmount: 400,
    errors.ReversalAboveGrant: 400,
    buying_errors.UnknownProduct: 400,
    buying_errors.ForeignAddress: 400,
    buying_errors.UnknownPromotion: 400,
    errors.TooManyBytes: 413,
    errors.UnsupportedFormat: 415,
    # What a well-formed request holds and we do not take.
    errors.TooManyPixels: 422,
    errors.TooHeavy: 422,
    errors.Truncated: 422,
    errors.Animated: 422,
    errors.MaskMismatch: 422,
    errors.BrokenImage: 422,
    errors.IdempotencyMismatch: 422,
    # Who asks, and for what.
    errors.Unauthenticated: 401,
    errors.MissingScope: 403,
    errors.AccountFrozen: 403,
    errors.SessionNeeded: 403,
    errors.FreshSignInNeeded: 403,
    errors.CrossOrigin: 403,
    errors.StaffOnly: 403,
    errors.NotFound: 404,
    errors.HoldNotFound: 404,
    errors.NoSuchLot: 404,
    errors.Gone: 410,
    # Signing in.
    errors.SignInInvalid: 400,
    errors.SignInExpired: 400,
    errors.SignInDenied: 403,
    errors.EmailUnverified: 403,
    errors.RegistrationClosed: 403,
    errors.IdentityTaken: 409,
    errors.LastIdentity: 409,
    errors.TooManyKeys: 409,
    errors.TooManyEndpoints: 409,
    errors.EndpointDisabled: 409,
    errors.AlreadyCreated: 409,
    errors.StillAtWork: 409,
    errors.ProviderUnavailable: 503,
    # How things stand.
    errors.InsufficientCredits: 402,
    errors.DebtOutstanding: 402,
    errors.SpendCapReached: 402,
    errors.TooManyOpen: 429,
    errors.TooManyRefusals: 429,
    errors.TooManyArchives: 429,
    errors.TooManyStreams: 429,
    errors.RateLimited: 429,
    errors.NotFinished: 409,
    errors.NotAllPossible: 409,
    errors.AssetInUse: 409,
    errors.HoldExists: 409,
    errors.HoldResolved: 409,
    errors.HoldNotDue: 409,
    errors.CommandConflict: 409,
    errors.AlreadyGranted: 409,
    errors.OpenHolds: 409,
    errors.AccountClosed: 409,
    buying_errors.NothingBought: 409,
    buying_errors.PromotionUsedUp: 409,
    buying_errors.PromotionRedeemed: 409,
    errors.IntakeBusy: 503,
    errors.SignaturePending: 503,
    buying_errors.NotSold: 409,
    buying_errors.EmailNeeded: 409,
    buying_errors.SubscriptionExists: 409,
    buying_errors.NoSubscription: 409,
    buying_errors.SubscriptionEnding: 409,
    buying_errors.AlreadySo: 409,
    buying_errors.PaymentNeeded: 402,
    # A worker's own, or an operator's: no route raises these.
    errors.LeaseLost: 409,
    errors.LastAdmin: 409,
    buying_errors.NothingToRefund: 409,
    buying_errors.RefundOpen: 409,
}


class BodyLate(Exception):
    """The body was not whole in time; its one argument: within how many seconds it had to be."""


class AnswerLate(Exception):
    """Whatever answers this request did not begin to in time."""


RETRY_AFTER: Mapping[type[Exception], int] = {
    errors.TooManyOpen: 10,  # the shortest time a picture takes
    errors.IntakeBusy: 2,
    errors.SignaturePending: 5,
    errors.ProviderUnavailable: 10,
    StoreUnavailable: 5,
    StorageUnavailable: 5,
    ProvenanceUnavailable: 30,
    PaymentsUnavailable: 5,
    AnswerLate: 5,
}
"""Seconds after which it is worth asking again, where the refusal itself does not say."""

EDGE: Mapping[int, tuple[str, str]] = {
    400: (InvalidRequest.problem(), InvalidRequest.title),
    405: ("method-not-allowed", "There is no such method here"),
    408: ("timeout", "The body did not arrive in time"),
    413: ("body-too-large", "The body is too large"),
    415: ("unsupported-media-type", "The body is not of the type this route reads"),
    416: ("range-not-satisfiable", "There is no such part of it"),
    500: ("internal-error", "Something went wrong on our side"),
    503: ("unavailable", "The service is not available for the moment"),
}
"""Name and title of what HTTP itself refuses, by status."""


def problem(
    scope: Scope,
    status: int,
    name: str,
    title: str,
    detail: str | None = None,
    facts: Mapping[str, errors.Fact] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response[bytes]:
    """A problem document; `facts` become members of their own. In OpenAI's shape on the routes its clients know."""
    if compatible.speaks_openai(scope["path"]):
        said_so = compatible.edge(status, name)
        field = (facts or {}).get("field")
        return compatible.answer(scope, said_so, detail or title, field if isinstance(field, str) else None, headers)
    said: dict[str, errors.Fact] = {"type": f"/problems/{name}", "title": title, "status": status}
    if detail:
        said["detail"] = detail
    if instance := instance_of(scope):
        said["instance"] = instance
    content = msgspec.json.encode({**said, **(facts or {}), **said})
    return Response(content, status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def unavailable(scope: Scope, retry_after: int) -> Response[bytes]:
    return problem(scope, 503, *EDGE[503], None, {"retry_after": retry_after}, {"Retry-After": str(retry_after)})


def instance_of(scope: Scope) -> str | None:
    """The path as it was sent, unless it is overlong or seems to hold a card number."""
    path = raw_path(scope)
    return path if len(path) <= LIMITS["cursor_characters"] and not holds_card_number(path) else None


def raw_path(scope: Scope) -> str:
    """The path as it was sent, before anything was decoded; some servers leave the query in it."""
    return bytes(scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0].decode("latin-1")


def refusal(scope: Scope, error: DomainError) -> Response[bytes]:
    facts, headers = dict(error.facts), dict[str, str]()
    if seconds := facts.get("retry_after") or RETRY_AFTER.get(type(error)):
        facts["retry_after"], headers["Retry-After"] = seconds, str(seconds)
    status = STATUS[type(error)]
    if status == 404:  # what the address says is said already, and what is missing and what is foreign must look alike
        facts = {name: fact for name, fact in facts.items() if str(fact) not in raw_path(scope).split("/")}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if compatible.speaks_openai(scope["path"]):
        return compatible.refused(scope, error, status, headers)
    return problem(scope, status, error.problem(), error.title, error.detail, facts, headers)


def _refused(request: Request[Any, Any, Any], error: DomainError) -> Response[bytes]:
    return refusal(request.scope, error)


def _away(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """What the answer depends on does not answer itself; nothing is known of what was asked."""
    structlog.get_logger().error("dependency_unavailable", error=type(error).__name__)
    return unavailable(request.scope, RETRY_AFTER[type(error)])


def _declined(request: Request[Any, Any, Any], error: PaymentDeclined) -> Response[bytes]:
    detail = "the bank said no, or asks for its customer: pay at pay_url, or put another card on file at the portal and ask again"
    facts: dict[str, errors.Fact] = {"code": error.code, "pay_url": error.pay_url, "allowed": ["portal"]}
    return problem(request.scope, 402, "payment-declined", "The payment was declined", detail, facts)


def _not_taken(request: Request[Any, Any, Any], error: PaymentRefused) -> Response[bytes]:
    """The provider's words stay with us: they may name things of its own."""
    return problem(
        request.scope, 409, "payment-refused", "The payment provider will not do this as things stand", None, {"code": error.code}
    )


def _late(request: Request[Any, Any, Any], error: BodyLate) -> Response[bytes]:
    """What else of it comes is nobody's request any more."""
    (seconds,) = error.args
    return problem(request.scope, 408, *EDGE[408], None, {"limit": int(seconds)}, {"Connection": "close"})


def _too_large(request: Request[Any, Any, Any], error: RequestEntityTooLarge) -> Response[bytes]:
    limit = request.route_handler.resolve_request_max_body_size() or 0
    if limit > LIMITS["upload_bytes"]:
        field, most = request.route_handler.opt.get("largest", ("file", LIMITS["upload_bytes"]))
        return _refused(request, TooManyBytes(f"{field} may have at most {most} bytes", field=field, limit=most))
    return problem(request.scope, 413, *EDGE[413], None, {"limit": limit})


def _invalid(request: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
    """A parameter of the wrong form. Litestar's own words repeat what was sent, so only the parameter's name is used."""
    found = [said.get("key") for said in error.extra if isinstance(said, dict)] if isinstance(error.extra, list) else []
    field = next((key for key in found if isinstance(key, str)), None)
    declared = request.route_handler.parsed_fn_signature.parameters.get(field or "")
    if declared and isinstance(declared.kwarg_definition, ParameterKwarg):
        field = declared.kwarg_definition.name or field
    if field in (None, "data"):
        return problem(request.scope, 400, *EDGE[400], "the body is missing, or not of the form this route reads")
    return problem(request.scope, 400, *EDGE[400], f"{field} is not acceptable", {"field": field})


def _http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """What Litestar refuses. Its details are kept to ourselves, but for those this service wrote."""
    status = error.status_code
    if status == 404:
        return _refused(request, NotFound())
    if isinstance(error, InternalServerException) and "disconnected" in error.detail:
        return problem(request.scope, 400, *EDGE[400], "the body ended before it was whole")
    if status not in EDGE or status >= 500:
        return crashed(request, error)
    headers = {"Allow": error.headers["allow"]} if status == 405 and error.headers else {}
    detail = error.detail if type(error) is HTTPException else None
    return problem(request.scope, status, *EDGE[status], detail, None, headers)


def crashed(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A fault of ours. The caller learns nothing but the request id; the log learns where, not what: messages quote values."""
    log_crash(error)
    return problem(request.scope, 500, *EDGE[500])


def log_crash(error: Exception) -> None:
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    where = " > ".join(f"{PurePath(frame.filename).stem}:{frame.lineno}" for frame in frames)
    structlog.get_logger().error("request_crashed", error=type(error).__name__, where=where)


EXCEPTION_HANDLERS: ExceptionHandlersMap = {
    DomainError: _refused,
    StoreUnavailable: _away,
    StorageUnavailable: _away,
    ProvenanceUnavailable: _away,
    PaymentsUnavailable: _away,
    PaymentDeclined: _declined,
    PaymentRefused: _not_taken,
    AnswerLate: _away,
    BodyLate: _late,
    RequestEntityTooLarge: _too_large,
    ValidationException: _invalid,
    HTTPException: _http,
    Exception: crashed,
}
