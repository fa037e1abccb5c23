"""The account's own page: credits, plan, what can be bought, what was paid. Plain HTML; the API can do all of it, too."""

from typing import Annotated, Any

from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, Response, get, post
from litestar.params import QueryParameter

from application.billing_queries import BillingQueries
from application.buying import CancelSubscription, ChangePlan, CheckOut, OpenPortal, ResumeSubscription
from application.payments import Page, PaymentDeclined
from application.promotions import RedeemPromotion
from application.providers import Providers
from application.queries import Queries
from domain.billing import ENDED, going_on
from domain.buying import foremost
from domain.catalogue import Catalogue
from domain.errors import InvalidRequest, Unauthenticated
from entrypoints.http.auth import PUBLIC, Authed, Person
from entrypoints.http.bounds import NO_BODY, SMALL_BODY
from entrypoints.http.pages import AS_PAGES, HOME, form, led_to, money, page

SIGN_IN = "/sign-in"
SHOWN = 20
"""The latest purchases; the API has all."""


def _to_sign_in(request: Request[Any, Any, Any], error: Unauthenticated) -> Response[bytes]:
    return led_to(SIGN_IN)


_HANDLERS = {**AS_PAGES, Unauthenticated: _to_sign_in}


@get(
    "/",
    status_code=303,
    include_in_schema=False,
    opt={"access": PUBLIC, "bounds": NO_BODY, "any_query": True},
    sync_to_thread=False,
)
def show_home() -> Response[bytes]:
    """Whoever opens the printed address in a browser."""
    return led_to(HOME)


@get(SIGN_IN, include_in_schema=False, opt={"access": PUBLIC, "bounds": NO_BODY}, exception_handlers=AS_PAGES)
@inject
async def show_sign_in(providers: FromDishka[Providers]) -> Response[bytes]:
    return page("sign_in", providers=providers.names, home=HOME)


@get(HOME, include_in_schema=False, opt={"access": Person.SESSION, "bounds": NO_BODY}, exception_handlers=_HANDLERS)
@inject
async def show_account(
    request: Authed,
    queries: FromDishka[Queries],
    billing: FromDishka[BillingQueries],
    catalogue: FromDishka[Catalogue],
    paid: Annotated[bool, QueryParameter()] = False,
) -> Response[bytes]:
    """`paid`: somebody comes back from a checkout, mostly after the credits have come."""
    return await _account(request, queries, billing, catalogue, _PAID if paid else "")


@post(
    HOME,
    status_code=303,
    include_in_schema=False,
    opt={"access": Person.SESSION, "bounds": SMALL_BODY, "raw": True},
    exception_handlers=_HANDLERS,
)
@inject
async def answer_account(
    request: Authed,
    queries: FromDishka[Queries],
    billing: FromDishka[BillingQueries],
    catalogue: FromDishka[Catalogue],
    check_out: FromDishka[CheckOut],
    portal: FromDishka[OpenPortal],
    change: FromDishka[ChangePlan],
    cancel: FromDishka[CancelSubscription],
    resume: FromDishka[ResumeSubscription],
    redeem: FromDishka[RedeemPromotion],
) -> Response[bytes]:
    """One button a form: what was chosen is done, and the page is shown again, or the provider's."""
    who = request.auth.account_id
    try:
        match await _button(request):
            case ("pack" | "plan") as kind, product:
                plan, pack = (product, None) if kind == "plan" else (None, product)
                return _leaving(await check_out(who, plan, pack, f"{HOME}?paid=true", HOME))
            case "portal", _:
                return _leaving(await portal(who, HOME))
            case "change", plan:
                await change(who, plan)
            case "cancel", _:
                await cancel(who)
            case "resume", _:
                await resume(who)
            case "code", code:
                await redeem(request.auth, code)
            case _:
                raise InvalidRequest("there is no such button")
    except PaymentDeclined as declined:
        return await _account(request, queries, billing, catalogue, _DECLINED, declined.pay_url, status=402)
    return led_to(HOME)


PAGES = (show_home, show_sign_in, show_account, answer_account)
_PAID = "Thank you. The credits come as soon as the payment is confirmed."
_DECLINED = "The bank has declined. Nothing was changed, and nothing is owed."


async def _account(
    request: Authed,
    queries: Queries,
    billing: BillingQueries,
    catalogue: Catalogue,
    note: str = "",
    pay_url: str | None = None,
    status: int = 200,
) -> Response[bytes]:
    caller = request.auth
    standing = await billing.standing(caller.account_id)
    known = foremost(standing.subscriptions, catalogue)
    return page(
        "account",
        status,
        account=await queries.account(caller.account_id),
        plan=catalogue.plan(standing.plan),
        credits=await queries.credits(caller.wallet_id),
        subscription=known if known and known.state not in ENDED else None,
        renewing=len(going_on(standing.subscriptions)),
        transactions=await billing.transactions(caller.wallet_id, None, SHOWN),
        packs=[pack for pack in catalogue.packs.values() if pack.sold],
        has_promotions=bool(catalogue.promotions),
        plans=[plan for plan in catalogue.plans.values() if plan.sold and plan.price],
        named=catalogue.plan,
        money=money,
        note=note,
        pay_url=pay_url,
    )


async def _button(request: Authed) -> tuple[str, str]:
    said = [*(await form(request, 1)).items()]
    if not said:
        raise InvalidRequest("a form of this page has one button")
    return said[0]


def _leaving(there: Page) -> Response[bytes]:
    """To a page of the provider's. By a page of ours: no form of ours may be sent on elsewhere, not even by us."""
    return page("leaving", url=there.url)
