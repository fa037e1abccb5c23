"""`POST /v1/images/edits`: OpenAI's way of asking for an edit, with the pictures in the request."""

from dishka.integrations.litestar import FromDishka, inject
from litestar import Response, post

from application.answering import NoteAnswer
from application.edits import Made, MayEdit, RequestEdit
from application.events import Changes, FollowGeneration
from application.ports import ObjectStorage
from application.queries import Queries
from domain.accounts import Scope
from domain.joining import Try
from domain.limits import LIMITS
from entrypoints.http.auth import Authed
from entrypoints.http.bounds import Bounds
from entrypoints.http.compatible.answers import Sources, answered, begun
from entrypoints.http.compatible.edit_bodies import form_schema, read_edit
from entrypoints.http.compatible.images import HEADERS, REFUSALS, SandboxFault, asked, sandbox, try_of
from entrypoints.http.compatible.shapes import EditBody, ImagesAnswer
from entrypoints.http.compatible.stream_events import told
from entrypoints.http.compatible.streams import Streaming, check_streams
from entrypoints.http.lines import Line
from entrypoints.http.media import UPLOAD
from entrypoints.http.parameters import Idempotency, once
from entrypoints.http.rate_limits import counted
from entrypoints.http.uploads import FORM_SLACK, Uploads

ROUTE = "POST /v1/images/edits"
EDIT = Bounds(body=LIMITS["form_bytes"] + LIMITS["body_bytes"] + FORM_SLACK, arrival=UPLOAD.arrival, answer=UPLOAD.answer)
MOST, MOST_BYTES = 64, 4 * LIMITS["form_bytes"]
"""Edits that one process reads or takes in at once, and the memory for what was sent with them."""


@post(
    "/v1/images/edits",
    status_code=200,
    operation_id="editImages",
    tags=["generations"],
    opt={
        "access": Scope.GENERATE,
        "bounds": EDIT,
        "form": form_schema(),
        "json": EditBody,
        "largest": ("image", LIMITS["form_bytes"]),
        "refusals": REFUSALS,
        "told": told("image_edit"),
    },
    response_headers=HEADERS,
)
@inject
async def edit_images(
    request: Authed,
    may_edit: FromDishka[MayEdit],
    edit: FromDishka[RequestEdit],
    queries: FromDishka[Queries],
    storage: FromDishka[ObjectStorage],
    changes: FromDishka[Changes],
    follow: FromDishka[FollowGeneration],
    note: FromDishka[NoteAnswer],
    key: Idempotency = None,
    fault: SandboxFault = None,
) -> Response[ImagesAnswer]:
    """As OpenAI's `images.edit`: up to 16 references and a mask for the first, as files, as data URLs, or as ids of assets. What
    is sent is taken in as any upload is, and kept as assets of the account if the edit is accepted. The result is waited for as
    that of `images.generate`."""
    known, tried = once(request.auth, ROUTE, key, b""), try_of(request, ROUTE, key, b"")
    if not (tried and tried.number):  # who tries again may have nothing left but what the first try bought
        await may_edit(request.auth, known[0] if known else None)
    made, tried, is_streamed = await _made(request, edit, key, fault)
    if is_streamed:
        return await begun(request, Streaming(follow, storage)(request, made[0]), made[0], note, tried)
    return await answered(request, made, Sources(queries, storage, changes, note), tried)


async def _made(request: Authed, edit: RequestEdit, key: str | None, fault: str | None) -> tuple[Made, Try | None, bool]:
    """And which try this is, and whether its pictures are to be streamed. When this ends, what was sent is in nobody's memory any
    more."""
    uploads: Uploads = request.app.state.edits
    ordered = sandbox(fault)
    with uploads.place() as share:
        sent = await read_edit(request, uploads, share)
        wanted, call = asked(sent.fields, ordered), counted(request)
        if sent.fields.stream:
            check_streams(request)
        if call:
            await call.pictures(sent.fields.n or 1)
            call.owe_pictures(sum(isinstance(each.picture, bytes) for each in sent.images))
        body = sent.said(fault)
        idempotency, tried = once(request.auth, ROUTE, key, body), try_of(request, ROUTE, key, body)
        images, mask = [each.picture for each in sent.images], sent.mask.picture if sent.mask else None
        line = Line(request.receive)
        try:
            made = await edit(request.auth, wanted, images, mask, idempotency=idempotency, tried=tried, left_by=line.left_by)
        finally:
            line.close()
        return made, tried, bool(sent.fields.stream)
