"""The line to Stripe: one request for one call, what of an answer is read, and what an error means to us."""

import re
from asyncio import timeout
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec
import stripe

from adapters.payments.stripe_answers import Listed, Named
from application.payments import PaymentDeclined, PaymentRefused, PaymentsUnavailable
from domain.hosts import is_loopback

CONNECT_SECONDS = 5.0
WHOLE_SECONDS = 20.0
"""From the first byte sent to the last received: somebody waits."""
MOST_IN_PAGE = 100
MISSING = "resource_missing"
"""Stripe's code for what there is not."""

_TOLD = frozenset(("authorization", "content-type", "idempotency-key", "stripe-version", "user-agent"))
"""What of the SDK's headers leaves us. It would also tell of this machine, its platform, and the request before."""
_AT_WORK = "idempotency_key_in_use"
_CODE = re.compile(r"[a-z0-9_]{1,64}")
_MESSAGE_CHARACTERS = 500
_BUSY_OR_NOT_US = frozenset((401, 403, 408, 409, 429))
"""A conflict is another request of the same key, which is still at work."""

_Shape = TypeVar("_Shape")
_Member = TypeVar("_Member", bound=Named)


@asynccontextmanager
async def connected(api_key: str, base_url: str, seconds: tuple[float, float]) -> AsyncIterator[stripe.StripeClient]:
    """The SDK's client, on a transport of ours. `seconds`: for a connection, and for a whole answer.

    Raises ValueError if the address is spoken to neither by https nor on this machine: the key goes there.
    """
    parts = urlsplit(base_url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise ValueError("Stripe is spoken to by https only")
    # proxies are as the environment says, but for a server on this machine
    trust_env = not is_loopback(parts.hostname or "")
    verify = parts.scheme == "https"  # certificates take long to load, and without TLS nobody shows one
    limits = httpx.Timeout(seconds[1], connect=seconds[0])
    async with httpx.AsyncClient(timeout=limits, trust_env=trust_env, verify=verify) as http:
        yield stripe.StripeClient(
            api_key.strip(),
            base_addresses={"api": base_url.rstrip("/")},
            http_client=_Transport(http, seconds[1]),
            max_network_retries=0,
        )


class _Transport(stripe.HTTPClient):
    name = "httpx"

    def __init__(self, http: httpx.AsyncClient, seconds: float) -> None:
        super().__init__()
        self._http, self._seconds = http, seconds

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        told = {name: value for name, value in headers.items() if name.lower() in _TOLD}
        told["User-Agent"] = f"Stripe/v1 PythonBindings/{stripe.VERSION}"  # the SDK's own may name who wrote the program
        try:
            async with timeout(self._seconds):
                answer = await self._http.request(method, url, headers=told, content=post_data)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise stripe.APIConnectionError(type(error).__name__) from None  # type: ignore[no-untyped-call]  # it says none
        said = {name: value for name, value in answer.headers.items() if name != "stripe-notice"}  # which it would warn of
        return answer.content, answer.status_code, said


def once(key: str, *steps: object) -> stripe.RequestOptions:
    """The options of a write that is done once, however often and by whomever it is asked for; opaque, whatever the key says."""
    return {"idempotency_key": mark(key, *steps)}


def mark(key: str, *steps: object) -> str:
    return sha256("\n".join((key, *map(str, steps))).encode()).hexdigest()


async def told(asked: Awaitable[stripe.StripeObject], shape: type[_Shape]) -> _Shape:
    """What of the answer is read. Raises PaymentsUnavailable, PaymentDeclined, PaymentRefused: nothing of the SDK's."""
    try:
        answer = await asked
        body = answer.last_response.body if answer.last_response else ""
        return msgspec.json.decode(body, type=shape)
    except stripe.StripeError as error:
        raise_meaning(error)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:  # of another form than Stripe's
        raise PaymentsUnavailable(f"Stripe's answer: {type(error).__name__}") from None


async def found(asked: Awaitable[stripe.StripeObject], shape: type[_Shape]) -> _Shape | None:
    """As `told`; None if there is no such thing."""
    try:
        return await told(asked, shape)
    except PaymentRefused as refused:
        if refused.code == MISSING:
            return None
        raise


async def pages(
    list_page: Callable[[Any], Awaitable[stripe.StripeObject]], params: Mapping[str, Any], shape: type[Listed[_Member]]
) -> AsyncIterator[_Member]:
    """The members of a list, the newest first, as long as there are more."""
    after: dict[str, object] = {}
    while True:
        page = await told(list_page({"limit": MOST_IN_PAGE, **params, **after}), shape)
        for each in page.data:
            yield each
        if not page.has_more or not page.data:
            return
        after = {"starting_after": page.data[-1].id}


def raise_meaning(error: stripe.StripeError) -> NoReturn:
    """Nothing of the answer is repeated but what Stripe says for the caller's eyes; whatever stands between may say anything."""
    status, said = error.http_status or 0, error.error
    written, message = getattr(said, "code", None) or getattr(said, "type", None), getattr(said, "message", None)
    if isinstance(written, str) and _CODE.fullmatch(written) and not isinstance(error, stripe.RateLimitError):
        if status == 402:
            raise PaymentDeclined(written) from None
        if 400 <= status < 500 and status not in _BUSY_OR_NOT_US:
            raise PaymentRefused(written, str(message)[:_MESSAGE_CHARACTERS]) from None
    away = PaymentsUnavailable(f"Stripe: {type(error).__name__} {status or 'without an answer'}")
    away.answered = status == 500
    away.at_work = written == _AT_WORK
    raise away from None
