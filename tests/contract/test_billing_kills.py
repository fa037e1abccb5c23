"""Webhooks to real processes: one told by many at once, and kill -9 of whoever hears or follows them, at points that matter.

All points are `make soak SUITE=billing-kills`.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from adapters.payments.stripe_payments import StripePayments
from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.pool import open_pool
from adapters.postgres.store import PostgresStore
from application.billing import ConvergePurchase, ConvergeSubscription
from application.hints import HandleHints
from tests.clusters import new_database
from tests.kill_billing import SCENARIOS, BillingLane, billing_lane, deliver, kill_api, kill_worker
from tests.payments_house import SECRET
from tests.processes import forks
from tests.stripe_process import KEY, stripe_process
from tests.timeline_ledgers import CATALOGUE

pytestmark = pytest.mark.anyio
SCENARIO = SCENARIOS[0]


@pytest.fixture(scope="module")
async def lane(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BillingLane]:
    folder = tmp_path_factory.mktemp("billing-kills")
    with stripe_process("K") as stripe:
        async with billing_lane(forks(), new_database(postgres), folder, stripe) as ready:
            yield ready
        assert not stripe.complaints()


async def test_told_by_sixty_four_at_once_under_several_ids_and_of_several_objects_it_is_granted_once(lane: BillingLane) -> None:
    """One invoice, while workers follow: its event 64 times, the same under eight other ids, and its checkout eight times."""
    caller, told = await lane.play("first subscription")
    by_type: Mapping[str, Mapping[str, Any]] = {event["type"]: event for event in told}
    paid, checkout = by_type["invoice.paid"], by_type["checkout.session.completed"]
    events = [*[paid] * 64, *[dict(paid) | {"id": f"{paid['id']}again{n}"} for n in range(8)], *[checkout] * 8]
    async with open_pool(lane.url, size=12) as pool, StripePayments.opened(KEY, [SECRET], base_url=lane.stripe.url) as payments:
        uses = (PostgresStore(pool), payments, CATALOGUE)
        handle = HandleHints(uses[0], payments, ConvergePurchase(*uses), ConvergeSubscription(*uses))
        telling = [asyncio.create_task(deliver(lane.listener, [event])) for event in events]
        while lane.open_hints() or not all(task.done() for task in telling):
            ends = await asyncio.gather(*(handle() for _ in range(6)))
            assert not any(each["put_off"] for each in ends)
    await asyncio.gather(*telling)
    ledger = await lane.ledger(caller)
    ledger.check("first subscription")
    assert ledger.accounts["issued:subscription"] == -750, "one line, once"
    assert lane.connection.execute("SELECT count(*) FROM payment_hints").fetchone() == (10,)


@pytest.mark.parametrize("point", ["Store.commit#2:before", "Store.commit#2:after"])
async def test_an_api_killed_in_a_webhook_is_told_again_and_the_ledger_is_the_same(lane: BillingLane, point: str) -> None:
    assert (await kill_api(lane, SCENARIO, point)).died


@pytest.mark.parametrize(
    "point",
    ["HandleHints/Store.commit#1:after", "HandleHints/Purchases.lock#1:after", "Payments.purchase#1:after"],
)
async def test_a_worker_killed_while_it_follows_hints_comes_to_the_same_ledger(lane: BillingLane, point: str) -> None:
    assert (await kill_worker(lane, SCENARIO, point)).died
