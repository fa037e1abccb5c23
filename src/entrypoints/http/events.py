"""What happens to a generation, as it happens: server-sent events that can be taken up again where they were left."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Annotated
from uuid import UUID

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import get
from litestar.params import FromPath, HeaderParameter

from application.events import FollowGeneration, Seen
from application.ports import ObjectStorage
from application.queries import Queries
from domain.accounts import Scope
from domain.errors import InvalidRequest
from domain.events import Event, EventKind
from domain.generations import GenerationId, GenerationState
from domain.limits import LIMITS
from entrypoints.http import shapes
from entrypoints.http.auth import Authed, MayGoOn
from entrypoints.http.bounds import NO_BODY
from entrypoints.http.links import Links
from entrypoints.http.showing import failure, find, picture
from entrypoints.http.streams import MEDIA_TYPE, Beat, EventStream, Streams

LastEvent = Annotated[
    str | None,
    HeaderParameter(
        name="Last-Event-ID",
        description="the id of the last event that came: the stream goes on after it",
        schema_extra={"pattern": "^[0-9]{1,9}$"},
    ),
]
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
_RETRY = b"retry: 1000\n\n"
"""Milliseconds until a browser comes back after a stream was cut."""
_SIGN_OF_LIFE = b":\n\n"
_encode = msgspec.json.Encoder().encode


class StateTold(msgspec.Struct, kw_only=True):
    """Data of `state`, and of `done`, which is the last. `failure` is null unless it failed."""

    generation: GenerationId
    state: GenerationState
    at: shapes.Time
    failure: shapes.Failure | None


class PartialTold(msgspec.Struct, kw_only=True):
    """Data of `partial_image`. `url` is null once the picture may be gone."""

    generation: GenerationId
    index: int
    attempt: int
    at: shapes.Time
    content_type: str
    url: str | None
    url_expires_at: shapes.Time


TOLD: dict[str, type[msgspec.Struct]] = {
    EventKind.STATE: StateTold,
    EventKind.PARTIAL_IMAGE: PartialTold,
    EventKind.ASSET: shapes.Picture,
    EventKind.DONE: StateTold,
}


@get(
    "/v1/generations/{generation_id:uuid}/events",
    operation_id="followGeneration",
    tags=["generations"],
    media_type=MEDIA_TYPE,
    opt={"access": Scope.READ, "bounds": NO_BODY, "refusals": (404, 410), "told": TOLD},
)
@inject
async def follow_generation(
    request: Authed,
    generation_id: FromPath[UUID],
    queries: FromDishka[Queries],
    storage: FromDishka[ObjectStorage],
    follow: FromDishka[FollowGeneration],
    last_event: LastEvent = None,
) -> EventStream:
    """Server-sent events, each with its id: `state` at each change, `partial_image` for each partial picture, `asset` for each
    picture with fresh links, and `done`, the last. With `Last-Event-ID` the stream goes on after that event. A comment comes when
    there is nothing to tell. It ends when the key or the session does: come back with the last id after any other end."""
    streams: Streams = request.app.state.streams
    seen = _seen(last_event)
    found = await find(queries, request.auth, GenerationId(generation_id))
    Seen(*found).events(seen)
    streams.check(request.auth.account_id)

    links = partial(Links.from_now, storage, request.app.state.public_url)
    told = _pieces(follow, GenerationId(generation_id), seen, streams.beat, MayGoOn.of(request, Scope.READ), links)
    return EventStream(told, streams, request.auth.account_id)


def _seen(last_event: str | None) -> int | None:
    """The number of the last event that came. Raises InvalidRequest."""
    if last_event is None:
        return None
    if len(last_event) > LIMITS["event_id_characters"] or not _NUMBER.fullmatch(last_event):
        raise InvalidRequest("send the id of an event of this stream", field="Last-Event-ID")
    return int(last_event)


async def _pieces(
    follow: FollowGeneration,
    generation: GenerationId,
    seen: int | None,
    beat: float,
    still: Callable[[], Awaitable[bool]],
    links: Callable[[], Links],
) -> AsyncGenerator[bytes]:
    """Raises what `still` does: the caller is looked up at every beat, however much there is to tell."""
    next_beat = Beat(beat)
    yield _RETRY
    async with aclosing(follow(generation, seen, next_beat.left)) as steps:
        async for found, events in steps:
            if events:
                yield _all_told(found, events, links())
            del found, events  # it is waited for the next with nothing in hand
            if next_beat.has_come():
                if not await still():
                    return
                yield _SIGN_OF_LIFE


def _all_told(found: Seen, events: Sequence[Event], links: Links) -> bytes:
    return b"".join(_told(found, event, links) for event in events)


def _told(found: Seen, event: Event, links: Links) -> bytes:
    """As the stream has it; nothing for a picture that its owner has deleted."""
    said = _data(found, event, links)
    if said is None:
        return b""
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (event.sequence, event.kind.value.encode(), _encode(said))


def _data(found: Seen, event: Event, links: Links) -> StateTold | PartialTold | shapes.Picture | None:
    generation = found.generation
    match event:
        case Event(kind=EventKind.ASSET):
            return next((picture(asset, links) for asset in found.assets if asset.index == event.index), None)
        case Event(kind=EventKind.PARTIAL_IMAGE, index=int(index), attempt=int(attempt), format=format) if format:
            return PartialTold(
                generation=generation.id,
                index=index,
                attempt=attempt,
                at=event.at,
                content_type=format.content_type,
                url=links.to_partial(generation, attempt, index, format, event.at),
                url_expires_at=links.expires_at,
            )
        case Event(state=GenerationState() as state):
            why = generation.failure if not state.is_open else None
            return StateTold(generation=generation.id, state=state, at=event.at, failure=failure(why) if why else None)
    raise AssertionError(f"an event that says nothing: {event}")
