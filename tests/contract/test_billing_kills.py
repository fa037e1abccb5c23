"""kill -9 of whoever hears and follows webhooks, at points that matter; all of them are `make soak SUITE=billing-kills`."""

from collections.abc import AsyncIterator

import pytest

from adapters.postgres.embedded import EmbeddedPostgres
from tests.clusters import new_database
from tests.forks import zygote
from tests.kill_billing import SCENARIOS, BillingLane, billing_lane, kill_api, kill_worker
from tests.stripe_process import stripe_process

pytestmark = pytest.mark.anyio
SCENARIO = SCENARIOS[0]


@pytest.fixture(scope="module")
async def lane(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BillingLane]:
    folder = tmp_path_factory.mktemp("billing-kills")
    with zygote(folder) as forks, stripe_process("K") as stripe:
        async with billing_lane(forks, new_database(postgres), folder, stripe) as ready:
            yield ready
        assert not stripe.complaints()


@pytest.mark.parametrize("point", ["Store.commit#2:before", "Store.commit#2:after"])
async def test_an_api_killed_in_a_webhook_is_told_again_and_the_ledger_is_the_same(lane: BillingLane, point: str) -> None:
    assert (await kill_api(lane, SCENARIO, point)).died


@pytest.mark.parametrize(
    "point",
    ["HandleHints/Store.commit#1:after", "HandleHints/Store.commit#3:before", "HandleHints/Store.commit#3:after"],
)
async def test_a_worker_killed_while_it_follows_hints_comes_to_the_same_ledger(lane: BillingLane, point: str) -> None:
    assert (await kill_worker(lane, SCENARIO, point)).died
