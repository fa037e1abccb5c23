"""`stream=true`: partial pictures as they are made, then the pictures, as events in OpenAI's shape.

The answer begins with the first event, so that what fails before it is refused as if nothing were streamed; who waits long for it
is kept from giving up by comments. What is sent is read from where it was put: who joins a generation is sent what it has shown.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

from litestar import Response

from application.events import FollowGeneration, Seen
from application.ports import ObjectMissing, ObjectStorage, StorageUnavailable
from application.store import StoreUnavailable
from domain.accounts import Scope
from domain.errors import AccountFrozen, DomainError, Gone, SignaturePending
from domain.events import Event, EventKind
from domain.generations import Generation, GenerationId
from domain.objects import ObjectKey
from domain.requests import Kind
from entrypoints.http.auth import Authed, MayGoOn
from entrypoints.http.bounds import prolong
from entrypoints.http.compatible.answers import WAIT_SECONDS, background_of, late, usage_of
from entrypoints.http.compatible.errors import ended, made, names
from entrypoints.http.compatible.stream_events import KEEP_ALIVE, StreamedImage, StreamUsage, error_event, image_event
from entrypoints.http.problems import RETRY_AFTER, refusal, unavailable
from entrypoints.http.streams import Beat, EventStream, Streams

_NAMES = {Kind.GENERATE: "image_generation", Kind.EDIT: "image_edit"}
_AGAIN_SECONDS = 1.0
"""While the database is away."""
Heard = tuple[Seen, Sequence[Event]]


def check_streams(request: Authed) -> None:
    """Before anything is bought. Raises TooManyStreams."""
    streams: Streams = request.app.state.streams
    streams.check(request.auth.account_id)


@dataclass(frozen=True, slots=True)
class Streaming:
    """Answers with a stream what was asked for with one."""

    follow: FollowGeneration
    storage: ObjectStorage

    async def __call__(self, request: Authed, generation: GenerationId) -> Response[Any]:
        """Of one of the caller's. Raises Gone, SignaturePending, or TooManyStreams."""
        made(request.scope, generation)
        streams: Streams = request.app.state.streams
        prolong(request, streams.beat)
        beat = Beat(streams.beat)
        news = self._news(generation, beat)
        with streams.awaited(request.auth.account_id):
            found, partials = await _first(news, beat)
        if streams.stopping:  # a stream cut off before its first event would look like one that is done
            return late(request.scope, generation)
        if not found.generation.state.is_open and not found.assets:
            return ended(request.scope, found.generation.failure)
        pieces = self._pieces(request, news, (found, partials), beat)
        return EventStream(pieces, streams, request.auth.account_id, names(request.scope), is_resumable=False)

    async def _news(self, generation: GenerationId, beat: Beat) -> AsyncGenerator[Heard, None]:
        """What happens to it, and nothing at each beat, until its end, or until it has been waited for long enough. An outage is
        waited out. Raises Gone when it is erased."""
        loop, told = asyncio.get_running_loop(), None
        until = loop.time() + WAIT_SECONDS

        def pause() -> float:
            return min(beat.left(), until - loop.time())

        while loop.time() < until:
            try:
                async with aclosing(self.follow(generation, told, pause)) as following:
                    async for found, events in following:
                        told = events[-1].sequence if events else told
                        yield found, events
                        if loop.time() >= until or not found.generation.state.is_open:
                            return
                raise Gone
            except StoreUnavailable:
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _pieces(
        self, request: Authed, news: AsyncGenerator[Heard, None], heard: Heard, beat: Beat
    ) -> AsyncGenerator[bytes, None]:
        """Ends with the pictures, or with an error: a client cannot tell otherwise that something is missing."""
        scope, generation, is_between = request.scope, heard[0].generation.id, True
        try:
            async with aclosing(self._told(request, news, heard, beat)) as pieces:
                async for piece in pieces:
                    is_between = piece.endswith(b"\n\n")
                    yield piece
        except DomainError as error:
            yield error_event(refusal(scope, error).content)
        except StorageUnavailable as error:
            yield error_event(unavailable(scope, RETRY_AFTER[type(error)]).content)
        except asyncio.CancelledError:
            if not (request.app.state.streams.stopping and is_between):  # within a picture an event would be a part of it
                raise
            yield error_event(late(scope, generation).content)  # another process goes on with it

    async def _told(
        self, request: Authed, news: AsyncGenerator[Heard, None], heard: Heard | None, beat: Beat
    ) -> AsyncGenerator[bytes, None]:
        async with aclosing(news):
            while heard:
                found, events = heard
                for event in _partials(events):
                    async for piece in self._partial(found.generation, event):
                        yield piece
                if not found.generation.state.is_open:
                    break
                if beat.has_come():
                    await _check_caller(request)
                    yield KEEP_ALIVE
                heard = await anext(news, None)
            else:
                yield error_event(late(request.scope, found.generation.id).content)
                return
        _check(found)
        if not found.assets:
            yield error_event(ended(request.scope, found.generation.failure).content)
        for number, asset in enumerate(found.assets):
            try:
                async for piece in self._read(_finished(found, number), asset.key):
                    yield piece
            except ObjectMissing:  # deleted since its row was read
                raise Gone from None

    async def _partial(self, generation: Generation, event: Event) -> AsyncGenerator[bytes, None]:
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

    async def _read(self, said: StreamedImage, key: ObjectKey) -> AsyncGenerator[bytes, None]:
        """Its event. One picture is in memory at a time, and others have their turn between its pieces."""
        for piece in image_event(said, await self.storage.get(key)):
            yield piece
            await asyncio.sleep(0)


async def _first(news: AsyncGenerator[Heard, None], beat: Beat) -> Heard:
    """When there is something to send, or it is time to say something."""
    async for found, events in news:
        partials = _partials(events)
        if not found.generation.state.is_open:
            _check(found)
        elif not partials and not beat.has_come():
            continue
        return found, partials
    raise Gone


async def _check_caller(request: Authed) -> None:
    """Raises what a request would be refused with by now."""
    with suppress(StoreUnavailable):  # asked again at the next beat
        if not await MayGoOn.of(request, Scope.GENERATE)():
            raise AccountFrozen


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
