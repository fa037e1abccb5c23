"""The page of the sandbox sign-in: whoever asks says who they are. It exists only where no real provider is set up."""

from typing import Any
from urllib.parse import parse_qsl

from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, Response, get, post

from domain.errors import SignInInvalid
from entrypoints.http.auth import PUBLIC
from entrypoints.http.bounds import NO_BODY, SMALL_BODY
from entrypoints.http.cookies import check_same_origin
from entrypoints.http.pages import AS_PAGES, page
from entrypoints.wiring_access import SandboxIdentity

PAGE = "/auth/sandbox/page"


@get(PAGE, include_in_schema=False, opt={"access": PUBLIC, "bounds": NO_BODY, "any_query": True}, exception_handlers=AS_PAGES)
@inject
async def show_page(request: Request[Any, Any, Any], sandbox: FromDishka[SandboxIdentity]) -> Response[bytes]:
    """The form. Raises SignInInvalid for an address that is not ours."""
    sandbox.asked(_query(request))
    return page("sandbox", query=request.scope["query_string"].decode("latin-1"))


@post(
    PAGE,
    status_code=303,
    include_in_schema=False,
    opt={"access": PUBLIC, "bounds": SMALL_BODY, "any_query": True},
    exception_handlers=AS_PAGES,
)
@inject
async def answer_page(request: Request[Any, Any, Any], sandbox: FromDishka[SandboxIdentity]) -> Response[bytes]:
    """Back to where the sign-in began, with a code or a no."""
    check_same_origin(request)
    asked = sandbox.asked(_query(request))
    said = _fields(await request.body())
    agreed = said.get("answer") == "yes"
    url = sandbox.granted(asked, said.get("name", ""), said.get("email", "")) if agreed else sandbox.denied(asked)
    return Response(b"", headers={"Location": url})


def _query(request: Request[Any, Any, Any]) -> dict[str, str]:
    return _fields(request.scope["query_string"])


def _fields(form: bytes) -> dict[str, str]:
    """Raises SignInInvalid for more fields than any form of ours has."""
    try:
        return dict(parse_qsl(form.decode("latin-1"), keep_blank_values=True, max_num_fields=20))
    except ValueError:
        raise SignInInvalid from None
