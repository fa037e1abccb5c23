"""`POST /v1/images/generations`: OpenAI's way of asking for pictures, over the same use case as our own."""

import re
from typing import Annotated

from dishka.integrations.litestar import FromDishka, inject
from litestar import Response, post
from litestar.datastructures import ResponseHeader
from litestar.params import HeaderParameter, JSONBody

from application.answering import NoteAnswer
from application.events import Changes, FollowGeneration
from application.generations import RequestGeneration
from application.ports import ObjectStorage
from application.queries import Queries
from domain.accounts import Scope
from domain.errors import InvalidRequest
from domain.joining import Try
from domain.media import PictureFormat
from domain.requests import Asked, Fault, Sandbox
from entrypoints.http.auth import Authed
from entrypoints.http.bodies import StrictJSON
from entrypoints.http.bounds import PICTURE_BODY
from entrypoints.http.compatible.answers import Sources, answered, begun
from entrypoints.http.compatible.shapes import ImageBody, ImagesAnswer
from entrypoints.http.compatible.stream_events import told
from entrypoints.http.compatible.streams import Streaming, check_streams
from entrypoints.http.lines import Line
from entrypoints.http.parameters import Idempotency, canonical, once
from entrypoints.http.rate_limits import counted

ROUTE = "POST /v1/images/generations"
REFUSALS = (400, 404, 409, 410, 422, 429, 504)
HEADERS = [ResponseHeader(name="x-generation-id", description="the generation, also in the history", documentation_only=True)]
SandboxFault = Annotated[
    str | None,
    HeaderParameter(
        name="X-Sandbox-Fault",
        description=f"test keys only: one of {', '.join(Fault)}; latency_ms=N; or both, with a semicolon between",
        max_length=64,
    ),
]
_FAULT = re.compile(r"(?P<fault>[a-z-]+)?(?:(?(fault)\s*;\s*)latency_ms=(?P<latency>\d{1,9}))?", re.ASCII)
_DIGITS = 3


@post(
    "/v1/images/generations",
    status_code=200,
    dto=StrictJSON[ImageBody],
    return_dto=None,
    operation_id="generateImages",
    tags=["generations"],
    opt={"access": Scope.GENERATE, "bounds": PICTURE_BODY, "refusals": REFUSALS, "told": told("image_generation")},
    response_headers=HEADERS,
)
@inject
async def generate_images(
    request: Authed,
    data: JSONBody[ImageBody],
    ask: FromDishka[RequestGeneration],
    queries: FromDishka[Queries],
    storage: FromDishka[ObjectStorage],
    changes: FromDishka[Changes],
    follow: FromDishka[FollowGeneration],
    note: FromDishka[NoteAnswer],
    key: Idempotency = None,
    fault: SandboxFault = None,
) -> Response[ImagesAnswer]:
    """As OpenAI's `images.generate`: the pictures are waited for, 300 seconds at most, and answered as base64. They are in the
    history too, whether or not anybody is there to take the answer."""
    wanted = asked(data, sandbox(fault))
    if data.stream:
        check_streams(request)
    if call := counted(request):
        await call.pictures(data.n or 1)
    body = canonical((data, fault))
    tried = try_of(request, ROUTE, key, body)
    line = Line(request.receive)
    try:
        made = await ask(
            request.auth, wanted, idempotency=once(request.auth, ROUTE, key, body), tried=tried, left_by=line.left_by
        )
    finally:
        line.close()
    if data.stream:
        return await begun(request, Streaming(follow, storage)(request, made[0]), made[0], note, tried)
    return await answered(request, made, Sources(queries, storage, changes, note), tried)


def try_of(request: Authed, route: str, key: str | None, body: bytes) -> Try | None:
    """Which of the SDK's tries this is. None: nobody counts, or there is an Idempotency-Key, which says more. `body`: as it was
    understood, with all else that makes it another request."""
    said = request.headers.get("x-stainless-retry-count", "")
    counts = said.isascii() and said.isdigit() and len(said) <= _DIGITS
    return Try.of(request.auth, route, body, int(said)) if counts and key is None else None


def asked(body: ImageBody, sandbox: Sandbox | None) -> Asked:
    """Raises InvalidRequest."""
    check_response_format(body.response_format)
    check_stream(body.stream, body.output_format)
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
        partial_images=body.partial_images if body.stream else None,
        frame_count=body.frame_count,
        frame_duration_ms=body.frame_duration_ms,
        sandbox=sandbox,
    )


def check_stream(stream: bool | None, output_format: str | None) -> None:
    if stream and output_format == PictureFormat.GIF:
        raise InvalidRequest("a gif is not streamed", field="stream")


def check_response_format(asked: str | None) -> None:
    if asked not in (None, "b64_json"):
        raise InvalidRequest("pictures are answered as base64 only", field="response_format", allowed=["b64_json"])


def sandbox(written: str | None) -> Sandbox | None:
    """Raises InvalidRequest."""
    if written is None:
        return None
    said = _FAULT.fullmatch(written.strip())
    fault = said["fault"] if said else ""
    if said is None or not written.strip() or (fault and fault not in tuple(Fault)):
        raise InvalidRequest("X-Sandbox-Fault names no fault", field="X-Sandbox-Fault", allowed=[*Fault, "latency_ms=N"])
    return Sandbox(Fault(fault) if fault else None, int(said["latency"] or 0))
