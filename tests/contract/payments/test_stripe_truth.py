"""Each timeline of the pretended Stripe comes to the money it says by hand, read by the port and found by hints alone."""

from collections import defaultdict
from datetime import UTC, datetime

import pytest

from adapters.payments.stripe_payments import StripePayments
from domain.billing import Hint, Purchase, PurchaseKind, PurchaseRef, SubscriptionId
from tests import stripe_stage
from tests.payments_house import StripeHouse, hints
from tests.stripe_process import StripeProcess
from tests.stripe_timelines import TIMELINES
from tests.stripe_truth import in_order

pytestmark = pytest.mark.anyio
BEGINNING = datetime.fromtimestamp(0, UTC)


def as_said(purchases: list[Purchase]) -> list[stripe_stage.Purchase]:
    """In the words of the timelines."""
    return in_order(
        tuple(
            stripe_stage.Purchase(
                tuple((str(line.product), line.net) for line in each.lines),
                each.paid,
                each.reversed_money,
            )
            for each in purchases
        )
    )


@pytest.mark.parametrize("name", sorted(TIMELINES))
async def test_a_timeline_comes_to_its_money_whichever_way_it_is_read_and_every_kind_of_hint_leads_there(
    stripe: StripeProcess, payments: StripePayments, name: str
) -> None:
    stripe.do("play", name=name)
    said = in_order(TIMELINES[name].purchases)
    paid = [each async for each in payments.paid(BEGINNING)]
    assert as_said(paid) == said
    assert [await payments.purchase(each.ref) for each in paid] == paid
    assert all(each.is_settled and each.currency == "usd" for each in paid)
    by_kind, subscriptions = defaultdict[str, set[PurchaseRef]](set), defaultdict[str, set[SubscriptionId]](set)
    for kind, id in {(hint.object_kind, hint.object_id) for hint in await hints(StripeHouse(payments, stripe))}:
        touched = await payments.touched(Hint("evt_1", "x", BEGINNING, kind, id))
        by_kind[kind] |= set(touched.purchases)
        subscriptions[kind] |= set(touched.subscriptions)
    found = [await payments.purchase(ref) for ref in set[PurchaseRef]().union(*by_kind.values())]
    settled = [each for each in found if each and each.is_settled]
    assert sorted(settled, key=_order) == sorted(paid, key=_order), "hints alone lead to every purchase"
    for each in paid:
        if each.refunded:
            assert each.ref in by_kind["refund"]
        if each.withdrawn or each.has_open_dispute:
            assert each.ref in by_kind["dispute"]
        if each.paid and name != "renewal paid out of band":
            assert each.ref in by_kind["charge"] & by_kind["payment_intent"]
            assert each.ref.kind is PurchaseKind.CHECKOUT or each.ref in by_kind["invoice_payment"]
        assert each.ref in by_kind["invoice" if each.ref.kind is PurchaseKind.INVOICE else "checkout.session"]
        if each.subscription:
            assert all(each.subscription in subscriptions[kind] for kind in ("invoice", "subscription"))
    made = {event["data"]["object"]["id"] for event in stripe.events("customer.subscription.created")}
    assert subscriptions["subscription"] == made
    assert subscriptions["checkout.session"] | subscriptions["customer"] <= made


def _order(one: Purchase) -> str:
    return str(one.ref)
