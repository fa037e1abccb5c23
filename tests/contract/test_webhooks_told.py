"""What endpoints are told of: written down with the fact, once, for those alone who want it."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from application.generations import resolve_hold
from application.webhook_endpoints import ChangeEndpoint, RemoveEndpoint
from domain.accounts import Mode
from domain.billing import SubscriptionState
from domain.errors import InsufficientCredits
from domain.webhook_endpoints import WebhookEventKind
from tests.billing_stage import opened
from tests.contract.postgres_harness import PostgresHarness, on_postgres
from tests.contract.store_contract import queued
from tests.top_up_stage import staged
from tests.webhook_stage import URL, Hooks

pytestmark = pytest.mark.anyio


@pytest.fixture
async def harness(database_url: str) -> AsyncIterator[PostgresHarness]:
    async with on_postgres(database_url) as ready:
        yield ready


@pytest.fixture
def hooks(harness: PostgresHarness) -> Hooks:
    return Hooks(harness)


async def test_a_generation_that_ends_is_told_in_ids_and_states_only(hooks: Hooks) -> None:
    caller = await hooks.caller()
    await hooks.hook(caller)
    id = await hooks.finish(caller)
    (sent,) = await hooks.sent()
    said = json.loads(sent.body)
    assert said == {
        "type": "generation.finished",
        "timestamp": said["timestamp"],
        "data": {"id": str(id), "mode": "live", "state": "cancelled"},
    }
    assert sent.url == URL
    assert await hooks.sent() == [], "what has arrived is not sent again"


async def test_an_endpoint_is_told_of_its_own_account_and_mode_and_of_what_it_chose(hooks: Hooks) -> None:
    live, test, other = await hooks.caller(), await hooks.caller(Mode.TEST), await hooks.caller()
    await hooks.hook(live, "https://live.example/")
    await hooks.hook(live, "https://of-tests.example/", mode=Mode.TEST)
    await hooks.hook(live, "https://of-money.example/", [WebhookEventKind.CREDITS_LOW])
    await hooks.hook(test, "https://test.example/")
    await hooks.hook(other, "https://other.example/")
    await hooks.finish(live)
    await hooks.finish(test)
    assert sorted(sent.url for sent in await hooks.sent()) == ["https://live.example/", "https://test.example/"]


async def test_two_endpoints_hear_of_one_event_by_one_id(hooks: Hooks) -> None:
    caller = await hooks.caller()
    for name in ("a", "b"):
        await hooks.hook(caller, f"https://{name}.example/")
    await hooks.finish(caller)
    one, other = await hooks.sent()
    assert (one.id, one.url) != (other.id, other.url)
    assert one.id == other.id


async def test_what_is_disabled_or_gone_hears_nothing_and_what_is_enabled_again_does(hooks: Hooks) -> None:
    caller = await hooks.caller()
    one, other = await hooks.hook(caller, "https://one.example/"), await hooks.hook(caller, "https://other.example/")
    await hooks.finish(caller)
    change = ChangeEndpoint(hooks.harness.store)
    await change(caller.account_id, one.id, enabled=False)
    await RemoveEndpoint(hooks.harness.store)(caller.account_id, other.id)
    await hooks.finish(caller)
    assert await hooks.sent() == [], "nor what was on its way"
    await change(caller.account_id, one.id, enabled=True)
    await hooks.finish(caller)
    assert len(await hooks.sent()) == 1


async def test_what_is_undone_was_never_told(hooks: Hooks) -> None:
    caller = await hooks.caller()
    await hooks.hook(caller)
    generation = await queued(hooks.harness.store, caller)

    async def ends() -> None:
        async with hooks.harness.store.transaction() as tx:
            open_one = await tx.generations.lock(generation.id)
            open_one.cancel(await tx.now())
            await resolve_hold(tx, open_one)
            raise InsufficientCredits

    with pytest.raises(InsufficientCredits):
        await ends()
    assert await hooks.sent() == []


async def test_credits_that_run_low_are_told_once_a_fall(harness: PostgresHarness) -> None:
    hooks = Hooks(harness)
    async with staged(harness) as stage:
        await hooks.hook(stage.caller)
        await stage.says(enabled=False, pack=None, below=0, notify_below=31)
        await stage.watch()
        await stage.watch()
    (sent,) = await hooks.sent()
    assert json.loads(sent.body)["type"] == "credits.low"
    assert json.loads(sent.body)["data"] == {"id": str(stage.caller.account_id), "mode": "live", "state": "low"}


async def test_a_subscription_is_told_when_it_changes_and_not_when_it_is_looked_at(harness: PostgresHarness) -> None:
    hooks = Hooks(harness)
    billing, caller, payer = await opened(harness)
    await hooks.hook(caller)
    id = billing.truth.subscribe(payer, "pro")
    for _ in range(3):
        await billing.converge_subscription(id)
    billing.truth.change_subscription(id, state=SubscriptionState.CANCELED)
    await billing.converge_subscription(id)
    told = [json.loads(sent.body) for sent in sorted(await hooks.sent(), key=lambda sent: json.loads(sent.body)["timestamp"])]
    assert [(each["type"], each["data"]["state"]) for each in told] == [
        ("subscription.changed", "active"),
        ("subscription.changed", "canceled"),
    ]


async def test_an_account_without_endpoints_leaves_nothing_behind(hooks: Hooks) -> None:
    await hooks.finish(await hooks.caller())
    async with hooks.harness.store.transaction() as tx:
        assert await tx.deliveries.forget(await tx.now() + timedelta(days=1), 10) == 0
