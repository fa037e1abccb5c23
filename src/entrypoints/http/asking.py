"""Asking for pictures over HTTP: a new request, or the same once more."""

from uuid import UUID

from dishka.integrations.litestar import FromDishka, inject
from litestar import Response, post
from litestar.datastructures import ResponseHeader
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody

from application.events import Changes
from application.generations import RequestGeneration, RetryGeneration
from application.ports import ObjectStorage, Today
from application.queries import Queries
from domain.accounts import Scope
from domain.catalogue import Catalogue
from domain.generations import Generation, GenerationId
from domain.media import AssetId
from domain.requests import Asked, Sandbox
from entrypoints.http import shapes, sunset
from entrypoints.http.auth import Authed
from entrypoints.http.bodies import StrictJSON
from entrypoints.http.bounds import PICTURE_BODY, SMALL_BODY, prolong
from entrypoints.http.parameters import Idempotency, canonical, once, utc
from entrypoints.http.rate_limits import counted
from entrypoints.http.showing import find, shown
from entrypoints.http.waiting import Found, Prefer, seconds_preferred, until_finished

ROUTE, RETRY_ROUTE = "POST /v1/generations", "POST /v1/generations/{id}/retry"
_FINISHED = {
    201: ResponseSpec(shapes.Generation, generate_examples=False, description="Finished while the answer was waited for")
}
_HEADERS = [ResponseHeader(name="Location", description="the generation", documentation_only=True), *sunset.HEADERS]


@post(
    "/v1/generations",
    status_code=202,
    dto=StrictJSON[shapes.PictureBody],
    return_dto=None,
    operation_id="requestGeneration",
    tags=["generations"],
    opt={"access": Scope.GENERATE, "bounds": PICTURE_BODY, "refusals": (402, 404, 410, 422, 429)},
    responses=_FINISHED,
    response_headers=_HEADERS,
)
@inject
async def request_generation(
    request: Authed,
    data: JSONBody[shapes.PictureBody],
    ask: FromDishka[RequestGeneration],
    queries: FromDishka[Queries],
    storage: FromDishka[ObjectStorage],
    catalogue: FromDishka[Catalogue],
    today: FromDishka[Today],
    changes: FromDishka[Changes],
    key: Idempotency = None,
    prefer: Prefer = None,
) -> Response[shapes.Generation]:
    """Ask for pictures. Their price is held at once, taken for what is delivered and released otherwise. With `Prefer: wait=N` a
    generation that finishes in time is answered as 201."""
    caller = request.auth
    if call := counted(request):
        await call.pictures(data.n or 1)
    made = await ask(
        caller,
        asked(data),
        deadline=utc("deadline", data.deadline) if data.deadline else None,
        parent=GenerationId(data.parent) if data.parent else None,
        idempotency=once(caller, ROUTE, key, canonical(data)),
    )
    return await _answer(request, made, queries, storage, catalogue, today, changes, prefer)


@post(
    "/v1/generations/{generation_id:uuid}/retry",
    status_code=202,
    dto=StrictJSON[shapes.RetryBody],
    return_dto=None,
    operation_id="retryGeneration",
    tags=["generations"],
    opt={"access": Scope.GENERATE, "bounds": SMALL_BODY, "refusals": (402, 404, 409, 410, 422, 429), "bare": True},
    responses=_FINISHED,
    response_headers=_HEADERS,
)
@inject
async def retry_generation(
    request: Authed,
    generation_id: FromPath[UUID],
    ask_again: FromDishka[RetryGeneration],
    queries: FromDishka[Queries],
    storage: FromDishka[ObjectStorage],
    catalogue: FromDishka[Catalogue],
    today: FromDishka[Today],
    changes: FromDishka[Changes],
    data: JSONBody[shapes.RetryBody | None] = None,
    key: Idempotency = None,
    prefer: Prefer = None,
) -> Response[shapes.Generation]:
    """Ask for the same pictures as a finished generation did: a new generation, at today's price. The body may be left out."""
    caller, body = request.auth, data or shapes.RetryBody()
    made = await ask_again(
        caller,
        GenerationId(generation_id),
        max_credits=body.max_credits,
        deadline=utc("deadline", body.deadline) if body.deadline else None,
        idempotency=once(caller, RETRY_ROUTE, key, generation_id.bytes + canonical(body)),
    )
    if made[1] and (call := counted(request)):
        call.owe_pictures(made[1].n)
    return await _answer(request, made, queries, storage, catalogue, today, changes, prefer)


async def _answer(
    request: Authed,
    made: tuple[GenerationId, Generation | None],
    queries: Queries,
    storage: ObjectStorage,
    catalogue: Catalogue,
    today: Today,
    changes: Changes,
    prefer: str | None,
) -> Response[shapes.Generation]:
    generation_id, generation = made
    found: Found = (generation, ()) if generation else await find(queries, request.auth, generation_id)
    headers, status = {"Location": f"/v1/generations/{generation_id}", **sunset.headers(catalogue, found[0].model, today())}, 202
    if seconds := seconds_preferred(prefer):
        prolong(request, seconds)
        found = await until_finished(found, lambda: find(queries, request.auth, generation_id), seconds, changes)
        headers["Preference-Applied"] = f"wait={seconds}"
        status = 202 if found[0].state.is_open else 201
    return Response(await shown(request, found, queries, storage), headers=headers, status_code=status)


def asked(body: shapes.PictureBody) -> Asked:
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
