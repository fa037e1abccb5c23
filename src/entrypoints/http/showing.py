"""How a generation is shown."""

from collections.abc import Sequence

from application.ports import ObjectStorage
from application.queries import Queries
from domain.accounts import Caller
from domain.attempts import Failure
from domain.generations import Generation, GenerationId, GenerationState
from domain.media import Asset
from entrypoints.http import shapes
from entrypoints.http.auth import Authed
from entrypoints.http.links import Links
from entrypoints.http.outlook import Outlook
from entrypoints.http.waiting import Found


async def find(queries: Queries, caller: Caller, generation: GenerationId) -> Found:
    return await queries.generation(generation, caller.account_id, caller.mode)


async def shown(request: Authed, found: Found, queries: Queries, storage: ObjectStorage) -> shapes.Generation:
    return (await all_shown(request, [found], queries, storage))[0]


async def all_shown(request: Authed, found: Sequence[Found], queries: Queries, storage: ObjectStorage) -> list[shapes.Generation]:
    outlook = await request.app.state.outlooks(queries, [generation for generation, _ in found])
    links = Links.of(request, storage)
    return [_shown(generation, assets, links, outlook) for generation, assets in found]


def _shown(generation: Generation, assets: Sequence[Asset], links: Links, outlook: Outlook) -> shapes.Generation:
    is_open, since = generation.state.is_open, generation.uncertain_since
    return shapes.Generation(
        id=generation.id,
        mode=generation.mode,
        kind=generation.kind,
        state=generation.state,
        uncertain=shapes.Uncertain(since, generation.hold_expires_at) if since else None,
        request=request_shown(generation),
        created_at=generation.created_at,
        started_at=generation.started_at,
        finished_at=generation.finished_at,
        queue=_queue(generation, outlook) if generation.state is GenerationState.QUEUED else None,
        credits=shapes.GenerationCredits(
            quoted=generation.price,
            held=generation.price if is_open else 0,
            captured=generation.captured,
            released=0 if is_open else generation.price - generation.captured,
        ),
        assets=[picture(asset, links) for asset in assets],
        failure=failure(generation.failure) if generation.failure else None,
        parent=generation.parent,
        favourite=generation.favourite,
        trashed_at=generation.trashed_at,
        metadata=dict(generation.metadata),
    )


def _queue(generation: Generation, outlook: Outlook) -> shapes.Queue:
    position, expected = outlook.of(generation)
    return shapes.Queue(position, shapes.ExpectedSeconds(expected.p50, expected.p90) if expected else None)


def request_shown(generation: Generation) -> shapes.RequestShape | None:
    """None once it is erased."""
    if not (request := generation.request):
        return None
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


def picture(asset: Asset, links: Links) -> shapes.Picture:
    return shapes.Picture(
        id=asset.id,
        index=asset.index or 0,
        content_type=asset.format.content_type,
        width=asset.width,
        height=asset.height,
        bytes=asset.bytes,
        sha256=asset.sha256,
        url=links.to(asset),
        thumbnail_url=links.to_thumbnail(asset),
        blurhash=asset.blurhash,
        url_expires_at=links.expires_at,
    )


def failure(failure: Failure) -> shapes.Failure:
    return shapes.Failure(
        failure_class=failure.failure_class,
        stage=failure.stage,
        code=failure.code,
        message=failure.message,
        charged=0,
        request_id=failure.request_id,
    )
