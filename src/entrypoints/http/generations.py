"""Generations over HTTP: ask for pictures, look, cancel, delete."""

import hashlib
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import Response, delete, get, post
from litestar.datastructures import ResponseHeader
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter

from application.generations import CancelGeneration, DeleteGeneration, RequestGeneration
from application.ports import CursorSigner, ObjectStorage
from application.queries import GenerationFilter, Queries
from application.store import IdempotencyKey
from domain.accounts import Caller, Scope
from domain.attempts import Failure
from domain.errors import UnsupportedByModel
from domain.generations import Generation, GenerationId, GenerationState
from domain.media import Asset, AssetId
from domain.requests import Asked, Kind, PictureRequest, Sandbox
from entrypoints.http import shapes
from entrypoints.http.auth import Authed
from entrypoints.http.bodies import StrictJSON
from entrypoints.http.cursors import Cursors
from entrypoints.http.links import Links
from entrypoints.http.parameters import (
    PAGE,
    After,
    Idempotency,
    Instant,
    Limit,
    Word,
    idempotency_key,
    instant,
    utc,
    word,
)
from entrypoints.http.waiting import Found, Prefer, seconds_preferred, until_finished

ROUTE = "POST /v1/generations"
_CANONICAL = msgspec.json.Encoder(order="deterministic")


@post(
    "/v1/generations",
    status_code=202,
    dto=StrictJSON[shapes.PictureBody],
    return_dto=None,
    operation_id="requestGeneration",
    tags=["generations"],
    opt={"access": Scope.GENERATE, "refusals": (402, 404, 410, 422, 429)},
    responses={
        201: ResponseSpec(shapes.Generation, generate_examples=False, description="Finished while the answer was waited for")
    },
    response_headers=[ResponseHeader(name="Location", description="the generation", documentation_only=True)],
)
@inject
async def request_generation(
    request: Authed,
    data: JSONBody[shapes.PictureBody],
    ask: FromDishka[RequestGeneration],
    queries: FromDishka[Queries],
    storage: FromDishka[ObjectStorage],
    key: Idempotency = None,
    prefer: Prefer = None,
) -> Response[shapes.Generation]:
    """Ask for pictures. Their price is held at once, taken for what is delivered and released otherwise. With `Prefer: wait=N` a
    generation that finishes in time is answered as 201."""
    caller = request.auth
    generation_id, generation = await ask(
        caller,
        asked(data),
        deadline=utc("deadline", data.deadline) if data.deadline else None,
        parent=GenerationId(data.parent) if data.parent else None,
        idempotency=_idempotency(caller, idempotency_key(key), data),
    )
    made: Found = (generation, ()) if generation else await _find(queries, caller, generation_id)
    headers, status = {"Location": f"/v1/generations/{generation_id}"}, 202
    if seconds := seconds_preferred(prefer):
        made = await until_finished(made, lambda: _find(queries, caller, generation_id), seconds)
        headers["Preference-Applied"] = f"wait={seconds}"
        status = 202 if made[0].state.is_open else 201
    return Response(shown(*made, Links.of(request, storage)), headers=headers, status_code=status)


@get(
    "/v1/generations",
    operation_id="listGenerations",
    tags=["generations"],
    opt={"access": Scope.READ},
)
@inject
async def list_generations(
    request: Authed,
    queries: FromDishka[Queries],
    storage: FromDishka[ObjectStorage],
    signer: FromDishka[CursorSigner],
    states: Annotated[list[GenerationState] | None, QueryParameter(name="state", description="may be repeated")] = None,
    model: Word = None,
    kind: Annotated[Kind | None, QueryParameter()] = None,
    created_after: Instant = None,
    created_before: Instant = None,
    limit: Limit = PAGE,
    after: After = None,
) -> shapes.Generations:
    """This account's generations, newest first, without those in the trash."""
    caller = request.auth
    matching = GenerationFilter(
        states=tuple(states or ()),
        model=word("model", model),
        kind=kind,
        created_after=instant("created_after", created_after),
        created_before=instant("created_before", created_before),
    )
    cursors = Cursors(signer, "generations", caller, matching)
    found = await queries.generations(caller.account_id, caller.mode, matching, cursors.position(after), limit + 1)
    page, links = found[:limit], Links.of(request, storage)
    last = page[-1][0] if len(found) > limit else None
    return shapes.Generations(
        data=[shown(generation, assets, links) for generation, assets in page],
        next=cursors.at((last.created_at, last.id)) if last else None,
    )


@get(
    "/v1/generations/{generation_id:uuid}",
    operation_id="getGeneration",
    tags=["generations"],
    opt={"access": Scope.READ, "refusals": (404, 410)},
)
@inject
async def show_generation(
    request: Authed, generation_id: FromPath[UUID], queries: FromDishka[Queries], storage: FromDishka[ObjectStorage]
) -> shapes.Generation:
    """One generation, with fresh links to its pictures."""
    found = await _find(queries, request.auth, GenerationId(generation_id))
    return shown(*found, Links.of(request, storage))


@post(
    "/v1/generations/{generation_id:uuid}/cancel",
    status_code=200,
    operation_id="cancelGeneration",
    tags=["generations"],
    opt={"access": Scope.GENERATE, "refusals": (404, 410)},
)
@inject
async def cancel_generation(
    request: Authed,
    generation_id: FromPath[UUID],
    cancel: FromDishka[CancelGeneration],
    queries: FromDishka[Queries],
    storage: FromDishka[ObjectStorage],
) -> shapes.Generation:
    """Queued: cancelled, and released at once. Running: no second call, and what the first delivers is delivered and charged.
    Uncertain: take the refund, for good. Finished: nothing changes."""
    await cancel(request.auth, GenerationId(generation_id))
    found = await _find(queries, request.auth, GenerationId(generation_id))
    return shown(*found, Links.of(request, storage))


@delete(
    "/v1/generations/{generation_id:uuid}",
    status_code=204,
    operation_id="deleteGeneration",
    tags=["generations"],
    opt={"access": Scope.GENERATE, "refusals": (404, 409, 410)},
)
@inject
async def delete_generation(
    request: Authed,
    generation_id: FromPath[UUID],
    dispose: FromDishka[DeleteGeneration],
    purge: Annotated[bool, QueryParameter(description="erase at once: prompt, request, metadata, pictures")] = False,
) -> None:
    """To the trash, where it stays seven days, or erased at once. Cancel an unfinished one first."""
    await dispose(request.auth, GenerationId(generation_id), purge=purge)


def asked(body: shapes.PictureBody) -> Asked:
    """Raises UnsupportedByModel for partial pictures: nobody can receive them yet, so nobody is to pay for them."""
    if body.partial_images:
        raise UnsupportedByModel("partial pictures cannot be received yet", field="partial_images", limit=0)
    sandbox = Sandbox(body.sandbox.fault, body.sandbox.latency_ms) if body.sandbox else None
    return Asked(
        prompt=body.prompt,
        model=body.model,
        n=body.n,
        size=body.size,
        quality=body.quality,
        complexity=body.complexity,
        background=body.background,
        output_format=body.output_format,
        output_compression=body.output_compression,
        moderation=body.moderation,
        partial_images=body.partial_images,
        images=tuple(AssetId(asset) for asset in body.images),
        mask=AssetId(body.mask) if body.mask else None,
        frame_count=body.frame_count,
        frame_duration_ms=body.frame_duration_ms,
        max_credits=body.max_credits,
        metadata=body.metadata,
        sandbox=sandbox,
    )


def _idempotency(caller: Caller, key: str | None, body: shapes.PictureBody) -> tuple[IdempotencyKey, str] | None:
    """The fingerprint is of the body as it was understood, so that spaces and the order of fields do not count."""
    if key is None:
        return None
    fingerprint = hashlib.sha256(_CANONICAL.encode(body)).hexdigest()
    return IdempotencyKey(caller.account_id, caller.mode, ROUTE, key), fingerprint


async def _find(queries: Queries, caller: Caller, generation: GenerationId) -> Found:
    return await queries.generation(generation, caller.account_id, caller.mode)


def shown(generation: Generation, assets: Sequence[Asset], links: Links) -> shapes.Generation:
    is_open, since = generation.state.is_open, generation.uncertain_since
    return shapes.Generation(
        id=generation.id,
        mode=generation.mode,
        kind=generation.kind,
        state=generation.state,
        uncertain=shapes.Uncertain(since, generation.hold_expires_at) if since else None,
        request=_request(generation, generation.request) if generation.request else None,
        created_at=generation.created_at,
        started_at=generation.started_at,
        finished_at=generation.finished_at,
        credits=shapes.GenerationCredits(
            quoted=generation.price,
            held=generation.price if is_open else 0,
            captured=generation.captured,
            released=0 if is_open else generation.price - generation.captured,
        ),
        assets=[_picture(asset, links) for asset in assets],
        failure=_failure(generation.failure) if generation.failure else None,
        parent=generation.parent,
        metadata=dict(generation.metadata),
    )


def _request(generation: Generation, request: PictureRequest) -> shapes.RequestShape:
    sandbox = request.sandbox
    return shapes.RequestShape(
        model=request.model,
        prompt=request.prompt,
        n=request.n,
        size=str(request.size),
        quality=request.quality,
        complexity=request.complexity,
        background=request.background,
        output_format=request.output_format,
        output_compression=request.output_compression,
        moderation=request.moderation,
        partial_images=request.partial_images,
        images=list(request.references),
        mask=request.mask,
        frame_count=request.frame_count,
        frame_duration_ms=request.frame_duration_ms,
        deadline=generation.deadline,
        metadata=dict(request.metadata),
        sandbox=shapes.Sandbox(sandbox.fault, sandbox.latency_ms) if sandbox else None,
    )


def _picture(asset: Asset, links: Links) -> shapes.Picture:
    return shapes.Picture(
        id=asset.id,
        index=asset.index or 0,
        content_type=asset.format.content_type,
        width=asset.width,
        height=asset.height,
        bytes=asset.bytes,
        sha256=asset.sha256,
        url=links.to(asset),
        url_expires_at=links.expires_at,
    )


def _failure(failure: Failure) -> shapes.Failure:
    return shapes.Failure(
        failure_class=failure.failure_class,
        stage=failure.stage,
        code=failure.code,
        message=failure.message,
        charged=0,
        request_id=failure.request_id,
    )
