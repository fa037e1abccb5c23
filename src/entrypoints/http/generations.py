"""Generations over HTTP: look, cancel, delete."""

from typing import Annotated
from uuid import UUID

from dishka.integrations.litestar import FromDishka, inject
from litestar import delete, get, post
from litestar.params import FromPath, QueryParameter

from application.generations import CancelGeneration, DeleteGeneration
from application.ports import CursorSigner, ObjectStorage
from application.queries import GenerationFilter, Queries
from domain.accounts import Scope
from domain.generations import GenerationId, GenerationState
from domain.requests import Kind
from domain.words import Wanted
from entrypoints.http import shapes
from entrypoints.http.auth import Authed
from entrypoints.http.bounds import NO_BODY
from entrypoints.http.cursors import Cursors
from entrypoints.http.parameters import PAGE, After, Instant, Limit, Search, Word, instant, word
from entrypoints.http.showing import all_shown, find, shown


@get(
    "/v1/generations",
    operation_id="listGenerations",
    tags=["generations"],
    opt={"access": Scope.READ, "bounds": NO_BODY},
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
    favourite: Annotated[bool | None, QueryParameter()] = None,
    collection: Annotated[UUID | None, QueryParameter(description="its id")] = None,
    trashed: Annotated[bool, QueryParameter(description="what is in the trash, instead of all the rest")] = False,
    q: Search = None,
    created_after: Instant = None,
    created_before: Instant = None,
    limit: Limit = PAGE,
    after: After = None,
) -> shapes.Generations:
    """This account's generations, newest first, of which all that is asked for is true. A search looks through some thousands at
    a time: where few are found, `data` may be shorter than `limit`, or empty, and `next` goes on."""
    caller = request.auth
    matching = GenerationFilter(
        states=tuple(states or ()),
        model=word("model", model),
        kind=kind,
        favourite=favourite,
        collection=collection,
        trashed=trashed or None,
        created_after=instant("created_after", created_after),
        created_before=instant("created_before", created_before),
        wanted=None if q is None else Wanted.asked("q", q),
    )
    cursors = Cursors(signer, "generations", caller, matching)
    page = await queries.generations(caller.account_id, caller.mode, matching, cursors.position(after), limit)
    return shapes.Generations(
        data=await all_shown(request, page.rows, queries, storage), next=cursors.at(page.next) if page.next else None
    )


@get(
    "/v1/generations/{generation_id:uuid}",
    operation_id="getGeneration",
    tags=["generations"],
    opt={"access": Scope.READ, "bounds": NO_BODY, "refusals": (404, 410)},
)
@inject
async def show_generation(
    request: Authed, generation_id: FromPath[UUID], queries: FromDishka[Queries], storage: FromDishka[ObjectStorage]
) -> shapes.Generation:
    """One generation, with fresh links to its pictures."""
    found = await find(queries, request.auth, GenerationId(generation_id))
    return await shown(request, found, queries, storage)


@post(
    "/v1/generations/{generation_id:uuid}/cancel",
    status_code=200,
    operation_id="cancelGeneration",
    tags=["generations"],
    opt={"access": Scope.GENERATE, "bounds": NO_BODY, "refusals": (404, 410)},
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
    found = await find(queries, request.auth, GenerationId(generation_id))
    return await shown(request, found, queries, storage)


@delete(
    "/v1/generations/{generation_id:uuid}",
    status_code=204,
    operation_id="deleteGeneration",
    tags=["generations"],
    opt={"access": Scope.GENERATE, "bounds": NO_BODY, "refusals": (404, 409, 410)},
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
