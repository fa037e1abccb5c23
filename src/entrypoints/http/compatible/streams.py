"""`stream=true`: partial pictures as they are made, then the pictures, as events in OpenAI's shape.

The answer begins with the first event, so that what fails before it is refused as if nothing were streamed; who waits long for it
is kept from giving up by comments. What is sent is read from where it was put: who joins a generation is sent what it has shown.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

from litestar import Response
from litestar.response import Stream
from litestar.types import Scope

from application.events import FollowGeneration, Seen
from application.ports import ObjectMissing, ObjectStorage, StorageUnavailable
from application.store import StoreUnavailable
from domain.errors import Gone, SignaturePending
from domain.events import Event, EventKind
from domain.generations import Generation, GenerationId
from domain.objects import ObjectKey
from domain.requests import Kind
from entrypoints.http.auth import Authed
from entrypoints.http.bounds import prolong
from entrypoints.http.compatible.answers import WAIT_SECONDS, background_of, late, usage_of
from entrypoints.http.compatible.errors import ended, made, names
from entrypoints.http.compatible.stream_events import KEEP_ALIVE, StreamedImage, StreamUsage, error_event, image_event
from entrypoints.http.problems import RETRY_AFTER, refusal, unavailable

MEDIA_TYPE = "text/event-stream"
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
_NAMES = {Kind.GENERATE: "image_generation", Kind.EDIT: "image_edit"}
_AGAIN_SECONDS = 1.0
"""While the database is away."""
News = AsyncGenerator[tuple[Seen, Sequence[Event]], None]


@dataclass(frozen=True, slots=True)
class Streaming:
    """`pace`: seconds between two comments."""

    follow: FollowGeneration
    storage: ObjectStorage
    pace: float

    async def __call__(self, request: Authed, generation: GenerationId) -> Response[Any]:
        """Of one of the caller's. Raises Gone, or SignaturePending."""
        made(request.scope, generation)
        prolong(request, self.pace)
        news = self._news(generation)
        found, partials = await self._first(news)
        if not found.generation.state.is_open and not found.assets:
            return ended(request.scope, found.generation.failure)
        events = self._events(request.scope, news, found, partials)
        return Stream(events, media_type=MEDIA_TYPE, headers=names(request.scope) | _HEADERS)

    async def _news(self, generation: GenerationId) -> News:
        """What happens to it, until its end, or until it has been waited for long enough, or it is erased. An outage is waited
        out."""
        loop, told = asyncio.get_running_loop(), None
        until = loop.time() + WAIT_SECONDS - self.pace
        while loop.time() < until:
            try:
                async with aclosing(self.follow(generation, told, lambda: self.pace)) as following:
                    async for found, events in following:
                        told = events[-1].sequence if events else told
                        yield found, events
                        if loop.time() >= until:
                            return
                return
            except StoreUnavailable:
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _first(self, news: News) -> tuple[Seen, Sequence[Event]]:
        """When there is something to send, or it has been waited for too long to say nothing."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.pace
        async for found, events in news:
            partials = _partials(events)
            if not found.generation.state.is_open:
                _check(found)
            elif not partials and loop.time() < until:
                continue
            return found, partials
        raise Gone

    async def _events(self, scope: Scope, news: News, found: Seen, partials: Sequence[Event]) -> AsyncIterator[bytes]:
        async with aclosing(news):
            while True:
                for event in partials:
                    async for piece in self._partial(found.generation, event):
                        yield piece
                if not found.generation.state.is_open:
                    break
                if not (heard := await anext(news, None)):
                    yield error_event(late(scope, found.generation.id).content)
                    return
                found, events = heard
                partials = _partials(events)
                if not events:
                    yield KEEP_ALIVE
        try:
            _check(found)
            if not found.assets:
                yield error_event(ended(scope, found.generation.failure).content)
            for number, asset in enumerate(found.assets):
                async for piece in self._read(_finished(found, number), asset.key):
                    yield piece
        except ObjectMissing:  # deleted since its row was read
            yield error_event(refusal(scope, Gone()).content)
        except StorageUnavailable as error:
            yield error_event(unavailable(scope, RETRY_AFTER[type(error)]).content)
        except SignaturePending as error:
            yield error_event(refusal(scope, error).content)

    async def _partial(self, generation: Generation, event: Event) -> AsyncIterator[bytes]:
        """Nothing, if it is gone or cannot be read: there is the picture to come."""
        request = generation.request
        if not request or event.attempt is None or event.index is None or not event.format:
            return
        said = StreamedImage(
            type=f"{_NAMES[generation.kind]}.partial_image",
            created_at=int(event.at.timestamp()),
            size=str(request.size),
            quality=request.quality,
            background=request.background,
            output_format=event.format,
            partial_image_index=event.index,
        )
        key = ObjectKey.partial(generation.account_id, generation.id, event.attempt, event.index)
        with suppress(ObjectMissing, StorageUnavailable):
            async for piece in self._read(said, key):
                yield piece

    async def _read(self, said: StreamedImage, key: ObjectKey) -> AsyncIterator[bytes]:
        """Its event. One picture is in memory at a time, and others have their turn between its pieces."""
        for piece in image_event(said, await self.storage.get(key)):
            yield piece
            await asyncio.sleep(0)


def _check(found: Seen) -> None:
    if not all(asset.marking.may_be_handed_out for asset in found.assets):
        raise SignaturePending


def _partials(events: Sequence[Event]) -> list[Event]:
    """Of the latest call among them: what an earlier one showed is not what will come."""
    partials = [event for event in events if event.kind is EventKind.PARTIAL_IMAGE]
    return [event for event in partials if event.attempt == partials[-1].attempt]


def _finished(found: Seen, number: int) -> StreamedImage:
    generation, asset = found.generation, found.assets[number]
    return StreamedImage(
        type=f"{_NAMES[generation.kind]}.completed",
        created_at=int((generation.finished_at or generation.created_at).timestamp()),
        size=f"{asset.width}x{asset.height}",
        quality=generation.request.quality if generation.request else "auto",
        background=background_of(asset),
        output_format=asset.format,
        usage=StreamUsage.share(usage_of(generation), number, len(found.assets)),
    )
