"""What the payment provider tells us: taken at once if it signed it, followed in the background."""

from typing import Any

from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, Response, post

from application.hints import HearWebhook
from application.payments import HintRefused
from domain.errors import InvalidRequest
from entrypoints.http.auth import PUBLIC
from entrypoints.http.bounds import WEBHOOK_BODY
from entrypoints.wiring_payments import WEBHOOK


@post(
    WEBHOOK,
    status_code=200,
    include_in_schema=False,
    opt={"access": PUBLIC, "bounds": WEBHOOK_BODY, "any_query": True, "free": True, "raw": True},
)
@inject
async def hear_stripe(request: Request[Any, Any, Any], hear: FromDishka[HearWebhook]) -> Response[bytes]:
    """Nobody but the provider has business here, so why it is refused is not told."""
    signatures = request.headers.getall("stripe-signature", [])
    try:
        await hear(await request.body(), signatures[0] if len(signatures) == 1 else None)
    except HintRefused:
        raise InvalidRequest("the body is not signed as it must be") from None
    return Response(b"")
