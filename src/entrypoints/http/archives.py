"""Archives over HTTP: many pictures as one file, made in the background."""

from uuid import UUID

from dishka.integrations.litestar import FromDishka, inject
from litestar import Response, get, post
from litestar.datastructures import ResponseHeader
from litestar.params import FromPath, JSONBody

from application.archives import RequestArchive
from application.ports import ObjectStorage
from application.queries import Queries
from domain.accounts import Scope
from domain.archives import Archive, ArchiveId, ArchiveState
from domain.errors import Gone, NotFound
from domain.media import AssetId
from entrypoints.http import media_shapes as shapes
from entrypoints.http.auth import Authed
from entrypoints.http.bodies import StrictJSON
from entrypoints.http.bounds import NO_BODY, PICTURE_BODY
from entrypoints.http.links import Links
from entrypoints.http.parameters import Idempotency, canonical, once

ROUTE = "POST /v1/media/archive"


@post(
    "/v1/media/archive",
    status_code=202,
    dto=StrictJSON[shapes.ArchiveBody],
    return_dto=None,
    operation_id="requestArchive",
    tags=["media"],
    opt={"access": Scope.READ, "bounds": PICTURE_BODY, "refusals": (404, 410, 422, 429)},
    response_headers=[ResponseHeader(name="Location", description="the archive", documentation_only=True)],
)
@inject
async def request_archive(
    request: Authed,
    data: JSONBody[shapes.ArchiveBody],
    ask: FromDishka[RequestArchive],
    queries: FromDishka[Queries],
    storage: FromDishka[ObjectStorage],
    key: Idempotency = None,
) -> Response[shapes.Archive]:
    """Have pictures packed into one ZIP file, with a manifest.json that says what is in it. Look at `Location` until it is
    ready."""
    caller = request.auth
    named = [AssetId(asset) for asset in data.assets]
    archive_id, archive = await ask(caller, named, once(caller, ROUTE, key, canonical(data)))
    made = await told(request, archive_id, archive, queries, storage)
    return Response(made, headers={"Location": f"/v1/media/archive/{archive_id}"})


@get(
    "/v1/media/archive/{archive_id:uuid}",
    operation_id="getArchive",
    tags=["media"],
    opt={"access": Scope.READ, "bounds": NO_BODY, "refusals": (404,)},
)
@inject
async def show_archive(
    request: Authed, archive_id: FromPath[UUID], queries: FromDishka[Queries], storage: FromDishka[ObjectStorage]
) -> shapes.Archive:
    """How far an archive is, and once it is ready a fresh link to it. It is kept for a day."""
    caller = request.auth
    archive = await queries.archive(ArchiveId(archive_id), caller.account_id, caller.mode)
    return _shown(archive, Links.of(request, storage))


async def told(request: Authed, id: ArchiveId, made: Archive | None, queries: Queries, storage: ObjectStorage) -> shapes.Archive:
    """One that was asked for: `made` just now, or by an earlier request. Raises Gone."""
    try:
        archive = made or await queries.archive(id, request.auth.account_id, request.auth.mode)
    except NotFound:
        raise Gone from None
    return _shown(archive, Links.of(request, storage))


def _shown(archive: Archive, links: Links) -> shapes.Archive:
    is_ready = archive.state is ArchiveState.READY
    return shapes.Archive(
        id=archive.id,
        mode=archive.mode,
        state=archive.state,
        done=archive.done,
        of=len(archive.assets),
        bytes=archive.bytes,
        failure=archive.failure,
        created_at=archive.created_at,
        expires_at=archive.expires_at,
        url=links.to_archive(archive) if is_ready else None,
        url_expires_at=links.expires_at if is_ready else None,
    )
