"""How a call ended: the three results, and what must be known to say which. Nothing that may be paid is called not executed."""

import asyncio
from collections.abc import Mapping

import httpx2
from openai import APIConnectionError, APITimeoutError

from adapters.image_models.openai.allowance import retry_after
from adapters.image_models.openai.answers import Brought
from adapters.image_models.openai.complaints import Complaint
from adapters.image_models.openai.wire import NotSuccessful, Wire
from domain.attempts import CallResult, Executed, Failure, FailureClass, Finality, NotExecuted, Obstacle, Stage, Unknown, Usage

KEPT_BYTES = 16 << 20
"""Of an answer that could not be used, for support."""
_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError, httpx2.UnsupportedProtocol)
"""The transport's own word that there was no connection to send anything on."""
_UNCERTAIN_STATUS = frozenset((408, 409, 499))
"""As every 5xx: whoever says so need not know whether the work was done."""
_TOO_EARLY = 425
_ANY_ERROR = "invalid_request_error"
_UNSUPPORTED = frozenset((400, 404, 413, 415, 422))
FLAWS: Mapping[str, str] = {
    "not_json": "The provider's answer is not JSON",
    "not_object": "The provider's answer is not what its interface describes",
    "not_base64": "The provider's answer holds a picture that is not base64",
    "wrong_format": "The provider's answer holds bytes that are no picture of the asked format",
    "too_large": "The provider's answer is larger than the request explains",
    "empty": "The model answered without a picture",
    "unreadable": "The provider's answer could not be read",
}


def brought(found: Brought, wire: Wire, body: bytes | bytearray) -> CallResult:
    """A whole answer with a success's status."""
    if found.pictures:
        return Executed(tuple(found.pictures), wire.request_id, found.usage, found.cost, allowance=wire.allowance)
    complaint = found.complaint
    if complaint and complaint.refuses_content:
        return _content_refused(complaint, wire, Stage.OUTPUT)
    code = (complaint and (complaint.code or complaint.type or "error")) or found.flaw or "empty"
    words = complaint.words("The provider reported an error") if complaint else FLAWS[code]
    failure = Failure(FailureClass.PROVIDER, Stage.CALL, code, words, wire.request_id)
    return Executed((), wire.request_id, found.usage, found.cost, failure, _kept(body), wire.allowance)


def flawed(code: str, wire: Wire) -> Executed:
    """An answer that was not read to its end, or could not be."""
    return Executed(
        (),
        wire.request_id,
        Usage(),
        None,
        Failure(FailureClass.PROVIDER, Stage.CALL, code, FLAWS[code], wire.request_id),
        _kept(wire.part),
        wire.allowance,
    )


def broken(error: Exception, wire: Wire) -> CallResult:
    """The call ended with an exception: an answer that is no success, a line that broke, a time that is over."""
    if isinstance(error, NotSuccessful):
        return refused(error, wire)
    cause = error.__cause__ if isinstance(error, APIConnectionError) else error
    if not wire.sent or isinstance(cause, _NEVER_SENT):
        return _never_sent(cause, wire)
    if isinstance(error, APITimeoutError | TimeoutError | httpx2.TimeoutException):
        return _unknown("timeout", wire)
    if isinstance(cause, httpx2.HTTPError):
        return _unknown("cut_off" if wire.request_id or wire.part else "no_answer", wire)
    return _unknown("call_broke", wire)


def cut(wire: Wire) -> Unknown:
    """A stream that ended before its last event."""
    return _unknown("cut_off", wire)


def refused(answer: NotSuccessful, wire: Wire) -> CallResult:
    """An answer with another status than success."""
    status, complaint = answer.status, Complaint.in_body(answer.body)
    if status >= 500 or status in _UNCERTAIN_STATUS:
        wire.part = bytearray(answer.body)
        return _unknown(f"http_{status}", wire)
    if complaint.refuses_content:
        return _content_refused(complaint, wire, Stage.INPUT)
    code = complaint.code or (complaint.type if complaint.type != _ANY_ERROR else None) or f"http_{status}"
    if status in (401, 403) or complaint.refuses_us:
        ours = Complaint(message="The provider does not accept the key, the organisation or the balance of this installation")
        return _not_made(FailureClass.PROVIDER, code, ours, wire, Finality.RETRYABLE, Obstacle.KEY_REFUSED)
    if status == 429:
        wait = retry_after(answer.headers)
        return _not_made(FailureClass.CAPACITY, code, complaint, wire, Finality.RETRYABLE, Obstacle.RATE_LIMIT, wait)
    if status == _TOO_EARLY:
        wait = retry_after(answer.headers)
        return _not_made(FailureClass.CAPACITY, code, complaint, wire, Finality.RETRYABLE, retry_after_seconds=wait)
    if 300 <= status < 400:
        return _not_made(FailureClass.PROVIDER, "redirect", complaint, wire, Finality.FINAL)
    known = status in _UNSUPPORTED and (complaint.message or status == 413)
    return _not_made(FailureClass.CAPABILITY if known else FailureClass.PROVIDER, code, complaint, wire, Finality.FINAL)


def not_asked() -> NotExecuted:
    """The request could not even be put into words."""
    failure = Failure(FailureClass.INTERNAL, Stage.INPUT, "not_sendable", "The request could not be written for the provider")
    return NotExecuted(failure, Finality.FINAL)


def _content_refused(complaint: Complaint, wire: Wire, otherwise: Stage) -> NotExecuted:
    stage = complaint.stage or otherwise
    code = complaint.code or "moderation_blocked"
    failure = Failure(FailureClass.MODERATION, stage, code, complaint.refusal(stage), wire.request_id)
    return NotExecuted(failure, Finality.REFUSED, allowance=wire.allowance)


def _not_made(
    failure_class: FailureClass,
    code: str,
    complaint: Complaint,
    wire: Wire,
    finality: Finality,
    obstacle: Obstacle | None = None,
    retry_after_seconds: float | None = None,
) -> NotExecuted:
    words = complaint.words("The provider did not take the request")
    failure = Failure(failure_class, Stage.CALL, code, words, wire.request_id)
    return NotExecuted(failure, finality, retry_after_seconds, obstacle, wire.allowance)


def _never_sent(cause: BaseException | None, wire: Wire) -> NotExecuted:
    if isinstance(cause, httpx2.PoolTimeout):
        failure_class, code, words = FailureClass.CAPACITY, "no_connection", "No connection to the provider was free"
    elif isinstance(cause, httpx2.ConnectTimeout | TimeoutError | asyncio.TimeoutError):
        failure_class, code, words = FailureClass.PROVIDER, "connect_timeout", "The provider did not take the connection in time"
    else:
        failure_class, code, words = FailureClass.PROVIDER, "connect_failed", "The provider cannot be reached"
    return NotExecuted(Failure(failure_class, Stage.CALL, code, words), Finality.RETRYABLE)


def _unknown(code: str, wire: Wire) -> Unknown:
    return Unknown(code, wire.request_id, _kept(wire.part), wire.allowance)


def _kept(body: bytes | bytearray) -> bytes | None:
    return bytes(memoryview(body)[:KEPT_BYTES]) or None
