"""OpenAI's moderation model: words in all its categories; pictures only as sexual, as violent, or as self-harm, says OpenAI.

What it is sent: the prompt, and small copies of pictures inside the request. It is given no link, no name and no account.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2
import msgspec
from openai import APIConnectionError, APITimeoutError, AsyncOpenAI

from application.moderation import Moderator, ModeratorUnavailable
from domain.hosts import is_loopback
from domain.moderation import CLEAN, Verdict

MODEL = "omni-moderation-latest"
SECONDS = 20.0
"""For all that one judgement asks. A question is answered within one or two."""
_CONNECT_SECONDS = 5.0
_AT_ONCE = 4
_CONNECTIONS = 128
_KEPT_SECONDS = 20.0
"""Whoever is asked closes a connection that has said nothing for a minute, or longer."""
_ANSWER_BYTES = 256 << 10

SmallCopy = Callable[[bytes], Awaitable[bytes | None]]
"""A picture as a JPEG that is small enough to send; None of what nobody can draw."""


class _Result(msgspec.Struct):
    flagged: bool
    categories: dict[str, bool | None] = {}
    category_scores: dict[str, float | None] = {}


class _Answer(msgspec.Struct):
    results: list[_Result]


class OpenAIModerator(Moderator):
    """One question for the words and one for each picture: it takes no two pictures at once."""

    def __init__(self, client: AsyncOpenAI, small: SmallCopy, log: Callable[..., object], *, seconds: float = SECONDS) -> None:
        self._ask = client.moderations.with_streaming_response.create
        self._small, self._log, self._seconds = small, log, seconds

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, api_key: str, base_url: str, small: SmallCopy, log: Callable[..., object], *, seconds: float = SECONDS
    ) -> AsyncIterator[Self]:
        """Connections live as long as the block, and are kept for the next question: a handshake each time would take longer than
        the answer. No redirects. `log` is called with an event name and fields; never with what was judged."""
        parts = urlsplit(base_url)
        http = httpx2.AsyncClient(
            follow_redirects=False,
            trust_env=not is_loopback(parts.hostname or ""),
            verify=parts.scheme == "https",  # certificates take long to load, and without TLS nobody shows one
            limits=httpx2.Limits(
                max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS, keepalive_expiry=_KEPT_SECONDS
            ),
            timeout=httpx2.Timeout(seconds, connect=_CONNECT_SECONDS),
        )
        async with AsyncOpenAI(api_key=api_key.strip(), base_url=base_url, max_retries=0, http_client=http) as client:
            yield cls(client, small, log, seconds=seconds)

    async def judge(self, words: str, pictures: Sequence[bytes]) -> Verdict:
        few = asyncio.Semaphore(_AT_ONCE)
        asked = [self._words(words)] if words.strip() else []
        questions = [asyncio.ensure_future(question) for question in (*asked, *(self._picture(each, few) for each in pictures))]
        if not questions:
            return CLEAN
        try:
            await asyncio.wait(questions, timeout=self._seconds)
        finally:
            for question in questions:
                question.cancel()
            await asyncio.wait(questions)
        verdicts = [question.result() for question in questions if _is_answered(question)]
        if flagged := next((verdict for verdict in verdicts if verdict.category), None):
            return flagged
        if len(verdicts) < len(questions):
            failed = next(
                (type(each.exception()) for each in questions if not each.cancelled() and each.exception()), TimeoutError
            )
            self._log("moderator_does_not_answer", error=failed.__name__)
            raise ModeratorUnavailable
        return CLEAN

    async def _words(self, words: str) -> Verdict:
        return await self._put([{"type": "text", "text": words}])

    async def _picture(self, picture: bytes, few: asyncio.Semaphore) -> Verdict:
        async with few:
            copy = await self._small(picture)
            if copy is None:  # nobody can be shown it either
                return CLEAN
            url = f"data:image/jpeg;base64,{base64.b64encode(copy).decode()}"
            return await self._put([{"type": "image_url", "image_url": {"url": url}}])

    async def _put(self, question: list[dict[str, Any]]) -> Verdict:
        """Whatever it raises, there is no verdict. A kept connection may be closed by the other side in the very moment in which
        a question leaves; asking twice does no harm."""
        try:
            return await self._answer(question)
        except APITimeoutError:
            raise
        except APIConnectionError:
            return await self._answer(question)

    async def _answer(self, question: list[dict[str, Any]]) -> Verdict:
        body = bytearray()
        async with self._ask(model=MODEL, input=question) as response:  # type: ignore[arg-type]  # as its own types describe it
            async for piece in response.iter_bytes():
                body += piece
                if len(body) > _ANSWER_BYTES:
                    raise ModeratorUnavailable
        [result] = msgspec.json.decode(body, type=_Answer).results
        return _verdict(result)


def _is_answered(question: "asyncio.Future[Verdict]") -> bool:
    return not question.cancelled() and question.exception() is None


def _verdict(result: _Result) -> Verdict:
    """Its own threshold decides; of several categories the one it is surest of is named."""
    named: Mapping[str, float] = {
        category: result.category_scores.get(category) or 0.0 for category, is_so in result.categories.items() if is_so
    }
    if not result.flagged and not named:
        return CLEAN
    return Verdict.flagged(max(named, key=lambda category: named[category], default=""))
