"""The library over HTTP: mark, label and collect a generation, and take it out of the trash."""

from uuid import UUID

from dishka.integrations.litestar import FromDishka, inject
from litestar import patch, post
from litestar.params import FromPath, JSONBody
from msgspec import UNSET

from application.collecting import ChangeGeneration, RestoreGeneration
from application.ports import ObjectStorage
from application.queries import Queries
from domain.accounts import Scope
from domain.generations import GenerationId
from domain.library import CollectionId
from entrypoints.http import library_shapes, shapes
from entrypoints.http.auth import Authed
from entrypoints.http.bodies import StrictJSON
from entrypoints.http.bounds import NO_BODY, PICTURE_BODY
from entrypoints.http.showing import find, shown

ONE = "/v1/generations/{generation_id:uuid}"


@patch(
    ONE,
    dto=StrictJSON[library_shapes.GenerationChange],
    return_dto=None,
    operation_id="changeGeneration",
    tags=["library"],
    opt={"access": Scope.GENERATE, "bounds": PICTURE_BODY, "refusals": (404, 410)},
)
@inject
async def change_generation(
    request: Authed,
    generation_id: FromPath[UUID],
    data: JSONBody[library_shapes.GenerationChange],
    change: FromDishka[ChangeGeneration],
    queries: FromDishka[Queries],
    storage: FromDishka[ObjectStorage],
) -> shapes.Generation:
    """Favourite, metadata, collections: all of what is said, or nothing. What was asked for stays: `request.metadata` never
    changes."""
    collected = library_shapes.Collected() if data.collections is UNSET else data.collections
    await change(
        request.auth,
        GenerationId(generation_id),
        favourite=None if data.favourite is UNSET else data.favourite,
        metadata=None if data.metadata is UNSET else data.metadata,
        add=[CollectionId(id) for id in collected.add],
        remove=[CollectionId(id) for id in collected.remove],
    )
    return await shown(request, await find(queries, request.auth, GenerationId(generation_id)), queries, storage)


@post(
    f"{ONE}/restore",
    status_code=200,
    operation_id="restoreGeneration",
    tags=["library"],
    opt={"access": Scope.GENERATE, "bounds": NO_BODY, "refusals": (404, 410)},
)
@inject
async def restore_generation(
    request: Authed,
    generation_id: FromPath[UUID],
    restore: FromDishka[RestoreGeneration],
    queries: FromDishka[Queries],
    storage: FromDishka[ObjectStorage],
) -> shapes.Generation:
    """Out of the trash, back to where it was. One that is not in the trash stays as it is."""
    await restore(request.auth, GenerationId(generation_id))
    return await shown(request, await find(queries, request.auth, GenerationId(generation_id)), queries, storage)
