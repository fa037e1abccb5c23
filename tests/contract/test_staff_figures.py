"""Figures for operators, straight from the database: what there is to do, which gates are closed, which models are used."""

from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.postgres.session import Pool
from adapters.postgres.staff_queries import PostgresStaffQueries
from adapters.postgres.store import PostgresStore
from application.gates import TryKeyAgain
from application.staff_queries import ClosedGate, UsageRow, WorkRow
from domain.accounts import Mode
from domain.attempts import Failure, FailureClass, Finality, NotExecuted, Stage, Unknown
from domain.billing import Hint
from domain.gates import ClosedFor
from tests.contract.store_contract import TIMING, a_generation, a_request, customer, queued, running

pytestmark = pytest.mark.anyio
BUSY = NotExecuted(Failure(FailureClass.CAPACITY, Stage.CALL, "busy", "later"), Finality.RETRYABLE)


async def test_a_queue_at_rest_is_empty(pool: Pool) -> None:
    assert await PostgresStaffQueries(pool).work() == WorkRow(0, 0, 0, 0.0, 0, 0, 0.0)


async def test_what_waits_runs_and_is_uncertain_is_counted(pool: Pool) -> None:
    store = PostgresStore(pool)
    caller = await customer(store, 100)
    await running(store, caller)
    lost, lease = await running(store, caller)
    busy, other = await running(store, caller)
    async with store.transaction() as tx:
        generation = await tx.generations.lock(lost.id)
        generation.settle(lease, 1, Unknown("reset"), 0, await tx.now(), TIMING)
        tx.generations.save(generation)
    async with store.transaction() as tx:
        generation = await tx.generations.lock(busy.id)
        now = await tx.now()
        generation.settle(other, 1, BUSY, 0, now, TIMING)
        tx.generations.save(replace(generation, created_at=now - timedelta(minutes=5)))
        tx.wakeups.wake()
        tx.wakeups.wake()
    await queued(store, caller)
    work = await PostgresStaffQueries(pool).work()
    assert replace(work, oldest_queued_seconds=0) == WorkRow(2, 2, 1, 0, 2, 0, 0)
    assert 300 <= work.oldest_queued_seconds < 400


async def test_hints_wait_until_they_are_handled_and_the_oldest_tells_since_when(pool: Pool) -> None:
    store, queries = PostgresStore(pool), PostgresStaffQueries(pool)
    async with store.transaction() as tx:
        now = await tx.now()
        for number, minutes in enumerate((9, 5, 1)):
            await tx.inbox.add(Hint(f"evt_{number}", "invoice.paid", now, "invoice", "in_1"), now - timedelta(minutes=minutes))
    for handled in (None, now):  # put off, and then handled
        async with store.transaction() as tx:
            first = await tx.inbox.find("evt_0")
            assert first
            first.begin(now)
            first.error, first.handled_at = "unavailable", handled
            await tx.inbox.save(first)
        work = await queries.work()
        assert work.payment_hints_waiting == (2 if handled else 3)
        assert 0 <= work.oldest_hint_seconds - (300 if handled else 540) < 100


async def test_gates_are_listed_while_they_are_closed_and_a_new_key_opens_those_of_the_old(pool: Pool) -> None:
    store, queries = PostgresStore(pool), PostgresStaffQueries(pool)
    async with store.transaction() as tx:
        now = await tx.now()
        later, past = now + timedelta(minutes=1), now - timedelta(seconds=1)
        reasons = {"a": ClosedFor.KEY_REFUSED, "b": ClosedFor.UNKNOWN_OUTCOMES, "c": ClosedFor.RATE_LIMIT}
        for model, reason in reasons.items():
            gate = await tx.gates.lock(model)
            gate.close(past if model == "c" else later, reason)
            tx.gates.save(gate)
    breaker = ClosedGate("b", ClosedFor.UNKNOWN_OUTCOMES, later)
    assert await queries.closed_gates() == [ClosedGate("a", ClosedFor.KEY_REFUSED, later), breaker]
    assert await TryKeyAgain(store)() == 1
    assert await queries.closed_gates() == [breaker], "a new key says nothing of lost answers"


async def test_use_is_counted_by_model_and_mode_over_the_days_asked_for(pool: Pool) -> None:
    store, queries = PostgresStore(pool), PostgresStaffQueries(pool)
    one, two, tester = [await customer(store, mode=mode) for mode in (Mode.LIVE, Mode.LIVE, Mode.TEST)]
    for caller, model, days in ((one, "x", 0), (one, "x", 6), (two, "x", 8), (tester, "x", 0), (two, "y", 6)):
        async with store.transaction() as tx:
            now = await tx.now()
            made = a_generation(caller, now, request=replace(a_request(), model=model))
            tx.generations.add(replace(made, created_at=now - timedelta(days=days)))
    live = UsageRow("x", Mode.LIVE, 1, 2, [one.account_id])
    test = UsageRow("x", Mode.TEST, 1, 1, [tester.account_id])
    assert await queries.usage(7, with_accounts=True) == [live, test, UsageRow("y", Mode.LIVE, 1, 1, [two.account_id])]
    (both, _, _) = await queries.usage(9, with_accounts=False)
    assert (both.accounts, both.generations, both.account_ids) == (2, 3, [])
