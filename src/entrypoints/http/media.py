"""Media over HTTP: bring a picture in, look, get a link to its bytes, delete."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from dishka.integrations.litestar import FromDishka, inject
from litestar import Response, delete, get, post
from litestar.datastructures import ResponseHeader
from litestar.params import FromPath, QueryParameter

from application.media import BringIn, DeleteAsset
from application.ports import CursorSigner, ObjectStorage
from application.queries import AssetFilter, Queries
from application.renditions import ShowRendition
from domain.accounts import Caller, Scope
from domain.errors import Gone, NotFound, SignaturePending
from domain.generations import GenerationId
from domain.limits import LIMITS
from domain.media import Asset, AssetId, AssetKind
from domain.renditions import RenditionFormat, RenditionWidth, shape_of
from entrypoints.http import media_shapes as shapes
from entrypoints.http.auth import Authed
from entrypoints.http.bounds import NO_BODY, Bounds
from entrypoints.http.cursors import Cursors
from entrypoints.http.links import Links
from entrypoints.http.parameters import PAGE, After, Idempotency, Instant, Limit, instant, once
from entrypoints.http.uploads import FORM_SCHEMA, FORM_SLACK, Uploads

UPLOAD = Bounds(body=LIMITS["upload_bytes"] + FORM_SLACK, arrival=120.0, answer=340.0)
"""As many as may wait for a picture worker may take all their time there."""

UPLOAD_ROUTE = "POST /v1/media"
COPY = Bounds(answer=90.0)
"""A copy waits for a picture worker, is drawn, signed and put."""


@post(
    "/v1/media",
    status_code=201,
    operation_id="upload",
    tags=["media"],
    opt={"access": Scope.GENERATE, "bounds": UPLOAD, "form": FORM_SCHEMA, "refusals": (410, 422)},
    response_headers=[ResponseHeader(name="Location", description="the asset", documentation_only=True)],
)
@inject
async def upload(
    request: Authed, bring_in: FromDishka[BringIn], storage: FromDishka[ObjectStorage], key: Idempotency = None
) -> Response[shapes.Upload]:
    """Bring in a reference or mask. Only a copy drawn anew is kept, without metadata; `changed` says what that took."""
    uploads: Uploads = request.app.state.uploads
    async with uploads.form(request) as form:
        idempotency = once(request.auth, UPLOAD_ROUTE, key, form.said)
        asset, changed = await bring_in(request.auth, form.file, form.purpose, idempotency)
    made = shapes.Upload(**members(asset, Links.of(request, storage)), changed=list(changed), credentials=carried(asset))
    return Response(made, headers={"Location": f"/v1/media/{asset.id}"})


@get("/v1/media", operation_id="listMedia", tags=["media"], opt={"access": Scope.READ, "bounds": NO_BODY})
@inject
async def list_media(
    request: Authed,
    queries: FromDishka[Queries],
    storage: FromDishka[ObjectStorage],
    signer: FromDishka[CursorSigner],
    kind: Annotated[AssetKind | None, QueryParameter()] = None,
    created_after: Instant = None,
    created_before: Instant = None,
    limit: Limit = PAGE,
    after: After = None,
) -> shapes.Assets:
    """This account's pictures, newest first."""
    caller = request.auth
    matching = AssetFilter(kind, instant("created_after", created_after), instant("created_before", created_before))
    cursors = Cursors(signer, "media", caller, matching)
    found = await queries.assets(caller.account_id, caller.mode, matching, cursors.position(after), limit + 1)
    return _page(found, limit, cursors, Links.of(request, storage))


@get(
    "/v1/media/{asset_id:uuid}",
    operation_id="getMedia",
    tags=["media"],
    opt={"access": Scope.READ, "bounds": NO_BODY, "refusals": (404,)},
)
@inject
async def show_media(
    request: Authed, asset_id: FromPath[UUID], queries: FromDishka[Queries], storage: FromDishka[ObjectStorage]
) -> shapes.OneAsset:
    """One picture, with a fresh link to its bytes, and with where it comes from."""
    asset = await _find(queries, request.auth, asset_id)
    shown = members(asset, Links.of(request, storage))
    origin = shapes.Origin(asset.marking, carried(asset))
    return shapes.OneAsset(**shown, provenance=origin, lineage=await _lineage(queries, request.auth, asset))


@get(
    "/v1/media/{asset_id:uuid}/content",
    status_code=307,
    operation_id="getMediaContent",
    tags=["media"],
    opt={"access": Scope.READ, "bounds": COPY, "refusals": (404, 422)},
    response_headers=[ResponseHeader(name="Location", description="a signed link", documentation_only=True)],
)
@inject
async def show_content(
    request: Authed,
    asset_id: FromPath[UUID],
    queries: FromDishka[Queries],
    storage: FromDishka[ObjectStorage],
    show: FromDishka[ShowRendition],
    format: Annotated[RenditionFormat | None, QueryParameter()] = None,
    width: Annotated[RenditionWidth | None, QueryParameter()] = None,
    label: Annotated[bool, QueryParameter()] = False,
) -> Response[bytes]:
    """The bytes, by way of a signed link that lives ten minutes. In another format, narrower, or with a visible label: a copy
    that carries the picture's credentials on, made when it is first asked for."""
    asset = await _find(queries, request.auth, asset_id)
    links, shape = Links.of(request, storage), shape_of(asset, format, width, label=label)
    link = links.to(asset)
    if link is None:
        raise SignaturePending
    if shape:
        link = links.to_rendition(asset, await show(asset, shape))
    return Response(b"", headers={"Location": link})


@delete(
    "/v1/media/{asset_id:uuid}",
    status_code=204,
    operation_id="deleteMedia",
    tags=["media"],
    opt={"access": Scope.GENERATE, "bounds": NO_BODY, "refusals": (404, 409)},
)
@inject
async def delete_media(request: Authed, asset_id: FromPath[UUID], dispose: FromDishka[DeleteAsset]) -> None:
    """Delete a picture, row and bytes. Refused while an unfinished generation needs it."""
    await dispose(request.auth, AssetId(asset_id))


async def _find(queries: Queries, caller: Caller, asset_id: UUID) -> Asset:
    return await queries.asset(AssetId(asset_id), caller.account_id, caller.mode)


def _page(found: Sequence[Asset], limit: int, cursors: Cursors, links: Links) -> shapes.Assets:
    page = found[:limit]
    return shapes.Assets(
        data=[shapes.Asset(**members(asset, links)) for asset in page],
        next=cursors.at((page[-1].created_at, page[-1].id)) if len(found) > limit else None,
    )


async def _lineage(queries: Queries, caller: Caller, asset: Asset) -> shapes.Lineage:
    if asset.generation_id is None:
        return shapes.Lineage(None, None, [])
    try:
        made_by, _ = await queries.generation(GenerationId(asset.generation_id), caller.account_id, caller.mode)
    except (NotFound, Gone):  # deleted meanwhile
        return shapes.Lineage(asset.generation_id, None, [])
    request = made_by.request
    return shapes.Lineage(made_by.id, made_by.parent, list(request.references) if request else [])


def carried(asset: Asset) -> shapes.Carried | None:
    told = asset.credentials
    return shapes.Carried(told.state, told.claim_generator) if told else None


def members(asset: Asset, links: Links) -> dict[str, Any]:
    return {
        "id": asset.id,
        "mode": asset.mode,
        "kind": asset.kind,
        "content_type": asset.format.content_type,
        "width": asset.width,
        "height": asset.height,
        "bytes": asset.bytes,
        "sha256": asset.sha256,
        "has_alpha": asset.has_alpha,
        "created_at": asset.created_at,
        "generation": asset.generation_id,
        "index": asset.index,
        "url": links.to(asset),
        "thumbnail_url": links.to_thumbnail(asset),
        "blurhash": asset.blurhash,
        "url_expires_at": links.expires_at,
    }
