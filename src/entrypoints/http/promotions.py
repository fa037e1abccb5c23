"""Promotion codes."""

from typing import Annotated

from dishka.integrations.litestar import FromDishka, inject
from litestar import post
from litestar.params import JSONBody
from msgspec import Meta, Struct

from application.promotions import RedeemPromotion
from domain.limits import LIMITS
from entrypoints.http.auth import Authed, Person
from entrypoints.http.bodies import StrictJSON
from entrypoints.http.bounds import SMALL_BODY
from entrypoints.http.shapes import Time


class PromotionBody(Struct, frozen=True, forbid_unknown_fields=True):
    """`code`: in capital or small letters."""

    code: Annotated[str, Meta(min_length=1, max_length=LIMITS["name_characters"])]


class Redemption(Struct, frozen=True):
    """`credits` were granted; what is left of them lapses at `expires_at`."""

    promotion: str
    credits: int
    expires_at: Time


@post(
    "/v1/billing/promotion",
    status_code=200,
    dto=StrictJSON[PromotionBody],
    return_dto=None,
    operation_id="redeemPromotion",
    tags=["billing"],
    opt={"access": Person.SESSION, "bounds": SMALL_BODY, "refusals": (409,)},
)
@inject
async def redeem(request: Authed, data: JSONBody[PromotionBody], promotion: FromDishka[RedeemPromotion]) -> Redemption:
    """Redeem a code, once per person. Asked again, the account is answered what it got the first time."""
    redeemed = await promotion(request.auth, data.code)
    return Redemption(redeemed.promotion, redeemed.credits, redeemed.expires_at)
