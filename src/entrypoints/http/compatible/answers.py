"""Waiting for a generation, and answering its pictures in OpenAI's shape."""

from binascii import b2a_base64
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import msgspec
from litestar import Response
from litestar.types import Scope

from application.answering import NoteAnswer
from application.events import Changes
from application.ports import ObjectMissing, ObjectStorage
from application.queries import Queries
from domain.errors import Gone, SignaturePending
from domain.generations import Generation, GenerationId
from domain.joining import Try
from domain.media import Asset
from entrypoints.http.auth import Authed
from entrypoints.http.bounds import prolong
from entrypoints.http.compatible.errors import MEDIA_TYPE, SHOULD_RETRY, Said, answer, ended, made, names
from entrypoints.http.compatible.shapes import ImagesAnswer, ImageUsage, TokenDetails
from entrypoints.http.lines import GONE, Handed, Line, unless_broken
from entrypoints.http.showing import find
from entrypoints.http.waiting import Found, until_finished

WAIT_SECONDS = 300
_LATE = Said(504, "server_error", "not_finished")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where what is answered comes from, and where it is noted whether the answer arrived."""

    queries: Queries
    storage: ObjectStorage
    changes: Changes
    note: NoteAnswer


async def answered(
    request: Authed, asked: tuple[GenerationId, Generation | None], sources: Sources, tried: Try | None = None
) -> Response[ImagesAnswer]:
    """The pictures once they are there; or how it ended without; or 504 while it goes on. Always with `x-generation-id`. Whoever
    has gone is not waited for: what was asked for is made and paid all the same. `asked`: what RequestGeneration answered;
    `tried`: what it was told."""
    generation_id, generation = asked
    made(request.scope, generation_id)
    prolong(request, WAIT_SECONDS)

    async def note(delivered: bool) -> None:
        if tried:
            await sources.note(generation_id, tried, delivered=delivered)

    line = Line(request.receive)
    try:
        found = await unless_broken(line, finished(request, generation_id, generation, sources))
        said, pieces = await _said(request, found, sources) if found else (Response(b"", status_code=GONE), [])
    except Exception:
        line.close()
        await note(False)
        raise
    if found is None or found[0].state.is_open:
        line.close()
        await note(False)
        return cast(Response[ImagesAnswer], said)
    return cast(Response[ImagesAnswer], Handed(said, pieces, line, note))


async def _said(request: Authed, found: Found, sources: Sources) -> tuple[Response[bytes], list[bytes]]:
    """And its pieces, where there are pictures."""
    generation, assets = found
    if generation.state.is_open:
        return late(request.scope, generation.id), []
    if not assets:
        return ended(request.scope, generation.failure), []
    pieces = await pictures(found, sources.storage)
    return Response(b"", status_code=200, media_type=MEDIA_TYPE, headers=names(request.scope)), pieces


def late(scope: Scope, generation: GenerationId) -> Response[bytes]:
    where = f"/v1/generations/{generation}"
    return answer(
        scope,
        _LATE,
        f"The pictures are still being made. Ask again in the same way to go on waiting for them, or look at GET {where}.",
    )


async def begun(
    request: Authed,
    streaming: Awaitable[Response[Any]],
    generation: GenerationId,
    note: NoteAnswer,
    tried: Try | None,
) -> Response[Any]:
    """An answer that is streamed counts as delivered once it has begun, or was refused for good: no client asks again by itself
    after that."""
    line, is_there = Line(request.receive), False
    try:
        said = await streaming
        is_there = not line.is_broken and ((said.status_code or 200) < 500 or SHOULD_RETRY in said.headers)
    finally:
        line.close()
        if tried:
            await note(generation, tried, delivered=is_there)
    return said


async def finished(request: Authed, id: GenerationId, generation: Generation | None, sources: Sources) -> Found:
    """The generation when it has ended; or, after WAIT_SECONDS or an outage, as it was last seen. `generation`: None if it has
    yet to be read."""

    async def look() -> Found:
        return await find(sources.queries, request.auth, id)

    return await until_finished((generation, ()) if generation else await look(), look, WAIT_SECONDS, sources.changes)


async def pictures(found: Found, storage: ObjectStorage) -> list[bytes]:
    """The answer as JSON, in pieces. While it is made there is in memory what is written of it, one picture, and nothing else of
    their size.

    Raises SignaturePending while one of them may be handed out to nobody, Gone, StorageUnavailable."""
    generation, assets = found
    if not all(asset.marking.may_be_handed_out for asset in assets):
        raise SignaturePending
    before, data, after = msgspec.json.encode(described(generation, assets)).partition(b'"data":[')
    pieces = [before + data]
    try:
        for number, asset in enumerate(assets):
            pieces += [b',{"b64_json":"' if number else b'{"b64_json":"', _base64(await storage.get(asset.key)), b'"}']
    except ObjectMissing:
        raise Gone from None  # deleted since its row was read
    return [*pieces, after]


def _base64(content: bytes) -> bytes:
    return b2a_base64(content, newline=False)


def described(generation: Generation, assets: Sequence[Asset]) -> ImagesAnswer:
    """All but the pictures."""
    first, request = assets[0], generation.request
    return ImagesAnswer(
        created=int(generation.created_at.timestamp()),
        background=background_of(first),
        data=[],
        output_format=first.format,
        quality=request.quality if request else None,
        size=f"{first.width}x{first.height}",
        usage=usage_of(generation),
    )


def background_of(asset: Asset) -> Literal["transparent", "opaque"]:
    return "transparent" if asset.has_alpha else "opaque"


def usage_of(generation: Generation) -> ImageUsage | None:
    """Of the attempt that brought the pictures. The provider's sum is not told apart: for a new picture all of it is text, for an
    edit all but a little is pictures."""
    booked = next((attempt for attempt in generation.attempts if attempt.booked), None)
    if booked is None or booked.usage is None or not booked.usage.output_tokens:
        return None
    taken, drawn = booked.usage.input_tokens, booked.usage.output_tokens
    shown = taken if generation.request and generation.request.references else 0
    return ImageUsage(
        input_tokens=taken,
        input_tokens_details=TokenDetails(image_tokens=shown, text_tokens=taken - shown),
        output_tokens=drawn,
        output_tokens_details=TokenDetails(image_tokens=drawn, text_tokens=0),
        total_tokens=taken + drawn,
    )
