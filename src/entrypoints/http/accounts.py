"""Who one is here: the account, its sessions, and the sign-ins that lead to it."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from dishka.integrations.litestar import FromDishka, inject
from litestar import Response, delete, get, patch
from litestar.params import FromPath, JSONBody
from msgspec import UNSET

from application.access import AccessQueries
from application.queries import Queries
from application.sessions import ChangeProfile, EndEverySession, EndSession, UnlinkIdentity
from domain.accounts import Account
from domain.identities import Identity, IdentityId
from domain.sessions import Session, SessionId, SessionRules
from entrypoints.http import account_shapes as shapes
from entrypoints.http.auth import Authed, Person, session_of
from entrypoints.http.bodies import StrictJSON
from entrypoints.http.bounds import NO_BODY, SMALL_BODY
from entrypoints.http.cookies import no_cookie
from entrypoints.http.parameters import word


@get("/v1/me", operation_id="getMe", tags=["accounts"], opt={"access": Person.SESSION, "bounds": NO_BODY})
@inject
async def show_me(request: Authed, queries: FromDishka[Queries], access: FromDishka[AccessQueries]) -> shapes.Me:
    """The account, and with whom one signs in to it."""
    account = await queries.account(request.auth.account_id)
    return _me(account, await access.identities(account.id))


@patch(
    "/v1/me",
    dto=StrictJSON[shapes.MeBody],
    return_dto=None,
    operation_id="changeMe",
    tags=["accounts"],
    opt={"access": Person.SESSION, "bounds": SMALL_BODY},
)
@inject
async def change_me(
    request: Authed, data: JSONBody[shapes.MeBody], change: FromDishka[ChangeProfile], access: FromDishka[AccessQueries]
) -> shapes.Me:
    """Another name, or another of the account's verified addresses."""

    def changed(account: Account) -> Account:
        name = account.name if data.name is UNSET else word("name", data.name)
        return replace(account, name=name, email=account.email if data.email is UNSET else data.email)

    return _me(await change(request.auth.account_id, changed), await access.identities(request.auth.account_id))


@delete(
    "/v1/me/identities/{identity_id:uuid}",
    status_code=204,
    operation_id="unlinkIdentity",
    tags=["accounts"],
    opt={"access": Person.FRESH, "bounds": NO_BODY, "refusals": (404, 409)},
)
@inject
async def unlink_identity(request: Authed, identity_id: FromPath[UUID], unlink: FromDishka[UnlinkIdentity]) -> None:
    """This sign-in leads here no longer. The last one stays."""
    await unlink(request.auth.account_id, IdentityId(identity_id))


@get("/v1/sessions", operation_id="listSessions", tags=["accounts"], opt={"access": Person.SESSION, "bounds": NO_BODY})
@inject
async def list_sessions(request: Authed, access: FromDishka[AccessQueries], rules: FromDishka[SessionRules]) -> shapes.Sessions:
    """Every browser that is signed in, the latest first."""
    current = session_of(request)
    return shapes.Sessions([_session(s, rules, s.id == current.id) for s in await access.sessions(request.auth.account_id)])


@delete(
    "/v1/sessions/{session_id:uuid}",
    status_code=204,
    operation_id="endSession",
    tags=["accounts"],
    opt={"access": Person.SESSION, "bounds": NO_BODY, "refusals": (404,)},
)
@inject
async def end_session(request: Authed, session_id: FromPath[UUID], end: FromDishka[EndSession]) -> None:
    """Sign one browser out."""
    await end(request.auth.account_id, SessionId(session_id))


@delete(
    "/v1/sessions",
    status_code=204,
    operation_id="endEverySession",
    tags=["accounts"],
    opt={"access": Person.SESSION, "bounds": NO_BODY},
)
@inject
async def end_every_session(request: Authed, end: FromDishka[EndEverySession]) -> Response[None]:
    """Sign out everywhere, here too."""
    await end(request.auth.account_id)
    return Response(None, cookies=[no_cookie(request, "session")])


def _session(session: Session, rules: SessionRules, current: bool) -> shapes.Session:
    return shapes.Session(session.id, session.provider, session.signed_in_at, session.seen_at, session.ends_at(rules), current)


def _me(account: Account, identities: Sequence[Identity]) -> shapes.Me:
    linked = [_identity(identity) for identity in identities]
    return shapes.Me(account.id, account.name, account.email, account.role, account.plan, account.created_at, linked)


def _identity(identity: Identity) -> shapes.Identity:
    return shapes.Identity(identity.id, identity.provider, identity.email, identity.linked_at)
