"""Uploads that are sent to the store itself: a link to send one file by, and its completion."""

from uuid import UUID

from dishka.integrations.litestar import FromDishka, inject
from litestar import Response, post
from litestar.datastructures import ResponseHeader
from litestar.params import FromPath, JSONBody

from application.direct_uploads import BeginUpload, CompleteUpload
from application.ports import ObjectStorage
from domain.accounts import Scope
from domain.media import AssetKind
from entrypoints.http import media_shapes as shapes
from entrypoints.http.auth import Authed
from entrypoints.http.bounds import SMALL_BODY, Bounds
from entrypoints.http.links import Links
from entrypoints.http.media import UPLOAD, carried, members
from entrypoints.http.uploads import Uploads

COMPLETION = Bounds(answer=UPLOAD.answer)


@post(
    "/v1/media/uploads",
    status_code=201,
    operation_id="beginUpload",
    tags=["media"],
    opt={"access": Scope.GENERATE, "bounds": SMALL_BODY},
)
@inject
async def begin_upload(
    request: Authed, data: JSONBody[shapes.UploadBody], begin: FromDishka[BeginUpload], storage: FromDishka[ObjectStorage]
) -> shapes.UploadBegun:
    """Get a link to send one file by, of exactly this type and length. Then complete the upload, within the hour."""
    links = Links.of(request, storage)
    upload, link = await begin(request.auth, data.content_type, data.bytes, AssetKind(data.purpose), links.expires_at)
    return shapes.UploadBegun(upload, links.absolute(link.url), link.headers, links.expires_at)


@post(
    "/v1/media/uploads/{upload_id:uuid}/complete",
    status_code=201,
    operation_id="completeUpload",
    tags=["media"],
    opt={"access": Scope.GENERATE, "bounds": COMPLETION, "refusals": (404, 413, 415, 422)},
    response_headers=[ResponseHeader(name="Location", description="the asset", documentation_only=True)],
)
@inject
async def complete_upload(
    request: Authed, upload_id: FromPath[UUID], complete: FromDishka[CompleteUpload], storage: FromDishka[ObjectStorage]
) -> Response[shapes.Upload]:
    """Take in what was sent, as if it had come here. Only a copy drawn anew is kept; asking again answers the same asset."""
    uploads: Uploads = request.app.state.uploads
    with uploads.place():
        asset, changed = await complete(request.auth, upload_id)
    made = shapes.Upload(**members(asset, Links.of(request, storage)), changed=list(changed), credentials=carried(asset))
    return Response(made, headers={"Location": f"/v1/media/{asset.id}"})
