"""The life of a subscription as its holder reads it over HTTP: in each state, what is shown, and which plan counts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.postgres.store import PostgresStore
from application.billing import ConvergePurchase, ConvergeSubscription
from application.store import Store
from domain.accounts import Mode
from domain.billing import CustomerId, SubscriptionId, SubscriptionState
from domain.entitlements import GRACE
from tests.contract.store_contract import now
from tests.http_house import House, check_problem
from tests.offer import CATALOGUE
from tests.payments_truth import PERIOD, Truth
from tests.people import Resident, resident
from tests.world import new_id

PAY = "https://pay.example/in_1"
DAY = timedelta(days=1)
NOTHING: dict[str, object] = {
    "plan": None,
    "state": None,
    "current_period_end": None,
    "cancel_at": None,
    "payment_needed": False,
    "pay_url": None,
}
NOTHING |= {"others": 0}


@dataclass(frozen=True, slots=True)
class Case:
    """`told`: what the provider says besides; `since`: how long ago the period began. `served` until so long after its begin."""

    told: dict[str, Any]
    served: str
    until: timedelta | None = None
    needed: bool = False
    since: timedelta = DAY
    cancels: bool = False
    before: tuple[dict[str, Any], ...] = ()
    """What it said earlier, one after the other."""


def told(state: SubscriptionState, **more: Any) -> dict[str, Any]:
    return {"state": state, "plan": "pro", "pay_url": None, **more}


S = SubscriptionState
ACTIVE = told(S.ACTIVE)
CASES = {
    "incomplete, and its payer has to confirm": Case(told(S.INCOMPLETE, pay_url=PAY), "free", needed=True),
    "incomplete, and a bank decides": Case(told(S.INCOMPLETE), "free"),
    "incomplete until it expired": Case(told(S.INCOMPLETE_EXPIRED), "free", before=(told(S.INCOMPLETE, pay_url=PAY),)),
    "on trial": Case(told(S.TRIALING), "pro"),
    "active": Case(ACTIVE, "pro"),
    "active after its first payment was confirmed": Case(ACTIVE, "pro", before=(told(S.INCOMPLETE, pay_url=PAY),)),
    "past due, in its grace": Case(told(S.PAST_DUE, pay_url=PAY), "pro", GRACE, needed=True, before=(ACTIVE,)),
    "past due, and the renewal has to be confirmed": Case(told(S.PAST_DUE, pay_url=PAY), "pro", GRACE, needed=True),
    "past due, after its grace": Case(told(S.PAST_DUE, pay_url=PAY), "free", needed=True, since=GRACE + DAY),
    "paid after all": Case(ACTIVE, "pro", before=(told(S.PAST_DUE, pay_url=PAY),)),
    "unpaid": Case(told(S.UNPAID, pay_url=PAY), "free", needed=True, before=(told(S.PAST_DUE, pay_url=PAY),)),
    "paused": Case(told(S.PAUSED), "free", needed=True, before=(told(S.TRIALING),)),
    "cancelled at the end of its period": Case(ACTIVE, "pro", PERIOD, cancels=True),
    "resumed": Case(ACTIVE, "pro", before=({"cancels": True},)),
    "canceled": Case(told(S.CANCELED), "free", before=(ACTIVE,)),
    "lowered from the next period on": Case(ACTIVE | {"plan": "starter"}, "pro", PERIOD, before=(ACTIVE,)),
    "collection paused, in a period that was paid": Case(ACTIVE | {"collects": False}, "pro", PERIOD, before=(ACTIVE,)),
}


@dataclass(slots=True)
class Holder:
    who: Resident
    served: House
    truth: Truth
    payer: CustomerId

    def subscription(self) -> Any:
        answer = self.who.http.get("/v1/billing/subscription")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def plan(self) -> str:
        return str(self.who.http.get("/v1/me").json()["plan"])

    def is_told(self, id: SubscriptionId, begins: datetime, said: dict[str, Any]) -> None:
        ends = begins + PERIOD
        times = {"period_start": begins, "period_end": ends, "cancel_at": ends if said.get("cancels") else None}
        words = {name: value for name, value in said.items() if name != "cancels"}
        self.truth.change_subscription(id, **{**ACTIVE, "collects": True, **words, **times})

        async def converge() -> None:
            store = await self.served.service.parts.get(Store)
            await ConvergeSubscription(store, self.truth, CATALOGUE)(id)

        self.served.portal.call(converge)


@pytest.fixture
def holder(served: House) -> Iterator[Holder]:
    with holding(served) as made:
        yield made


@contextmanager
def holding(served: House) -> Iterator[Holder]:
    async def clock() -> datetime:
        return await now(await served.service.parts.get(PostgresStore))

    with resident(str(served.client.base_url)) as who:
        truth = Truth(served.portal.call(clock).replace(microsecond=0), named=new_id().hex)
        yield Holder(who, served, truth, truth.customer(who.account))


def test_who_has_none_reads_that(holder: Holder) -> None:
    assert holder.subscription() == NOTHING | {"entitled_plan": "free", "entitled_until": None}
    assert holder.plan() == "free"


@pytest.mark.parametrize("name", CASES)
def test_what_is_shown_in_each_state_and_which_plan_counts(holder: Holder, name: str) -> None:
    case = CASES[name]
    begins = holder.truth.now - case.since
    id = holder.truth.subscribe(holder.payer, "pro")
    for said in (*case.before, case.told | {"cancels": case.cancels}):
        holder.is_told(id, begins, said)
    ends = begins + PERIOD
    assert holder.subscription() == {
        "plan": case.told["plan"],
        "state": case.told["state"],
        "current_period_end": written(ends),
        "cancel_at": written(ends) if case.cancels else None,
        "payment_needed": case.needed,
        "pay_url": case.told["pay_url"],
        "entitled_plan": case.served,
        "entitled_until": written(begins + case.until) if case.until else None,
        "others": 0,
    }
    assert holder.plan() == case.served
    seen = holder.served.client.get("/v1/billing/subscription", headers=holder.who.bearer(Mode.TEST)).json()
    assert seen == NOTHING | {"entitled_plan": case.served, "entitled_until": None}, "subscriptions are live"


def test_what_was_paid_is_listed_page_by_page_with_its_credits_and_receipts(holder: Holder) -> None:
    truth = holder.truth
    refs = [truth.sell(holder.payer, (product, price), receipt_url=PAY) for product, price in (("small", 500), ("starter", 900))]
    refs.append(truth.sell(holder.payer, ("medium", 2_000)))
    truth.purchases[refs[0]] = replace(truth.purchases[refs[0]], at=truth.now - DAY)
    truth.give_back(refs[1], 450)

    async def converge() -> None:
        store = await holder.served.service.parts.get(Store)
        for ref in refs:
            await ConvergePurchase(store, truth, CATALOGUE)(ref)

    holder.served.portal.call(converge)
    whole = holder.who.http.get("/v1/billing/transactions").json()
    assert whole["next"] is None
    assert {(row["paid"], row["reversed"], row["credits_granted"], row["credits_reversed"]) for row in whole["data"]} == {
        (500, 0, 400, 0),
        (900, 450, 750, 375),
        (2_000, 0, 1_800, 0),
    }
    oldest = whole["data"][-1]
    assert (oldest["kind"], oldest["state"], oldest["currency"]) == ("invoice", "paid", "usd")
    assert (oldest["at"], oldest["receipt_url"]) == (written(truth.now - DAY), PAY)
    pages, after = list[Any](), dict[str, str]()
    for _ in range(3):
        page = holder.who.http.get("/v1/billing/transactions", params={"limit": "1", **after}).json()
        pages += page["data"]
        after = {"after": str(page["next"])}
    assert (pages, page["next"]) == (whole["data"], None)
    with holding(holder.served) as other:
        assert other.who.http.get("/v1/billing/transactions").json() == {"data": [], "next": None}
        stolen = holder.who.http.get("/v1/billing/transactions", params={"limit": "1"}).json()["next"]
        check_problem(
            other.who.http.get("/v1/billing/transactions", params={"after": stolen}), 400, "invalid-cursor", field="after"
        )


def written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def test_a_customer_buys_changes_cancels_and_resumes(served: House, holder: Holder) -> None:
    """All of it over HTTP, with the sandbox's page."""
    http = holder.who.http

    def post(path: str, **body: Any) -> Any:
        answer = http.post(f"/v1/billing/{path}", json=body) if body else http.post(f"/v1/billing/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    plans = served.client.get("/v1/plans").json()
    assert ([each["id"] for each in plans["plans"]], plans["default_plan"]) == (["free", "starter", "pro", "studio"], "free")
    assert plans["packs"][0] == {"id": "small", "name": "400 credits", "price": 500, "currency": "usd", "credits": 400}
    check_problem(http.post("/v1/billing/portal", json={}), 409, "nothing-bought", allowed=["checkout"])
    seen = holder.who.subscribes("starter")
    assert (seen["state"], seen["plan"], seen["entitled_plan"]) == ("active", "starter", "starter")
    check_problem(http.post("/v1/billing/checkout", json={"plan": "pro"}), 409, "subscription-exists", allowed=["change"])
    assert post("subscription/change", plan="pro")["plan"] == "pro"
    paid = {row["paid"] for row in http.get("/v1/billing/transactions").json()["data"]}
    assert paid == {2_900, 900}, "in the same second, perhaps: in any order"
    assert http.get("/v1/credits").json()["available"] >= 3_350
    cancelled = post("subscription/cancel")
    assert cancelled["cancel_at"] == cancelled["current_period_end"] == cancelled["entitled_until"]
    assert post("subscription/resume")["cancel_at"] is None
    assert "/sandbox/payments/portal/" in post("portal", return_url="/account")["url"]
    check_problem(http.post("/v1/billing/subscription/resume"), 409, "already-so", plan="pro")
    foreign = {"pack": "small", "cancel_url": "//evil.example"}
    check_problem(http.post("/v1/billing/checkout", json=foreign), 400, "foreign-address", field="cancel_url")
