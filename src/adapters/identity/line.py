"""The line to a provider: few and small answers, in time, from exactly where we asked."""

import re
import ssl
from asyncio import timeout
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
import msgspec
from authlib.common.errors import AuthlibBaseError  # type: ignore[import-untyped]  # it has no types
from authlib.integrations.httpx_client import AsyncOAuth2Client  # type: ignore[import-untyped]  # it has no types

from domain.errors import ProviderUnavailable, SignInInvalid
from domain.hosts import is_loopback

ANSWER_BYTES = 256 << 10
STEP_SECONDS = 5.0
"""For one piece of an answer, or for a connection."""
WHOLE_SECONDS = 15.0
"""For all that is asked for one sign-in: somebody waits."""

trusted = cache(httpx2.create_ssl_context)
"""Reading every certificate takes tens of milliseconds: once for all providers."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,65536}")
_Shape = TypeVar("_Shape")


class NotAnAnswer(Exception):
    """Of another form, sent elsewhere, packed, too long, or another's."""


@dataclass(frozen=True, slots=True)
class Line:
    """`seconds`: for each step, and for the whole."""

    seconds: tuple[float, float] = (STEP_SECONDS, WHOLE_SECONDS)
    _trust: ssl.SSLContext = field(default_factory=trusted, repr=False)

    @asynccontextmanager
    async def opened(self, url: str, **client: str) -> AsyncIterator[Any]:
        """An AsyncOAuth2Client for one sign-in, with whose end every token is forgotten; `url` is the provider's.

        Raises ProviderUnavailable for whatever goes wrong with the line or the form of what it brings. None of it is repeated in
        the error: an address or a body may hold a code, a token, or a name.
        """
        step, whole = self.seconds
        session = AsyncOAuth2Client(
            **client,
            code_challenge_method="S256",
            verify=self._trust,
            follow_redirects=False,  # whoever is sent on would carry the code or the token there
            trust_env=not is_here(url),
            timeout=httpx2.Timeout(step),
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            event_hooks={"response": [bounded]},
        )
        try:
            async with timeout(whole), session:
                yield session
        except (TimeoutError, NotAnAnswer, AuthlibBaseError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ProviderUnavailable(f"the provider's answer: {type(error).__name__}") from None


async def read(session: Any, url: str, shape: type[_Shape], token: str | None = None) -> _Shape:
    """The JSON at `url`, of which `shape` is read. Raises within `Line.opened`."""
    # authlib would look at the token's age by a clock of its own, and might renew it
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = await session.request("GET", url, withhold_token=True, headers=headers)
    answer.raise_for_status()
    try:
        return msgspec.json.decode(answer.content, type=shape)
    except (ValueError, RecursionError):
        raise NotAnAnswer from None


async def fetch_token(session: Any, url: str, invalid: frozenset[str], **told: object) -> dict[str, Any]:
    """The answer of the token endpoint, with its `access_token`. Raises SignInInvalid for the errors named in `invalid`; all
    else raises within `Line.opened`."""
    try:
        answer: dict[str, Any] = await session.fetch_token(url, grant_type="authorization_code", **told)
    except AuthlibBaseError as error:
        if isinstance(error.error, str) and error.error in invalid:
            raise SignInInvalid("the provider does not accept the code") from None
        raise
    except (ValueError, TypeError, OverflowError, RecursionError):  # authlib takes the answer's form for granted
        raise NotAnAnswer from None
    token, kind = answer.get("access_token"), answer.get("token_type")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token) or not isinstance(kind, str) or kind.lower() != "bearer":
        raise NotAnAnswer
    return answer


def safe(url: str) -> str:
    """`url` itself, if nobody between here and there reads along. Raises ValueError."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username or parts.scheme not in (("https", "http") if is_here(url) else ("https",)):
        raise ValueError("a provider is spoken to by https only")
    return url


def is_here(url: str) -> bool:
    """Whether this is a server on this machine."""
    return is_loopback(urlsplit(url).hostname or "")


async def bounded(response: httpx2.Response) -> None:
    """Called when the headers are there, before a byte of the body is read: what cannot be an answer raises NotAnAnswer, now
    or as soon as it is too long."""
    if response.is_redirect or response.headers.get("content-encoding", "identity") != "identity":
        raise NotAnAnswer
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = _Bounded(response.stream)


@dataclass(slots=True)
class _Bounded(httpx2.AsyncByteStream):
    stream: httpx2.AsyncByteStream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self.stream:
            size += len(piece)
            if size > ANSWER_BYTES:
                raise NotAnAnswer
            yield piece

    async def aclose(self) -> None:
        await self.stream.aclose()
