"""Top-ups over HTTP: a pack that is bought by itself when credits run low, and when to be written to."""

from typing import Annotated

from dishka.integrations.litestar import FromDishka, inject
from litestar import get, put
from litestar.params import JSONBody
from msgspec import Meta, Struct

from application.top_up import ChangeTopUp, ShowTopUp, TopUpNow
from domain.catalogue import Catalogue
from domain.top_up import MOST_BELOW, MOST_CAP, NOTIFY_BELOW, TopUp, TopUpAttempt
from entrypoints.http.auth import Authed, Person
from entrypoints.http.bodies import StrictJSON
from entrypoints.http.bounds import NO_BODY, SMALL_BODY
from entrypoints.http.shapes import Time

Credits = Annotated[int, Meta(ge=0, le=MOST_BELOW)]


class TopUpBody(Struct, frozen=True, forbid_unknown_fields=True):
    """`pack`: bought when fewer than `below` credits are available. `monthly_cap`: in cents before tax, for a calendar month in
    UTC. `notify_below`: a mail is sent when fewer are available; 0: none."""

    enabled: bool
    pack: Annotated[str, Meta(max_length=32)] | None = None
    below: Credits = 0
    monthly_cap: Annotated[int, Meta(ge=0, le=MOST_CAP)] = 0
    notify_below: Credits = NOTIFY_BELOW


class LastTopUp(Struct, frozen=True):
    """`state`: pending, paid, declined (`code` says why), or given_up, for which nothing was paid; with a
    `code` it was refused by the provider for a fault of ours, and is tried anew within an hour."""

    pack: str
    price: int
    created_at: Time
    state: str
    ended_at: Time | None
    code: str | None


class TopUpShown(Struct, frozen=True):
    """Amounts are in cents of `currency`, before tax. `spent`: what this month bears of the cap. `declined`: why it was switched
    off: a payment's refusal, in the provider's words, or money_went_back, after a refund or a dispute of anything bought."""

    enabled: bool
    pack: str | None
    below: int
    monthly_cap: int
    notify_below: int
    currency: str
    spent: int
    declined: str | None
    last: LastTopUp | None


@get("/v1/billing/top-up", operation_id="getTopUp", tags=["billing"], opt={"access": Person.SESSION, "bounds": NO_BODY})
@inject
async def show_top_up(request: Authed, show: FromDishka[ShowTopUp], catalogue: FromDishka[Catalogue]) -> TopUpShown:
    """Whether a pack is bought by itself, what that cost this month, and how the last one ended."""
    return _shown(await show(request.auth.account_id), catalogue)


@put(
    "/v1/billing/top-up",
    dto=StrictJSON[TopUpBody],
    return_dto=None,
    operation_id="setTopUp",
    tags=["billing"],
    opt={"access": Person.SESSION, "bounds": SMALL_BODY, "refusals": (409,)},
)
@inject
async def set_top_up(
    request: Authed, data: JSONBody[TopUpBody], change: FromDishka[ChangeTopUp], catalogue: FromDishka[Catalogue]
) -> TopUpShown:
    """Say anew when a pack is bought by itself. It is paid with the card on file, so something was bought before."""
    said = TopUp(request.auth.account_id, data.enabled, data.pack, data.below, data.monthly_cap, data.notify_below)
    return _shown(await change(said), catalogue)


def _shown(now: TopUpNow, catalogue: Catalogue) -> TopUpShown:
    said, currency = now.said, catalogue.plans[catalogue.default_plan].currency
    last = _last(now.last) if now.last else None
    settings = (said.enabled, said.pack, said.below, said.monthly_cap, said.notify_below)
    return TopUpShown(*settings, currency, now.spent, said.declined, last)


def _last(attempt: TopUpAttempt) -> LastTopUp:
    state = attempt.outcome or "pending"
    return LastTopUp(attempt.pack, attempt.price, attempt.at, state, attempt.ended_at, attempt.code)
