"""Quotes over HTTP: what a request would cost."""

from dishka.integrations.litestar import FromDishka, inject
from litestar import post
from litestar.params import JSONBody

from application.generations import QuoteRequest
from domain.accounts import Scope
from entrypoints.http import shapes
from entrypoints.http.auth import Authed
from entrypoints.http.bodies import StrictJSON
from entrypoints.http.generations import asked


@post(
    "/v1/quotes",
    status_code=200,
    dto=StrictJSON[shapes.PictureBody],
    return_dto=None,
    operation_id="quote",
    tags=["generations"],
    opt={"access": Scope.GENERATE, "refusals": (404,)},
)
@inject
async def quote(request: Authed, data: JSONBody[shapes.PictureBody], price: FromDishka[QuoteRequest]) -> shapes.Quote:
    """What these pictures would cost. Nothing is held. To refuse a higher price later, ask with `max_credits`."""
    quoted = await price(request.auth, asked(data))
    return shapes.Quote(quoted.credits, quoted.unit, dict(quoted.breakdown))
