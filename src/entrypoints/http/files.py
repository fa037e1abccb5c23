"""What signed links lead to, where the store has no server of its own. Path and query are checked as they were sent, character by
character; bytes go from and to the disk in pieces."""

from typing import Any

from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, Response, get, put
from litestar.response import Stream

from application.ports import LinkedObjects
from domain.errors import NotFound
from domain.limits import LIMITS
from entrypoints.http.auth import PUBLIC
from entrypoints.http.bounds import NO_BODY, Bounds
from entrypoints.http.problems import EDGE, problem, raw_path
from entrypoints.http.ranges import Unsatisfiable, span

FILES = "/files/"
SENT = Bounds(body=LIMITS["upload_bytes"], arrival=120.0)


@get(FILES + "{key:path}", include_in_schema=False, opt={"access": PUBLIC, "bounds": NO_BODY, "any_query": True})
@inject
async def show_file(request: Request[Any, Any, Any], objects: FromDishka[LinkedObjects]) -> Response[Any]:
    """The bytes, or a part of them."""
    found = await objects.open(*_link(request))
    headers = {"Accept-Ranges": "bytes", "ETag": found.tag}
    try:
        part = span(request.headers.get("range"), request.headers.get("if-range"), found.tag, found.length)
    except Unsatisfiable:
        return problem(request.scope, 416, *EDGE[416], None, None, headers | {"Content-Range": f"bytes */{found.length}"})
    first, past = part or (0, found.length)
    headers |= {
        "Content-Disposition": found.disposition,
        "Content-Length": str(past - first),
        "Cache-Control": f"private, max-age={found.seconds_left}",  # not in a cache longer than by the link
    }
    if part:
        headers["Content-Range"] = f"bytes {first}-{past - 1}/{found.length}"
    pieces = found.pieces(first, past)
    return Stream(pieces, status_code=206 if part else 200, media_type=found.content_type, headers=headers)


@put(FILES + "{key:path}", status_code=200, include_in_schema=False, opt={"access": PUBLIC, "bounds": SENT, "any_query": True})
@inject
async def put_file(request: Request[Any, Any, Any], objects: FromDishka[LinkedObjects]) -> None:
    """What is sent by a link, which names its type and length."""
    await objects.receive(*_link(request), request.headers.get("content-type", ""), request.stream())


def _link(request: Request[Any, Any, Any]) -> tuple[str, str]:
    path = raw_path(request.scope)
    if not path.startswith(FILES):
        raise NotFound
    return path.removeprefix(FILES), request.scope["query_string"].decode("latin-1")
