"""Receipts: what each end cost, line by line and in words, on every store. That they add up is audited after each history."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from domain.accounts import Mode
from domain.attempts import Failure, FailureClass, Finality, NotExecuted, Stage, Unknown
from domain.errors import NotFound
from domain.generations import Generation
from domain.ledger import LotSource
from domain.receipts import Receipt, breakdown
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import a_grant, a_request, customer, loaded, new_id, queued, say
from tests.contract.test_paid_call_answers import BROKEN, BUSY
from tests.offer import CATALOGUE
from tests.protocol import QUICK, World, pictures
from tests.protocol_audit import ProtocolAudit

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

LOST = Unknown("reset")
UNSAFE = NotExecuted(Failure(FailureClass.MODERATION, Stage.INPUT, "safety", "no “secret word” here", "req_7"), Finality.REFUSED)


@pytest.fixture
async def world(harness: StoreHarness) -> AsyncIterator[World]:
    yield (world := World(harness, QUICK))
    await ProtocolAudit(world)()


async def receipt(world: World, generation: Generation) -> Receipt:
    await ProtocolAudit(world)()
    return await world.harness.queries.receipt(generation.id, generation.account_id, generation.mode)


async def called(world: World, *answers: object) -> Generation:
    """Four pictures at three credits each, and what each of its calls came to."""
    generation = await world.ask(4)
    for answer in answers:
        worker, call = await world.call_out()
        call.finish(answer, paid=answer is LOST or None)  # type: ignore[arg-type]  # whatever a call can come to
        await worker
        if answer is not answers[-1]:
            await world.leap(timedelta(seconds=110))
    return generation


async def refunded(world: World) -> Generation:
    generation = await called(world, LOST)
    await world.cancel(generation)
    return generation


async def cancelled(world: World) -> Generation:
    await world.cancel(generation := await world.ask(4))
    return generation


async def expired(world: World) -> Generation:
    generation = await called(world, LOST)
    await world.leap(timedelta(hours=3))
    await world.keep_house()
    return generation


async def erased(world: World) -> Generation:
    generation = await called(world, UNSAFE)
    await world.purge(generation)
    return generation


async def delivered(world: World) -> Generation:
    return await called(world, pictures(4))


async def in_part(world: World) -> Generation:
    return await called(world, pictures(3))


async def failed(world: World) -> Generation:
    return await called(world, BROKEN)


async def refused(world: World) -> Generation:
    return await called(world, UNSAFE)


async def waiting(world: World) -> Generation:
    return await called(world, BUSY)


async def uncertain(world: World) -> Generation:
    return await called(world, LOST)


async def called_twice(world: World) -> Generation:
    return await called(world, LOST, pictures(4))


NOTHING = "You were not charged"
ENDS: dict[Callable[[World], Awaitable[Generation]], tuple[str, list[str], tuple[int, int, int]]] = {
    delivered: ("All 4 pictures were delivered: 12 credits.", ["The call made what was delivered: 12 credits."], (0, 12, 0)),
    in_part: ("3 of 4 pictures were delivered: 9 of 12 credits.", ["The call made what was delivered: 9 credits."], (0, 9, 3)),
    failed: (
        f"No picture could be made. {NOTHING}.",
        [f"The call was not carried out, and nothing was made. {NOTHING}."],
        (0, 0, 12),
    ),
    refused: (
        f"The request or its pictures were refused. {NOTHING}.",
        [f"The call was refused, and nothing was made. {NOTHING}."],
        (0, 0, 12),
    ),
    cancelled: (f"It was cancelled. {NOTHING}.", [], (0, 0, 12)),
    refunded: (
        f"You took the refund. {NOTHING}.",
        ["The call was left without an answer. If it was made, it was at our cost: you were not charged for it."],
        (0, 0, 12),
    ),
    expired: (
        f"No picture could be made. {NOTHING}.",
        ["The call was left without an answer. If it was made, it was at our cost: you were not charged for it."],
        (0, 0, 12),
    ),
    erased: (
        f"The request or its pictures were refused. {NOTHING}.",
        [f"The call was refused, and nothing was made. {NOTHING}."],
        (0, 0, 12),
    ),
    waiting: (
        f"{NOTHING} so far: 12 credits are set aside until it ends.",
        [f"The call was not carried out, and nothing was made. {NOTHING}."],
        (12, 0, 0),
    ),
    uncertain: (
        f"Nothing is known of the last call. {NOTHING} so far: 12 credits are set aside until it ends.",
        [f"The call is over, and what came of it is being looked for. {NOTHING} for it so far."],
        (12, 0, 0),
    ),
    called_twice: (
        "All 4 pictures were delivered: 12 credits.",
        [
            "The call was left without an answer. If it was made, it was at our cost: you were not charged for it.",
            "A second call made what was delivered: 12 credits. The one before it was at our cost.",
        ],
        (0, 12, 0),
    ),
}


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
async def test_each_end_is_told_in_words_and_in_numbers(world: World, end: Callable[[World], Awaitable[Generation]]) -> None:
    told = await receipt(world, await end(world))
    summary, calls, numbers = ENDS[end]
    assert told.summary() == summary
    assert [told.says_of(attempt) for attempt in told.generation.attempts] == calls
    assert (told.held, told.captured, told.released) == numbers
    assert told.says_of_price() == "4 pictures at 3 credits each: 12 credits, if all are delivered."
    assert told.says_of_hold() == "12 credits were set aside when you asked: 12 from credits given by our staff."


async def test_a_call_that_is_out_is_told_and_costs_nothing_yet(world: World) -> None:
    generation = await world.ask(1)
    worker, call = await world.call_out()
    told = await receipt(world, generation)
    assert told.says_of(told.generation.attempts[0]) == f"The call is under way. {NOTHING} for it so far."
    assert told.says_of_price() == "One picture: 3 credits, if it is delivered."
    call.finish(pictures(1))
    await worker
    assert (await receipt(world, generation)).summary() == "The picture was delivered: 3 credits."


async def test_an_erased_one_has_a_receipt_without_a_word_of_what_was_asked(world: World) -> None:
    generation = await erased(world)
    told = await receipt(world, generation)
    assert (told.generation.request, breakdown(told.generation, CATALOGUE)) == (None, None)
    assert "secret word" not in repr(told)


async def test_a_receipt_names_each_lot_and_what_became_of_its_part(harness: StoreHarness) -> None:
    """Credits that run out while they are held are charged all the same, and lapse when they are given back."""
    store, caller = harness.store, await customer(harness.store)
    async with store.transaction() as tx:
        soon = await tx.now() + timedelta(hours=1)
    await say(store, caller.wallet_id, a_grant(5, source=LotSource.TRIAL, priority=1, expires_at=soon))
    await say(store, caller.wallet_id, a_grant(20, source=LotSource.PACK))
    generation = await queued(store, caller, request=a_request(4))
    await harness.advance(3601)
    async with store.transaction() as tx:
        (waiting := await tx.generations.lock(generation.id)).cancel(await tx.now())
        tx.generations.save(waiting)
    await say(store, caller.wallet_id, (await loaded(store, generation.id)).hold_command())
    told = await harness.queries.receipt(generation.id, caller.account_id, caller.mode)
    assert [told.says_of_line(line) for line in told.lines] == [
        "5 credits were set aside from your trial credits.",
        "7 credits were set aside from the credits of a pack.",
        "5 credits were given back to your trial credits.",
        "7 credits were given back to the credits of a pack.",
        "5 credits from your trial credits had run out by the time they could be given back.",
    ]
    assert told.says_of_hold() == (
        "12 credits were set aside when you asked: 5 from your trial credits and 7 from the credits of a pack."
    )
    assert {lot.source: lot.expires_at for lot in told.lots} == {LotSource.TRIAL: soon, LotSource.PACK: None}


async def test_a_receipt_speaks_of_no_other_generation(world: World) -> None:
    caller = await world.customer()
    mine, other = [await world.ask(n, caller) for n in (1, 2)]
    for _ in range(2):
        worker, call = await world.call_out()
        call.finish(pictures(2))
        await worker
    for generation in (mine, other):
        told = await receipt(world, generation)
        assert [line.kind for line in told.lines] == ["hold", "capture"]
        assert sum(line.amount for line in told.lines) == 2 * generation.price


async def test_test_credits_are_told_from_real_ones(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 10, Mode.TEST)
    generation = await queued(harness.store, caller)
    told = await harness.queries.receipt(generation.id, caller.account_id, Mode.TEST)
    assert told.summary().endswith("3 credits are set aside until it ends. These are test credits: they cost no money.")


async def test_nobody_else_has_a_receipt_of_it(harness: StoreHarness) -> None:
    store, caller, other = harness.store, await customer(harness.store, 10), await customer(harness.store, 10)
    generation = await queued(store, caller)
    for account, mode, id in (
        (other.account_id, Mode.LIVE, generation.id),
        (caller.account_id, Mode.TEST, generation.id),
        (caller.account_id, Mode.LIVE, new_id()),
    ):
        with pytest.raises(NotFound):
            await harness.queries.receipt(id, account, mode)  # type: ignore[arg-type]  # an id of nothing
