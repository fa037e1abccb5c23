"""Quotes over HTTP: what a request would cost."""

from dishka.integrations.litestar import FromDishka, inject
from litestar import Response, post
from litestar.params import JSONBody

from application.generations import QuoteRequest
from application.ports import Today
from domain.accounts import Scope
from domain.catalogue import Catalogue
from entrypoints.http import shapes, sunset
from entrypoints.http.asking import asked
from entrypoints.http.auth import Authed
from entrypoints.http.bodies import StrictJSON
from entrypoints.http.bounds import PICTURE_BODY


@post(
    "/v1/quotes",
    status_code=200,
    dto=StrictJSON[shapes.PictureBody],
    return_dto=None,
    operation_id="quote",
    tags=["generations"],
    opt={"access": Scope.GENERATE, "bounds": PICTURE_BODY, "refusals": (404,)},
    response_headers=sunset.HEADERS,
)
@inject
async def quote(
    request: Authed,
    data: JSONBody[shapes.PictureBody],
    price: FromDishka[QuoteRequest],
    catalogue: FromDishka[Catalogue],
    today: FromDishka[Today],
) -> Response[shapes.Quote]:
    """What these pictures would cost. Nothing is held. To refuse a higher price later, ask with `max_credits`."""
    quoted = await price(request.auth, asked(data))
    headers = sunset.headers(catalogue, data.model or catalogue.default_model_id, today())
    return Response(shapes.Quote(quoted.credits, quoted.unit, dict(quoted.breakdown)), headers=headers)
