"""API keys, as their owner makes them and takes them back. A key can make none."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from dishka.integrations.litestar import FromDishka, inject
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from application.access import AccessQueries
from application.api_keys import MakeKey, RevokeKey
from domain.accounts import KeyId
from domain.api_keys import ApiKey
from domain.errors import InvalidRequest
from entrypoints.http import account_shapes as shapes
from entrypoints.http.auth import Authed, Person
from entrypoints.http.bodies import StrictJSON
from entrypoints.http.bounds import NO_BODY, SMALL_BODY
from entrypoints.http.parameters import Idempotency, canonical, once, word

ROUTE = "POST /v1/api-keys"


@get("/v1/api-keys", operation_id="listApiKeys", tags=["accounts"], opt={"access": Person.FRESH, "bounds": NO_BODY})
@inject
async def list_keys(request: Authed, access: FromDishka[AccessQueries]) -> shapes.Keys:
    """The newest first, without those that were revoked."""
    return shapes.Keys([shapes.Key(**_said(key)) for key in await access.keys(request.auth.account_id)])


@post(
    "/v1/api-keys",
    status_code=201,
    dto=StrictJSON[shapes.KeyBody],
    return_dto=None,
    operation_id="makeApiKey",
    tags=["accounts"],
    opt={"access": Person.FRESH, "bounds": SMALL_BODY, "refusals": (409, 422)},
)
@inject
async def make_key(
    request: Authed, data: JSONBody[shapes.KeyBody], make: FromDishka[MakeKey], key: Idempotency = None
) -> shapes.NewKey:
    """Make a key. Its secret is in this answer and nowhere else; the same `Idempotency-Key` again is refused with its id."""
    if len(set(data.scopes)) < len(data.scopes):
        raise InvalidRequest("a scope is named twice", field="scopes")
    caller, name = request.auth, word("name", data.name)
    again = once(caller, ROUTE, key, canonical(data))
    made, secret = await make(caller.account_id, data.mode, frozenset(data.scopes), name, data.spend_cap, again)
    return shapes.NewKey(**_said(made), secret=secret)


@delete(
    "/v1/api-keys/{key_id:uuid}",
    status_code=204,
    operation_id="revokeApiKey",
    tags=["accounts"],
    opt={"access": Person.FRESH, "bounds": NO_BODY, "refusals": (404,)},
)
@inject
async def revoke_key(request: Authed, key_id: FromPath[UUID], revoke: FromDishka[RevokeKey]) -> None:
    """From now on it opens nothing; within a second at every process."""
    await revoke(request.auth.account_id, KeyId(key_id))


def _said(key: ApiKey) -> dict[str, Any]:
    said = asdict(key)
    return {name: said[name] for name in shapes.Key.__struct_fields__} | {"scopes": sorted(key.scopes)}
