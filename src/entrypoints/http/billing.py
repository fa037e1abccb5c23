"""Money over HTTP: what is for sale, the way to the provider's pages, the subscription, and what was paid."""

from dataclasses import asdict
from datetime import datetime

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import get, post
from litestar.params import JSONBody

from application.billing_queries import BillingQueries
from application.buying import CancelSubscription, ChangePlan, CheckOut, OpenPortal, ResumeSubscription
from application.ports import CursorSigner
from domain.accounts import Caller, Mode, Scope
from domain.billing import ENDED, KnownSubscription, going_on
from domain.buying import foremost
from domain.catalogue import Catalogue
from entrypoints.http import billing_shapes as shapes
from entrypoints.http.auth import PUBLIC, Authed, Person
from entrypoints.http.bodies import StrictJSON
from entrypoints.http.bounds import NO_BODY, SMALL_BODY
from entrypoints.http.cursors import Cursors
from entrypoints.http.parameters import PAGE, After, Idempotency, Limit, canonical, once

ROUTE = "POST /v1/billing/checkout"


@get("/v1/plans", operation_id="listPlans", tags=["billing"], opt={"access": PUBLIC, "bounds": NO_BODY})
@inject
async def list_plans(catalogue: FromDishka[Catalogue]) -> shapes.Plans:
    """Plans and packs that can be had now."""
    return shapes.Plans(
        [msgspec.convert(plan, shapes.Plan, from_attributes=True) for plan in catalogue.plans.values() if plan.sold],
        [msgspec.convert(pack, shapes.Pack, from_attributes=True) for pack in catalogue.packs.values() if pack.sold],
        catalogue.default_plan,
    )


@post(
    "/v1/billing/checkout",
    status_code=200,
    dto=StrictJSON[shapes.CheckoutBody],
    return_dto=None,
    operation_id="checkOut",
    tags=["billing"],
    opt={"access": Person.SESSION, "bounds": SMALL_BODY, "refusals": (409, 422)},
)
@inject
async def check_out(
    request: Authed, data: JSONBody[shapes.CheckoutBody], check_out: FromDishka[CheckOut], key: Idempotency = None
) -> shapes.ProviderPage:
    """A page where a plan or a pack is paid. The credits come when the provider says so, mostly before the browser is back."""
    again = once(request.auth, ROUTE, key, canonical(data))
    wanted = (data.plan, data.pack, data.success_url, data.cancel_url)
    return shapes.ProviderPage((await check_out(request.auth.account_id, *wanted, key=again[0] if again else None)).url)


@post(
    "/v1/billing/portal",
    status_code=200,
    dto=StrictJSON[shapes.PortalBody],
    return_dto=None,
    operation_id="openPortal",
    tags=["billing"],
    opt={"access": Person.SESSION, "bounds": SMALL_BODY, "refusals": (409,)},
)
@inject
async def open_portal(request: Authed, data: JSONBody[shapes.PortalBody], portal: FromDishka[OpenPortal]) -> shapes.ProviderPage:
    """A page for cards, receipts and cancelling."""
    return shapes.ProviderPage((await portal(request.auth.account_id, data.return_url)).url)


@get(
    "/v1/billing/subscription",
    operation_id="getSubscription",
    tags=["billing"],
    opt={"access": Scope.BILLING, "bounds": NO_BODY},
)
@inject
async def show_subscription(
    request: Authed, queries: FromDishka[BillingQueries], catalogue: FromDishka[Catalogue]
) -> shapes.Subscription:
    """The subscription, and the plan that the account is served by. Subscriptions are live: in test mode there is none."""
    return await _subscription(request.auth, queries, catalogue)


@post(
    "/v1/billing/subscription/change",
    status_code=200,
    dto=StrictJSON[shapes.ChangeBody],
    return_dto=None,
    operation_id="changeSubscription",
    tags=["billing"],
    opt={"access": Person.SESSION, "bounds": SMALL_BODY, "refusals": (402, 409)},
)
@inject
async def change_subscription(
    request: Authed,
    data: JSONBody[shapes.ChangeBody],
    change: FromDishka[ChangePlan],
    queries: FromDishka[BillingQueries],
    catalogue: FromDishka[Catalogue],
) -> shapes.Subscription:
    """To a better plan: now, at its full price, and a period begins. To a lesser one: with the next period, at its price."""
    await change(request.auth.account_id, data.plan)
    return await _subscription(request.auth, queries, catalogue)


@post(
    "/v1/billing/subscription/cancel",
    status_code=200,
    operation_id="cancelSubscription",
    tags=["billing"],
    opt={"access": Person.SESSION, "bounds": NO_BODY, "refusals": (409,)},
)
@inject
async def cancel_subscription(
    request: Authed,
    cancel: FromDishka[CancelSubscription],
    queries: FromDishka[BillingQueries],
    catalogue: FromDishka[Catalogue],
) -> shapes.Subscription:
    """It ends with the period that was paid for; or at once, if a payment is due. Credits that were bought stay."""
    await cancel(request.auth.account_id)
    return await _subscription(request.auth, queries, catalogue)


@post(
    "/v1/billing/subscription/resume",
    status_code=200,
    operation_id="resumeSubscription",
    tags=["billing"],
    opt={"access": Person.SESSION, "bounds": NO_BODY, "refusals": (402, 409)},
)
@inject
async def resume_subscription(
    request: Authed,
    resume: FromDishka[ResumeSubscription],
    queries: FromDishka[BillingQueries],
    catalogue: FromDishka[Catalogue],
) -> shapes.Subscription:
    """Take a cancellation back while the period lasts."""
    await resume(request.auth.account_id)
    return await _subscription(request.auth, queries, catalogue)


@get(
    "/v1/billing/transactions",
    operation_id="listTransactions",
    tags=["billing"],
    opt={"access": Scope.BILLING, "bounds": NO_BODY},
)
@inject
async def list_transactions(
    request: Authed,
    queries: FromDishka[BillingQueries],
    signer: FromDishka[CursorSigner],
    limit: Limit = PAGE,
    after: After = None,
) -> shapes.Transactions:
    """What was paid, newest first, with its receipts. Money is live: in test mode there is none."""
    cursors = Cursors(signer, "transactions", request.auth, {})
    found = await queries.transactions(request.auth.wallet_id, cursors.position(after), limit + 1)
    page = found[:limit]
    return shapes.Transactions(
        [shapes.Transaction(**asdict(row)) for row in page],
        cursors.at((page[-1].at, page[-1].id)) if len(found) > limit else None,
    )


async def _subscription(caller: Caller, queries: BillingQueries, catalogue: Catalogue) -> shapes.Subscription:
    standing = await queries.standing(caller.account_id)
    known = foremost(standing.subscriptions, catalogue) if caller.mode is Mode.LIVE else None
    if not known:
        return shapes.Subscription(None, None, None, None, False, None, standing.plan, None, 0)
    return shapes.Subscription(
        known.plan,
        known.state,
        known.period_end,
        known.cancel_at,
        known.needs_payment,
        known.pay_url,
        standing.plan,
        _until(known),
        len([each for each in going_on(standing.subscriptions) if each != known]),
    )


def _until(known: KnownSubscription) -> datetime | None:
    """When its plan changes without anybody's doing."""
    ends = None if known.state in ENDED else known.cancel_at
    return min((at for at in (known.review_at, ends) if at), default=None)
