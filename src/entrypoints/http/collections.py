"""Collections over HTTP: named sets of generations, each in its owner's order."""

from uuid import UUID

from dishka.integrations.litestar import FromDishka, inject
from litestar import Response, delete, get, patch, post, put
from litestar.datastructures import ResponseHeader
from litestar.params import FromPath, JSONBody
from msgspec import UNSET

from application.collecting import ChangeCollection, MakeCollection, PutItem, RemoveCollection, TakeItemOut, Where
from application.library import CollectionRow, LibraryQueries
from application.ports import CursorSigner, ObjectStorage
from application.queries import Queries
from domain.accounts import Scope
from domain.errors import Gone, NotFound
from domain.generations import GenerationId
from domain.library import CollectionId
from entrypoints.http import library_shapes as shapes
from entrypoints.http.auth import Authed
from entrypoints.http.bodies import StrictJSON
from entrypoints.http.bounds import NO_BODY, SMALL_BODY
from entrypoints.http.cursors import Cursors
from entrypoints.http.links import Links
from entrypoints.http.parameters import PAGE, After, Id, Idempotency, Limit, canonical, once
from entrypoints.http.showing import all_shown, picture

PATH = "/v1/collections"
ONE = f"{PATH}/{{collection_id:uuid}}"
ITEM = f"{ONE}/items/{{generation_id:uuid}}"


@get(PATH, operation_id="listCollections", tags=["library"], opt={"access": Scope.READ, "bounds": NO_BODY})
@inject
async def list_collections(
    request: Authed,
    library: FromDishka[LibraryQueries],
    storage: FromDishka[ObjectStorage],
    signer: FromDishka[CursorSigner],
    generation: Id = None,
    limit: Limit = PAGE,
    after: After = None,
) -> shapes.Collections:
    """Newest first; with `generation`, those that it lies in."""
    caller, holding = request.auth, GenerationId(generation) if generation else None
    cursors = Cursors(signer, "collections", caller, {"generation": generation})
    found = await library.collections(caller.account_id, caller.mode, holding, cursors.position(after), limit + 1)
    page, links = found[:limit], Links.of(request, storage)
    last = page[-1].collection if len(found) > limit else None
    return shapes.Collections([_shown(row, links) for row in page], cursors.at((last.created_at, last.id)) if last else None)


@post(
    PATH,
    status_code=201,
    dto=StrictJSON[shapes.CollectionBody],
    return_dto=None,
    operation_id="makeCollection",
    tags=["library"],
    opt={"access": Scope.GENERATE, "bounds": SMALL_BODY, "refusals": (410, 422)},
    response_headers=[ResponseHeader(name="Location", description="the collection", documentation_only=True)],
)
@inject
async def make_collection(
    request: Authed,
    data: JSONBody[shapes.CollectionBody],
    make: FromDishka[MakeCollection],
    library: FromDishka[LibraryQueries],
    storage: FromDishka[ObjectStorage],
    key: Idempotency = None,
) -> Response[shapes.Collection]:
    """An empty one."""
    caller = request.auth
    id = await make(caller, data.name, once(caller, f"POST {PATH}", key, canonical(data)))
    try:
        made = await library.collection(id, caller.account_id, caller.mode)
    except NotFound:  # an earlier request made it, and it has been removed since
        raise Gone from None
    return Response(_shown(made, Links.of(request, storage)), headers={"Location": f"{PATH}/{id}"})


@get(ONE, operation_id="getCollection", tags=["library"], opt={"access": Scope.READ, "bounds": NO_BODY, "refusals": (404,)})
@inject
async def show_collection(
    request: Authed, collection_id: FromPath[UUID], library: FromDishka[LibraryQueries], storage: FromDishka[ObjectStorage]
) -> shapes.Collection:
    """One collection."""
    caller = request.auth
    found = await library.collection(CollectionId(collection_id), caller.account_id, caller.mode)
    return _shown(found, Links.of(request, storage))


@patch(
    ONE,
    dto=StrictJSON[shapes.CollectionChange],
    return_dto=None,
    operation_id="changeCollection",
    tags=["library"],
    opt={"access": Scope.GENERATE, "bounds": SMALL_BODY, "refusals": (404,)},
)
@inject
async def change_collection(
    request: Authed,
    collection_id: FromPath[UUID],
    data: JSONBody[shapes.CollectionChange],
    change: FromDishka[ChangeCollection],
    library: FromDishka[LibraryQueries],
    storage: FromDishka[ObjectStorage],
) -> shapes.Collection:
    """Another name, another cover."""
    caller, id = request.auth, CollectionId(collection_id)
    cover = None if data.cover is UNSET else GenerationId(data.cover) if data.cover else Where.FIRST
    await change(caller, id, name=None if data.name is UNSET else data.name, cover=cover)
    return _shown(await library.collection(id, caller.account_id, caller.mode), Links.of(request, storage))


@delete(
    ONE,
    status_code=204,
    operation_id="removeCollection",
    tags=["library"],
    opt={"access": Scope.GENERATE, "bounds": NO_BODY, "refusals": (404,)},
)
@inject
async def remove_collection(request: Authed, collection_id: FromPath[UUID], remove: FromDishka[RemoveCollection]) -> None:
    """What is in it stays in the library."""
    await remove(request.auth, CollectionId(collection_id))


@get(
    f"{ONE}/items",
    operation_id="listCollectionItems",
    tags=["library"],
    opt={"access": Scope.READ, "bounds": NO_BODY, "refusals": (404,)},
)
@inject
async def list_items(
    request: Authed,
    collection_id: FromPath[UUID],
    library: FromDishka[LibraryQueries],
    queries: FromDishka[Queries],
    storage: FromDishka[ObjectStorage],
    signer: FromDishka[CursorSigner],
    limit: Limit = PAGE,
    after: After = None,
) -> shapes.CollectionItems:
    """In their owner's order, without those in the trash."""
    caller, id = request.auth, CollectionId(collection_id)
    cursors = Cursors(signer, "collection items", caller, {"collection": str(collection_id)})
    place = cursors.place(after)
    behind = (place[0], GenerationId(place[1])) if place else None
    found = await library.items(id, caller.account_id, caller.mode, behind, limit + 1)
    page = found[:limit]
    last = page[-1] if len(found) > limit else None
    return shapes.CollectionItems(
        data=await all_shown(request, [(row.generation, row.assets) for row in page], queries, storage),
        next=cursors.at_place(last.place, last.generation.id) if last else None,
    )


@put(
    ITEM,
    status_code=204,
    dto=StrictJSON[shapes.Place],
    return_dto=None,
    operation_id="putCollectionItem",
    tags=["library"],
    opt={"access": Scope.GENERATE, "bounds": SMALL_BODY, "refusals": (404,)},
)
@inject
async def put_item(
    request: Authed,
    collection_id: FromPath[UUID],
    generation_id: FromPath[UUID],
    data: JSONBody[shapes.Place],
    put_in: FromDishka[PutItem],
) -> None:
    """Into the collection, or to another place in it."""
    where: GenerationId | Where = Where.LAST
    if data.after is not UNSET:
        where = GenerationId(data.after) if data.after else Where.FIRST
    await put_in(request.auth, CollectionId(collection_id), GenerationId(generation_id), where)


@delete(
    ITEM,
    status_code=204,
    operation_id="removeCollectionItem",
    tags=["library"],
    opt={"access": Scope.GENERATE, "bounds": NO_BODY, "refusals": (404,)},
)
@inject
async def remove_item(
    request: Authed, collection_id: FromPath[UUID], generation_id: FromPath[UUID], take_out: FromDishka[TakeItemOut]
) -> None:
    """Out of the collection; it stays in the library."""
    await take_out(request.auth, CollectionId(collection_id), GenerationId(generation_id))


def _shown(row: CollectionRow, links: Links) -> shapes.Collection:
    found = row.collection
    return shapes.Collection(
        id=found.id,
        mode=found.mode,
        name=found.name,
        items=found.items,
        cover=found.cover,
        picture=picture(row.picture, links) if row.picture else None,
        created_at=found.created_at,
    )
