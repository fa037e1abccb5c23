"""Hints of the payment provider: taken once, followed at least once, kept by nothing but their code when that fails."""

import asyncio
from dataclasses import replace

import pytest

from application.payments import PaymentRefused
from domain.billing import CustomerId, Hint
from tests.billing_stage import opened, slow
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import numbers, statement

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

SMALL = ("small", 500)


async def test_a_hint_is_followed_once(harness: StoreHarness) -> None:
    billing, caller, payer = await opened(harness)
    billing.truth.sell(payer, SMALL)
    (hint,) = billing.truth.happened
    assert [await billing.take(hint) for _ in range(3)] == [True, False, False]
    assert await billing.handle() == {"handled": 1, "put_off": 0}
    assert await billing.handle() == {"handled": 0, "put_off": 0}
    assert await numbers(harness.queries, caller.wallet_id) == (400, 0, 0)


async def test_a_hint_wakes_somebody_up_with_its_row(harness: StoreHarness) -> None:
    billing, _, payer = await opened(harness)
    billing.truth.sell(payer, SMALL)
    for _ in range(2):
        await billing.take(billing.truth.happened[0])
    (queue,) = await harness.queries.queues()
    assert queue.waiting == 1


async def test_the_same_invoice_under_other_hints_grants_once(harness: StoreHarness) -> None:
    billing, caller, payer = await opened(harness)
    billing.truth.sell(payer, SMALL)
    (hint,) = billing.truth.happened
    await billing.hear(*(replace(hint, id=f"evt_other_{n}", type=f"other.{n}") for n in range(5)))
    assert (await billing.handle())["handled"] == 5
    assert await numbers(harness.queries, caller.wallet_id) == (400, 0, 0)


async def test_sixty_four_at_once_grant_once(harness: StoreHarness) -> None:
    billing, caller, payer = await opened(harness)
    ref = billing.truth.sell(payer, SMALL)
    (hint,) = billing.truth.happened
    assert sorted(await asyncio.gather(*(billing.take(hint) for _ in range(64)))) == [False] * 63 + [True]
    handled = await asyncio.gather(*(billing.handle() for _ in range(64)))
    assert sum(each["handled"] for each in handled) == 1
    await asyncio.gather(*(billing.converge(ref) for _ in range(64)))
    assert [lot.granted for lot in await billing.lots(caller.wallet_id, ref)] == [400]
    assert len(await statement(harness.queries, caller.wallet_id)) == 1


async def test_a_hint_waits_while_the_provider_is_away(harness: StoreHarness) -> None:
    billing, _, payer = await opened(harness)
    billing.truth.sell(payer, SMALL)
    await billing.hear(*billing.truth.happened)
    billing.truth.down = True
    assert await billing.handle() == {"handled": 0, "put_off": 1}
    billing.truth.down = False
    assert await billing.handle() == {"handled": 0, "put_off": 0}, "not at once"
    async with harness.store.transaction() as tx:
        kept = await tx.inbox.find("evt_1")
    assert kept
    assert (kept.attempts, kept.error) == (1, "unavailable")
    await harness.advance(61)
    assert await billing.handle() == {"handled": 1, "put_off": 0}
    async with harness.store.transaction() as tx:
        done = await tx.inbox.find("evt_1")
    assert done
    assert (done.error, done.handled_at is None) == (None, False)


async def test_waits_grow_up_to_six_hours(harness: StoreHarness) -> None:
    billing, _, payer = await opened(harness)
    billing.truth.sell(payer, SMALL)
    await billing.hear(*billing.truth.happened)
    billing.truth.down = True
    waits = list[float]()
    for _ in range(12):
        assert (await billing.handle())["put_off"] == 1
        async with harness.store.transaction() as tx:
            kept, now = await tx.inbox.find("evt_1"), await tx.now()
        assert kept
        waits.append(round((kept.resume_at - now).total_seconds() / 60))
        await harness.advance(6 * 3600)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360, 360]


@pytest.mark.parametrize(
    ("error", "code"),
    [(PaymentRefused("resource_missing", "No such charge of Ada"), "resource_missing"), (ValueError("Ada"), "value_error")],
)
async def test_one_hint_that_fails_keeps_no_other_waiting_and_is_kept_by_its_code(
    harness: StoreHarness, error: Exception, code: str
) -> None:
    billing, _, payer = await opened(harness)
    billing.truth.sell(payer, SMALL)
    billing.truth.happened.insert(0, Hint("evt_0", "charge.refunded", billing.truth.now, "charge", "ch_1"))

    async def fail() -> None:
        raise error

    billing.truth.slowly = slow(billing, fail)
    for hint in billing.truth.happened:
        await billing.take(hint)
        await harness.advance(1)
    assert await billing.handle() == {"handled": 1, "put_off": 1}
    async with harness.store.transaction() as tx:
        kept = await tx.inbox.find("evt_0")
    assert kept
    assert kept.error == code


async def test_what_is_to_be_said_of_a_hint_is_counted(harness: StoreHarness) -> None:
    billing, _, payer = await opened(harness)
    billing.truth.sell(payer, ("consulting", 5000))
    billing.truth.sell(CustomerId("cus_of_another_shop"), SMALL)
    await billing.hear(*billing.truth.happened)
    assert await billing.handle() == {"handled": 2, "put_off": 0, "unsold": 1, "stranger": 1}
