"""How a call ended: the three results, and what must be known to say which. Not executed is only what was never sent, or what the
provider refused in an answer that counts no tokens and holds no picture."""

from collections.abc import Mapping

import httpx2
from openai import APIConnectionError, APITimeoutError

from adapters.image_models.openai.answers import Answer
from adapters.image_models.openai.connection import Connection, NotSuccessful
from adapters.image_models.openai.errors import ErrorObject
from domain.attempts import CallResult, Executed, Failure, FailureClass, Finality, NotExecuted, Obstacle, Stage, Unknown, Usage

_KEPT_BYTES = 16 << 20
"""Of an answer that could not be used, for support."""
_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError, httpx2.UnsupportedProtocol)
"""The transport's own word that there was no connection to send anything on."""
_NETWORK = (httpx2.TransportError, ConnectionError)
_UNCERTAIN_STATUS = frozenset((408, 409, 499))
"""As every 5xx: whoever says so need not know whether the work was done."""
_TOO_EARLY = 425
_ANY_ERROR = "invalid_request_error"
_UNSUPPORTED = frozenset((400, 403, 404, 413, 415, 422))
FLAWS: Mapping[str, str] = {
    "not_json": "The provider's answer is not JSON",
    "not_object": "The provider's answer is not what its interface describes",
    "not_base64": "The provider's answer holds a picture that is not base64",
    "wrong_format": "The provider's answer holds bytes that are no picture of the asked format",
    "too_large": "The provider's answer is larger than the request explains",
    "empty": "The model answered without a picture",
    "unreadable": "The provider's answer could not be read",
}


def answered(answer: Answer, line: Connection, body: bytes | bytearray, *, streamed: bool = False) -> CallResult:
    """An answer with a success's status, read to its end. A stream begins before the work does, so it can end with an error that
    would have been the status of another answer."""
    if answer.pictures:
        return Executed(tuple(answer.pictures), line.request_id, answer.usage, answer.cost, allowance=line.allowance)
    error = answer.error
    if error and not answer.is_perhaps_paid:
        if error.refuses_content:
            return _content_refused(error, line, Stage.OUTPUT)
        if streamed and error.is_rate_limit:
            return _limited(error, line)
        if streamed and error.is_server_error:
            return _unknown("server_error", line)
    return _without_picture(answer, line, body)


def flawed(code: str, line: Connection) -> Executed:
    """An answer that was not read to its end, or could not be."""
    failure = Failure(FailureClass.PROVIDER, Stage.CALL, code, FLAWS[code], line.request_id)
    return Executed((), line.request_id, Usage(), None, failure, _kept(line.part), line.allowance)


def broken(error: Exception, line: Connection) -> CallResult:
    """The call ended with an exception: a line that broke, a time that is over, an error of ours."""
    cause = error.__cause__ if isinstance(error, APIConnectionError) else error
    if not line.sent or isinstance(cause, _NEVER_SENT):
        return _never_sent(error, cause)
    if isinstance(error, APITimeoutError | TimeoutError | httpx2.TimeoutException):
        return _unknown("timeout", line)
    if isinstance(cause, httpx2.HTTPError):
        return _unknown("cut_off" if line.request_id or line.part else "no_answer", line)
    return _unknown("call_broke", line)


def cut(line: Connection) -> Unknown:
    """A stream that ended before its last event."""
    return _unknown("cut_off", line)


def refused(answer: NotSuccessful, said: Answer, line: Connection) -> CallResult:
    """An answer with another status than success, and what its body says. What that bills was done, whatever the status."""
    status, error = answer.status, said.error or ErrorObject()
    line.part = bytearray(answer.body)
    if said.is_perhaps_paid:
        said.error = said.error or ErrorObject(f"http_{status}")
        return _without_picture(said, line, answer.body)
    if status >= 500 or status in _UNCERTAIN_STATUS:
        return _unknown(f"http_{status}", line)
    if error.refuses_content:
        return _content_refused(error, line, Stage.INPUT)
    code = error.code or (error.type if error.type != _ANY_ERROR else None) or f"http_{status}"
    unread = None if error != ErrorObject() and status >= 400 else _kept(answer.body)
    if error.refuses_us(status):
        ours = ErrorObject(message="The provider does not accept the key, the organisation or the balance of this installation")
        failure = _failure(FailureClass.PROVIDER, code, ours, line)
        obstacle = Obstacle.KEY_REFUSED
        return NotExecuted(failure, Finality.RETRYABLE, None, obstacle, answer=unread, allowance=line.allowance)
    if status == 429:
        return _limited(error, line, code, unread)
    if status == _TOO_EARLY:
        failure = _failure(FailureClass.CAPACITY, code, error, line)
        return NotExecuted(failure, Finality.RETRYABLE, line.retry_after, answer=unread, allowance=line.allowance)
    known = status in _UNSUPPORTED and (error.message or status == 413)
    failure = _failure(
        FailureClass.CAPABILITY if known else FailureClass.PROVIDER, "redirect" if status < 400 else code, error, line
    )
    return NotExecuted(failure, Finality.FINAL, answer=unread, allowance=line.allowance)


def not_asked() -> NotExecuted:
    """The request could not even be put into words."""
    failure = Failure(FailureClass.INTERNAL, Stage.INPUT, "not_sendable", "The request could not be written for the provider")
    return NotExecuted(failure, Finality.FINAL)


def _without_picture(answer: Answer, line: Connection, body: bytes | bytearray) -> Executed:
    error = answer.error
    if error and error.refuses_content:
        failure = _refusal(error, line, Stage.OUTPUT)
    else:
        code = (error and (error.code or error.type or "error")) or answer.flaw or "empty"
        words = error.words("The provider reported an error") if error else FLAWS[code]
        failure = Failure(FailureClass.PROVIDER, Stage.CALL, code, words, line.request_id)
    return Executed((), line.request_id, answer.usage, answer.cost, failure, _kept(body), line.allowance)


def _limited(error: ErrorObject, line: Connection, code: str = "rate_limit_exceeded", unread: bytes | None = None) -> NotExecuted:
    """Busy, unless this one request alone is more than is ever allowed."""
    if error.is_too_large:
        failure = _failure(FailureClass.CAPABILITY, "request_too_large", error, line)
        return NotExecuted(failure, Finality.FINAL, allowance=line.allowance)
    failure, obstacle = _failure(FailureClass.CAPACITY, code, error, line), Obstacle.RATE_LIMIT
    return NotExecuted(failure, Finality.RETRYABLE, line.retry_after, obstacle, answer=unread, allowance=line.allowance)


def _content_refused(error: ErrorObject, line: Connection, otherwise: Stage) -> NotExecuted:
    return NotExecuted(_refusal(error, line, otherwise), Finality.REFUSED, allowance=line.allowance)


def _refusal(error: ErrorObject, line: Connection, otherwise: Stage) -> Failure:
    stage = error.stage or otherwise
    return Failure(FailureClass.MODERATION, stage, error.code or "moderation_blocked", error.refusal(stage), line.request_id)


def _failure(failure_class: FailureClass, code: str, error: ErrorObject, line: Connection) -> Failure:
    return Failure(failure_class, Stage.CALL, code, error.words("The provider did not take the request"), line.request_id)


def _never_sent(error: Exception, cause: BaseException | None) -> NotExecuted:
    """Only what the network itself says is told of the provider: our own time that runs out, or an error of ours, is not. Such an
    error would come again with every call."""
    if not isinstance(error, APIConnectionError | httpx2.TransportError | OSError):
        words = f"The request could not be sent to the provider ({type(error).__name__})"
        return NotExecuted(Failure(FailureClass.INTERNAL, Stage.CALL, "call_failed", words), Finality.FINAL)
    failure_class, obstacle = FailureClass.PROVIDER, Obstacle.UNREACHABLE if isinstance(cause, _NETWORK) else None
    if isinstance(cause, httpx2.PoolTimeout):
        failure_class, obstacle = FailureClass.CAPACITY, None
        code, words = "no_connection", "No connection to the provider was free"
    elif isinstance(cause, httpx2.TimeoutException | TimeoutError):
        code, words = "connect_timeout", "The provider did not take the connection in time"
    else:
        code, words = "connect_failed", "The provider cannot be reached"
    return NotExecuted(Failure(failure_class, Stage.CALL, code, words), Finality.RETRYABLE, obstacle=obstacle)


def _unknown(code: str, line: Connection) -> Unknown:
    return Unknown(code, line.request_id, _kept(line.part), line.allowance)


def _kept(body: bytes | bytearray) -> bytes | None:
    return bytes(memoryview(body)[:_KEPT_BYTES]) or None
