"""Webhook endpoints, as their owner makes, tries and removes them, and the log of what they were told."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from dishka.integrations.litestar import FromDishka, inject
from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody
from msgspec import UNSET

from application.ports import CursorSigner
from application.webhook_endpoints import AddEndpoint, ChangeEndpoint, Redeliver, RemoveEndpoint, RotateSecret, TryEndpoint
from application.webhooks import DeliveryRow, WebhookQueries
from domain.webhook_deliveries import Delivery
from domain.webhook_endpoints import WebhookEndpoint, WebhookEndpointId, WebhookEventId, WebhookEventKind
from entrypoints.http import webhook_shapes as shapes
from entrypoints.http.auth import Authed, Person
from entrypoints.http.bodies import StrictJSON
from entrypoints.http.bounds import NO_BODY, SMALL_BODY
from entrypoints.http.cursors import Cursors
from entrypoints.http.parameters import PAGE, After, Idempotency, Limit, canonical, once

PATH = "/v1/webhook-endpoints"
ONE = f"{PATH}/{{endpoint_id:uuid}}"


@get(PATH, operation_id="listWebhookEndpoints", tags=["webhooks"], opt={"access": Person.SESSION, "bounds": NO_BODY})
@inject
async def list_endpoints(request: Authed, webhooks: FromDishka[WebhookQueries]) -> shapes.Endpoints:
    """The oldest first, of both modes."""
    found = await webhooks.endpoints(request.auth.account_id)
    return shapes.Endpoints([shapes.Endpoint(**_said(each)) for each in found])


@post(
    PATH,
    status_code=201,
    dto=StrictJSON[shapes.EndpointBody],
    return_dto=None,
    operation_id="makeWebhookEndpoint",
    tags=["webhooks"],
    opt={"access": Person.SESSION, "bounds": SMALL_BODY, "refusals": (409, 422)},
)
@inject
async def make_endpoint(
    request: Authed, data: JSONBody[shapes.EndpointBody], add: FromDishka[AddEndpoint], key: Idempotency = None
) -> shapes.NewEndpoint:
    """Make an endpoint. Its secret is in this answer and nowhere else; the same `Idempotency-Key` is refused with its id."""
    again = once(request.auth, f"POST {PATH}", key, canonical(data))
    made, secret = await add(request.auth.account_id, data.mode, data.url, _kinds(data.events), again)
    return shapes.NewEndpoint(**_said(made), secret=secret)


@patch(
    ONE,
    dto=StrictJSON[shapes.EndpointChange],
    return_dto=None,
    operation_id="changeWebhookEndpoint",
    tags=["webhooks"],
    opt={"access": Person.SESSION, "bounds": SMALL_BODY, "refusals": (404,)},
)
@inject
async def change_endpoint(
    request: Authed, endpoint_id: FromPath[UUID], data: JSONBody[shapes.EndpointChange], change: FromDishka[ChangeEndpoint]
) -> shapes.Endpoint:
    """Another address, other events; disable it, whereupon all that waits for it has failed; or enable it again."""
    changed = await change(
        request.auth.account_id,
        WebhookEndpointId(endpoint_id),
        url=None if data.url is UNSET else data.url,
        events=None if data.events is UNSET else _kinds(data.events),
        enabled=None if data.enabled is UNSET else data.enabled,
    )
    return shapes.Endpoint(**_said(changed))


@delete(
    ONE,
    status_code=204,
    operation_id="removeWebhookEndpoint",
    tags=["webhooks"],
    opt={"access": Person.SESSION, "bounds": NO_BODY, "refusals": (404,)},
)
@inject
async def remove_endpoint(request: Authed, endpoint_id: FromPath[UUID], remove: FromDishka[RemoveEndpoint]) -> None:
    """With its log."""
    await remove(request.auth.account_id, WebhookEndpointId(endpoint_id))


@post(
    f"{ONE}/rotate",
    status_code=200,
    operation_id="rotateWebhookSecret",
    tags=["webhooks"],
    opt={"access": Person.SESSION, "bounds": NO_BODY, "refusals": (404,)},
)
@inject
async def rotate_secret(request: Authed, endpoint_id: FromPath[UUID], rotate: FromDishka[RotateSecret]) -> shapes.NewEndpoint:
    """Another secret, told once; the one before signs beside it for 24 hours. Whoever asks again within them, because the answer
    was lost, has that one replaced."""
    changed, secret = await rotate(request.auth.account_id, WebhookEndpointId(endpoint_id))
    return shapes.NewEndpoint(**_said(changed), secret=secret)


@post(
    f"{ONE}/test",
    status_code=202,
    operation_id="testWebhookEndpoint",
    tags=["webhooks"],
    opt={"access": Person.SESSION, "bounds": NO_BODY, "refusals": (404, 409)},
)
@inject
async def try_endpoint(request: Authed, endpoint_id: FromPath[UUID], attempt: FromDishka[TryEndpoint]) -> shapes.Delivery:
    """Tell it something of no meaning (`endpoint.test`); the log says how that went."""
    made = await attempt(request.auth.account_id, WebhookEndpointId(endpoint_id))
    return shapes.Delivery(**_told(made))


@get(
    f"{ONE}/deliveries",
    operation_id="listWebhookDeliveries",
    tags=["webhooks"],
    opt={"access": Person.SESSION, "bounds": NO_BODY, "refusals": (404,)},
)
@inject
async def list_deliveries(
    request: Authed,
    endpoint_id: FromPath[UUID],
    webhooks: FromDishka[WebhookQueries],
    signer: FromDishka[CursorSigner],
    limit: Limit = PAGE,
    after: After = None,
) -> shapes.Deliveries:
    """What it was told in the last 30 days, the newest first, with every try."""
    cursors = Cursors(signer, "webhook deliveries", request.auth, {"endpoint": str(endpoint_id)})
    found = await webhooks.deliveries(request.auth.account_id, WebhookEndpointId(endpoint_id), cursors.position(after), limit + 1)
    page = found[:limit]
    last = page[-1].delivery if len(found) > limit else None
    return shapes.Deliveries([_logged(row) for row in page], cursors.at((last.at, last.id)) if last else None)


@post(
    f"{ONE}/deliveries/{{delivery_id:uuid}}/redeliver",
    status_code=202,
    operation_id="redeliverWebhook",
    tags=["webhooks"],
    opt={"access": Person.SESSION, "bounds": NO_BODY, "refusals": (404, 409)},
)
@inject
async def redeliver(
    request: Authed, endpoint_id: FromPath[UUID], delivery_id: FromPath[UUID], again: FromDishka[Redeliver]
) -> shapes.Delivery:
    """The same message once more, with the same `webhook-id`, by the whole schedule if need be."""
    told = await again(request.auth.account_id, WebhookEndpointId(endpoint_id), WebhookEventId(delivery_id))
    return shapes.Delivery(**_told(told))


def _kinds(events: list[shapes.Chosen]) -> list[WebhookEventKind]:
    return [WebhookEventKind(event) for event in events]


def _said(endpoint: WebhookEndpoint) -> dict[str, Any]:
    said = asdict(endpoint) | {"enabled": endpoint.disabled_at is None, "events": [str(kind) for kind in endpoint.events]}
    return {name: said[name] for name in shapes.Endpoint.__struct_fields__}


def _told(delivery: Delivery) -> dict[str, Any]:
    said = {"type": delivery.kind, "about": delivery.subject, "next_try_at": delivery.resume_at}
    return {name: said.get(name) or getattr(delivery, name, None) for name in shapes.Delivery.__struct_fields__}


def _logged(row: DeliveryRow) -> shapes.LoggedDelivery:
    return shapes.LoggedDelivery(**_told(row.delivery), tries=[shapes.Try(**asdict(made)) for made in row.log])
