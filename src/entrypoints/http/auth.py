"""Who may call: each route declares it, a route without a declaration stops the start, and one guard holds every call to it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Self
from urllib.parse import parse_qsl

from dishka import AsyncContainer
from litestar import Litestar, Request
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.params import HeaderParameter, QueryParameter
from litestar.routes import HTTPRoute

from application.api_keys import Authenticate
from application.sessions import AuthenticateSession
from domain.accounts import Caller, Scope
from domain.errors import InvalidRequest, SessionNeeded, Unauthenticated
from domain.sessions import Session
from entrypoints.http.cookies import Connection, check_same_origin, session_token
from entrypoints.http.parameters import KEY
from entrypoints.http.rate_limits import counted

Authed = Request[None, Caller, State]
"""A request whose `auth` is the caller: any but those to public routes."""

PUBLIC: Literal["public"] = "public"


class Person(StrEnum):
    """Routes that a key can never call: any session, or one of a fresh sign-in."""

    SESSION = "session"
    FRESH = "fresh"


Access = Scope | Person
MOST_PARAMETERS = 50
_KEY = KEY.lower().encode()


@dataclass(frozen=True, slots=True)
class Gate:
    """What a route asks of a call before it is run. `query`: its parameters, True for those that may be repeated; None: any.
    `bare`: its body may be left out. `keyed`: it takes the caller's own key."""

    access: Access | None
    media_types: tuple[str, ...]
    bare: bool
    query: Mapping[str, bool] | None
    keyed: bool


class AccessUndeclared(Exception):
    """A route does not say who may call it."""


def declare_gates(app: Litestar) -> None:
    """Read what each route declares, once, before the first call. Raises AccessUndeclared."""
    for _, handler in routes(app):
        handler.opt["gate"] = _gate(handler)


def routes(app: Litestar) -> Iterator[tuple[str, HTTPRouteHandler]]:
    """Every route of ours, by its path as OpenAPI writes it, always in the same order; not the OPTIONS handlers Litestar adds."""
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            raise AccessUndeclared(f"{route.path} is not an HTTP route: nothing guards it")
        for handler in sorted(route.route_handlers, key=lambda handler: sorted(handler.http_methods)):
            if handler.http_methods != {"OPTIONS"}:
                yield route.path_format, handler


def access_of(handler: BaseRouteHandler) -> Access | None:
    """The scope a route needs, or the person; None for a public one. Raises AccessUndeclared."""
    access = handler.opt.get("access")
    if access != PUBLIC and not isinstance(access, Access):
        raise AccessUndeclared(f'{handler} needs opt={{"access": …}}: a Scope, a Person, or "public"')
    return access if isinstance(access, Access) else None


def _gate(handler: HTTPRouteHandler) -> Gate:
    known = {
        field.kwarg_definition.name or name: field.is_non_string_sequence or field.has_inner_subclass_of(list)
        for name, field in handler.parsed_fn_signature.parameters.items()
        if isinstance(field.kwarg_definition, QueryParameter)
    }
    query, bare = None if handler.opt.get("any_query") else known, bool(handler.opt.get("bare"))
    return Gate(access_of(handler), media_types(handler), bare, query, takes_key(handler))


def takes_key(handler: HTTPRouteHandler) -> bool:
    """Whether a route answers the same to the same `Idempotency-Key`."""
    fields = handler.parsed_fn_signature.parameters.values()
    return any(isinstance(field.kwarg_definition, HeaderParameter) and field.kwarg_definition.name == KEY for field in fields)


def media_types(handler: HTTPRouteHandler) -> tuple[str, ...]:
    """Of the body that a route reads; none: it reads none, or any."""
    as_json = ("application/json",) if handler.parsed_data_field or "json" in handler.opt else ()
    return (("multipart/form-data",) if "form" in handler.opt else ()) + as_json


async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
    """First who calls, then what is sent: a stranger learns nothing about the form of a request."""
    gate = handler.opt.get("gate")
    if not isinstance(gate, Gate):
        return  # an OPTIONS handler that Litestar added
    call = counted(connection)
    if gate.access:
        connection.scope["auth"] = await _caller(connection, gate.access)
    elif call:
        await call.stranger()
    if gate.keyed and sum(name == _KEY for name, _ in connection.scope["headers"]) > 1:
        raise InvalidRequest(f"{KEY} is given twice", field=KEY)
    if gate.media_types and not (gate.bare and _is_bare(connection)):
        _check_media_type(connection, gate.media_types)
    if gate.query is not None and (query := connection.scope["query_string"]):
        _check_query(query, gate.query)


async def _caller(connection: Connection, access: Access) -> Caller:
    """By a key, or by the session of one of our own pages; a key that is sent counts, whatever cookies come along."""
    call, token = counted(connection), session_token(connection)
    by_key = "authorization" in connection.headers or not token
    try:
        caller = await (_by_key(connection) if by_key else _by_session(connection, token or "", access))
    except Unauthenticated:
        if call and ("authorization" in connection.headers or token):
            call.failed()
        raise
    if call:
        await call.known(caller)
    if not by_key:
        check_same_origin(connection)
    elif isinstance(access, Person):
        raise SessionNeeded
    else:
        caller.must_have(access)
    return caller


@dataclass(frozen=True, slots=True)
class MayGoOn:
    """Looks again, later, at whoever sent a request; nothing else of the request is kept, and it counts no further."""

    began: Caller
    scope: Scope
    key: str | None
    token: str
    parts: AsyncContainer

    @classmethod
    def of(cls, request: Authed, scope: Scope) -> Self:
        token = session_token(request)
        key = _bearer(request) if "authorization" in request.headers or not token else None
        return cls(request.auth, scope, key, token or "", request.app.state.dishka_container)

    async def __call__(self) -> bool:
        """Whether it is still the same who may do so; a frozen account may read, but one thing at a time. Raises Unauthenticated:
        the key, or the session, has ended since; or MissingScope."""
        began, now = self.began, await self._caller()
        now.must_have(self.scope)
        return not now.frozen and (now.account_id, now.mode) == (began.account_id, began.mode)

    async def _caller(self) -> Caller:
        if self.key is not None:
            return await (await self.parts.get(Authenticate))(self.key)
        return (await (await self.parts.get(AuthenticateSession))(self.token)).caller


async def _by_key(connection: Connection) -> Caller:
    container: AsyncContainer = connection.state.dishka_container
    return await (await container.get(Authenticate))(_bearer(connection))


async def _by_session(connection: Connection, token: str, access: Access) -> Caller:
    container: AsyncContainer = connection.state.dishka_container
    signed_in = await (await container.get(AuthenticateSession))(token, fresh=access is Person.FRESH)
    connection.scope["session"] = signed_in.session
    return signed_in.caller


def session_of(connection: Connection) -> Session:
    """Of a route that is for a Person."""
    session = connection.scope.get("session")
    if not isinstance(session, Session):
        raise AssertionError("only a route for a Person has a session")
    return session


def _is_bare(connection: Connection) -> bool:
    return "transfer-encoding" not in connection.headers and connection.headers.get("content-length", "0") == "0"


def _bearer(connection: Connection) -> str:
    found = [value for name, value in connection.scope["headers"] if name == b"authorization"]
    scheme, _, key = found[0].decode("latin-1").partition(" ") if len(found) == 1 else ("", "", "")
    if scheme.lower() != "bearer":
        raise Unauthenticated("send Authorization: Bearer <API key>, once")
    return key.strip()


def _check_media_type(connection: Connection, wanted: tuple[str, ...]) -> None:
    sent = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent not in wanted:
        raise HTTPException(status_code=415, detail=f"send {' or '.join(wanted)}")


def _check_query(query: bytes, known: Mapping[str, bool]) -> None:
    """A filter that is misspelled, given twice or left blank would be one that silently does nothing."""
    try:
        sent = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise InvalidRequest("there are too many parameters", limit=MOST_PARAMETERS) from None
    seen = set[str]()
    for name, value in sent:
        if name not in known:
            raise InvalidRequest("there is no such parameter here", allowed=sorted(known))
        if name in seen and not known[name]:
            raise InvalidRequest(f"{name} is given twice", field=name)
        if value.lower() in ("", "null"):
            raise InvalidRequest(f"{name} is blank", field=name)
        seen.add(name)
