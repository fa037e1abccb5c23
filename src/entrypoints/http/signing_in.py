"""Signing in with a provider, and out again.

What must be known when a person comes back travels with their browser, signed and for ten minutes: only the browser that began a
sign-in can end it, which also keeps somebody else's sign-in out of it.
"""

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Any
from uuid import UUID

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, Response, get, post
from litestar.params import FromPath, QueryParameter

from application.ports import SignInSigner, SignInStart
from application.providers import Providers
from application.sessions import AuthenticateSession, EndSession, LinkIdentity, SignIn
from domain.errors import InvalidRequest, SignInExpired, SignInInvalid
from domain.redirects import is_ours
from domain.sessions import SessionRules
from entrypoints.http import account_shapes as shapes
from entrypoints.http.auth import PUBLIC, Authed, Person, session_of
from entrypoints.http.bounds import NO_BODY
from entrypoints.http.cookies import cookie, get_cookie, no_cookie, own_origin, session_token
from entrypoints.http.pages import AS_PAGES, HOME

SECONDS = 600
"""Where a sign-in leads if it was not said where."""
_COOKIE = "sign-in"
_MOST_ANSWER = 4096

ReturnTo = Annotated[
    str,
    QueryParameter(
        max_length=255,
        description="a path of this service, in printable ASCII without spaces",
        schema_extra={"pattern": r"^/([!-.0-\[\]-~][!-\[\]-~]*)?$"},
    ),
]


class _Begun(msgspec.Struct, frozen=True, array_like=True):
    """`until`: Unix seconds. `session`: the one that links another sign-in to its account; None signs in."""

    provider: str
    state: str
    nonce: str
    verifier: str
    return_to: str
    until: float
    session: UUID | None = None
    invitation: str | None = None


@get("/auth/providers", operation_id="listProviders", tags=["accounts"], opt={"access": PUBLIC, "bounds": NO_BODY})
@inject
async def list_providers(providers: FromDishka[Providers]) -> shapes.Providers:
    """With whom one can sign in here."""
    return shapes.Providers([shapes.Provider(name, f"/auth/{name}/start") for name in providers.names])


@get(
    "/auth/{provider:str}/start",
    status_code=303,
    include_in_schema=False,
    opt={"access": PUBLIC, "bounds": NO_BODY},
    exception_handlers=AS_PAGES,
)
@inject
async def start(
    request: Request[Any, Any, Any],
    provider: FromPath[str],
    providers: FromDishka[Providers],
    signer: FromDishka[SignInSigner],
    rules: FromDishka[SessionRules],
    return_to: ReturnTo = HOME,
    invitation: Annotated[str | None, QueryParameter(max_length=64)] = None,
    fresh: Annotated[bool, QueryParameter()] = False,
) -> Response[bytes]:
    """To the provider; `return_to` is a path of ours to come back to, `invitation` a code for who has no account yet.
    `fresh`: for what wants a fresh sign-in, so whoever was not asked lately is asked again."""
    max_age = int(rules.fresh.total_seconds()) if fresh else None
    begun = await providers.named(provider).start(_callback(request, provider), max_age)
    kept = _begun(provider, begun, return_to, invitation=invitation)
    return Response(b"", headers={"Location": begun.url}, cookies=[cookie(request, _COOKIE, _sign(signer, kept), SECONDS)])


@post(
    "/auth/{provider:str}/link",
    status_code=200,
    operation_id="linkIdentity",
    tags=["accounts"],
    opt={"access": Person.FRESH, "bounds": NO_BODY, "refusals": (404,)},
)
@inject
async def begin_link(
    request: Authed,
    provider: FromPath[str],
    providers: FromDishka[Providers],
    signer: FromDishka[SignInSigner],
    return_to: ReturnTo = HOME,
) -> Response[shapes.Leave]:
    """Where this browser has to go so that the sign-in there leads to this account, too."""
    begun = await providers.named(provider).start(_callback(request, provider))
    kept = _begun(provider, begun, return_to, session=session_of(request).id)
    return Response(shapes.Leave(begun.url), cookies=[cookie(request, _COOKIE, _sign(signer, kept), SECONDS)])


@get(
    "/auth/{provider:str}/callback",
    status_code=303,
    include_in_schema=False,
    opt={"access": PUBLIC, "bounds": NO_BODY, "any_query": True},
    exception_handlers=AS_PAGES,
)
@inject
async def callback(
    request: Request[Any, Any, Any],
    provider: FromPath[str],
    providers: FromDishka[Providers],
    signer: FromDishka[SignInSigner],
    authenticate: FromDishka[AuthenticateSession],
    link: FromDishka[LinkIdentity],
    sign_in: FromDishka[SignIn],
    rules: FromDishka[SessionRules],
) -> Response[bytes]:
    """Back from the provider: a session, another sign-in for the account, or the reason why there is neither."""
    kept = _read(signer, get_cookie(request, _COOKIE))
    if kept.provider != provider:
        raise SignInInvalid("the answer is another provider's")
    begun, old = SignInStart("", kept.state, kept.nonce, kept.verifier), session_token(request)
    person = await providers.named(provider).finish(begun, _callback(request, provider), _answer(request))
    cookies = [no_cookie(request, _COOKIE)]
    if kept.session:
        present = await authenticate(old or "")
        if present.session.id != kept.session:
            raise SignInInvalid("this browser is signed in as somebody else by now")
        await link(present.session.account_id, person)
    else:
        _, token = await sign_in(person, old, kept.invitation)
        cookies.append(cookie(request, "session", token, int(rules.absolute.total_seconds())))
    return Response(b"", headers={"Location": kept.return_to}, cookies=cookies)


@post(
    "/auth/sign-out",
    status_code=204,
    operation_id="signOut",
    tags=["accounts"],
    opt={"access": Person.SESSION, "bounds": NO_BODY},
)
@inject
async def sign_out(request: Authed, end: FromDishka[EndSession]) -> Response[None]:
    """End this session."""
    session = session_of(request)
    await end(session.account_id, session.id)
    return Response(None, cookies=[no_cookie(request, "session")])


def _begun(
    provider: str, begun: SignInStart, return_to: str, *, session: UUID | None = None, invitation: str | None = None
) -> _Begun:
    until = time.time() + SECONDS
    return _Begun(provider, begun.state, begun.nonce, begun.verifier, _own_path(return_to), until, session, invitation)


def _callback(request: Request[Any, Any, Any], provider: str) -> str:
    return f"{own_origin(request)}/auth/{provider}/callback"


def _answer(request: Request[Any, Any, Any]) -> dict[str, str]:
    """What the provider says through the address. A word that is said twice has no meaning. Raises SignInInvalid."""
    said = request.query_params
    if len(request.scope["query_string"]) > _MOST_ANSWER or any(len(said.getall(name)) > 1 for name in said):
        raise SignInInvalid
    return dict(said)


def _own_path(path: str) -> str:
    """A path on this host and nothing a browser could take for another. Raises InvalidRequest."""
    if not is_ours(path):
        raise InvalidRequest("return_to is a path of this service", field="return_to")
    return path


def _sign(signer: SignInSigner, kept: _Begun) -> str:
    content = msgspec.msgpack.encode(kept)
    kid, mac = signer.sign(content)
    return ".".join((kid, *(urlsafe_b64encode(part).rstrip(b"=").decode() for part in (content, mac))))


def _read(signer: SignInSigner, written: str | None) -> _Begun:
    """Raises SignInExpired, or SignInInvalid for what we have not written."""
    if not written:
        raise SignInExpired("this browser has begun no sign-in, or it was too long ago: begin again")
    try:
        kid, content, mac = written.split(".")
        signed = urlsafe_b64decode(content + "==")
        if signer.verify(kid, signed, urlsafe_b64decode(mac + "==")):
            kept = msgspec.msgpack.decode(signed, type=_Begun)
            if time.time() >= kept.until:
                raise SignInExpired
            return kept
    except ValueError:
        pass
    raise SignInInvalid
