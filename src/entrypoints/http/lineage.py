"""Where a generation comes from, what came of it, and what to send for the same again, over HTTP."""

from datetime import date
from uuid import UUID

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import get
from litestar.params import FromPath
from msgspec import Struct

from application.lineage import LineageQueries, RecallGeneration
from application.ports import ObjectStorage
from domain.accounts import Scope
from domain.generations import Generation, GenerationId, GenerationState
from domain.lineage import Change, differences
from domain.requests import Asked, Kind
from entrypoints.http import shapes
from entrypoints.http.auth import Authed
from entrypoints.http.bounds import NO_BODY
from entrypoints.http.links import Links
from entrypoints.http.showing import picture, request_shown

ONE = "/v1/generations/{generation_id:uuid}"
_NOT_COMPARED = ("deadline", "sandbox")
"""They say nothing of the picture."""


Value = str | int | list[str] | dict[str, str] | None
"""Whatever a field of a request may be."""


class Difference(Struct, frozen=True):
    """Of one field of the request, from the parent's to its own."""

    field: str
    change: Change
    before: Value
    after: Value


class Relative(Struct, frozen=True, kw_only=True):
    """`erased`: its owner has erased it, and its bones are all that is left. `picture` is its first. `differences` from what its
    parent was asked for; null if it has no parent here, or either of them is erased."""

    id: UUID
    parent: UUID | None
    kind: Kind
    model: str
    state: GenerationState
    created_at: shapes.Time
    trashed_at: shapes.Time | None
    erased: bool
    favourite: bool
    picture: shapes.Picture | None
    differences: list[Difference] | None


class Lineage(Struct, frozen=True):
    """A tree, by the `parent` of each: ancestors, the oldest first, the generation itself, then what came of it, children before
    grandchildren. `*_cut`: there are more; ask for the lineage of the outermost to go on."""

    generation: UUID
    relatives: list[Relative]
    ancestors_cut: bool
    descendants_cut: bool


class RetiredModel(Struct, frozen=True):
    """It cannot be asked for any more."""

    id: str
    shutdown_date: date | None
    replacement: str | None


class Recall(Struct, frozen=True):
    """`body` is to be sent to `POST /v1/generations`, once nothing stands in its way any more: a model that is `retired`, or
    references that were deleted (`missing`). Then `ready` is true."""

    body: shapes.PictureBody
    ready: bool
    retired: RetiredModel | None
    missing: list[UUID]


@get(
    f"{ONE}/lineage",
    operation_id="getLineage",
    tags=["library"],
    opt={"access": Scope.READ, "bounds": NO_BODY, "refusals": (404,)},
)
@inject
async def show_lineage(
    request: Authed, generation_id: FromPath[UUID], lineage: FromDishka[LineageQueries], storage: FromDishka[ObjectStorage]
) -> Lineage:
    """Ancestors and descendants, by `parent`: 50 and 100 at most. Also of one that has been erased."""
    caller, links = request.auth, Links.of(request, storage)
    family = await lineage.family(GenerationId(generation_id), caller.account_id, caller.mode)
    rows = [*reversed(family.ancestors), family.one, *family.descendants]
    known = {generation.id: generation for generation, _ in rows}
    return Lineage(
        generation=generation_id,
        relatives=[
            Relative(
                id=generation.id,
                parent=generation.parent,
                kind=generation.kind,
                model=generation.model,
                state=generation.state,
                created_at=generation.created_at,
                trashed_at=generation.trashed_at,
                erased=generation.request is None,
                favourite=generation.favourite,
                picture=picture(assets[0], links) if assets else None,
                differences=_differences(known.get(generation.parent) if generation.parent else None, generation),
            )
            for generation, assets in rows
        ],
        ancestors_cut=family.ancestors_cut,
        descendants_cut=family.descendants_cut,
    )


@get(
    f"{ONE}/recall",
    operation_id="recallGeneration",
    tags=["library"],
    opt={"access": Scope.READ, "bounds": NO_BODY, "refusals": (404, 410)},
)
@inject
async def recall_generation(request: Authed, generation_id: FromPath[UUID], recall: FromDishka[RecallGeneration]) -> Recall:
    """What to send for the same pictures again, with the labels it bears now; and what stands in the way."""
    found = await recall(request.auth, GenerationId(generation_id))
    retired = found.retired
    return Recall(
        body=_body(found.asked, found.parent),
        ready=not (retired or found.missing),
        retired=RetiredModel(retired.id, retired.shutdown_date, retired.replacement) if retired else None,
        missing=list(found.missing),
    )


def _differences(parent: Generation | None, child: Generation) -> list[Difference] | None:
    if not parent or not parent.request or not child.request:
        return None
    before, after = (msgspec.to_builtins(request_shown(each)) for each in (parent, child))
    return msgspec.convert(differences(before, after, _NOT_COMPARED), list[Difference], from_attributes=True)


def _body(asked: Asked, parent: GenerationId | None) -> shapes.PictureBody:
    sandbox = asked.sandbox
    return shapes.PictureBody(
        prompt=asked.prompt,
        model=asked.model,
        n=asked.n,
        size=asked.size,
        quality=asked.quality,
        complexity=asked.complexity,
        background=asked.background,
        output_format=asked.output_format,
        output_compression=asked.output_compression,
        moderation=asked.moderation,
        partial_images=asked.partial_images,
        images=tuple(asked.images),
        mask=asked.mask,
        parent=parent,
        frame_count=asked.frame_count,
        frame_duration_ms=asked.frame_duration_ms,
        metadata=dict(asked.metadata),
        sandbox=shapes.Sandbox(sandbox.fault, sandbox.latency_ms) if sandbox else None,
    )
