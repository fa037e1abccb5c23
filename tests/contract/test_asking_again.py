"""Asking once more, and asking too often for what costs nothing: on every store."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest

from application.generations import DeleteGeneration, RequestGeneration, RetryGeneration
from application.store import IdempotencyKey, Store
from domain.accounts import Caller, Mode
from domain.attempts import Unknown
from domain.brake import HOUR, BrakeRules
from domain.errors import (
    Gone,
    IdempotencyMismatch,
    InsufficientCredits,
    NotFinished,
    NotFound,
    PriceAboveMaximum,
    RetiredModel,
    TooManyRefusals,
)
from domain.generations import Generation, GenerationId
from domain.requests import Asked, Fault, Sandbox
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import TIMING, cancelled, customer, loaded, new_id, numbers, uploaded
from tests.contract.test_store_waiting import UNSAFE, ended, erased
from tests.offer import CATALOGUE, TODAY
from tests.scripted_storage import ScriptedStorage

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

BOAT = Asked(prompt="a boat", size="64x64", quality="low")
BRAKE = BrakeRules(refusals=2, refunds=1)


def requesting(store: Store, brake: BrakeRules = BRAKE, today: date = TODAY) -> RequestGeneration:
    return RequestGeneration(store, CATALOGUE, TIMING, new_id, lambda: today, 100, brake)


def retrying(store: Store, today: date = TODAY) -> RetryGeneration:
    return RetryGeneration(requesting(store, today=today))


def key_of(caller: Caller, route: str = "retry") -> IdempotencyKey:
    return IdempotencyKey(caller.account_id, caller.mode, route, "k")


async def made(store: Store, caller: Caller, asked: Asked = BOAT, parent: GenerationId | None = None) -> Generation:
    """Asked for, and over."""
    _, generation = await requesting(store)(caller, asked, parent=parent)
    assert generation
    return await cancelled(store, generation)


# Once more


async def test_the_same_is_asked_for_anew_and_paid_for_anew(harness: StoreHarness) -> None:
    store, caller = harness.store, await customer(harness.store, 500, Mode.TEST)
    references = (await uploaded(store, caller)).id, (await uploaded(store, caller)).id
    labels, sandbox = {"project": "x"}, Sandbox(Fault.REFUSE_OUTPUT, 5)
    asked = replace(BOAT, n=2, images=references, output_format="webp", metadata=labels, sandbox=sandbox, max_credits=500)
    parent = await made(store, caller)
    old = await made(store, caller, asked, parent.id)
    before = await numbers(harness.queries, caller.wallet_id)
    new_one, new = await retrying(store)(caller, old.id)
    assert new
    assert new == await loaded(store, new_one)
    assert (new.request, new.kind, new.price, new.metadata) == (old.request, old.kind, old.price, old.metadata)
    assert new.parent == old.parent == parent.id
    assert new.id != old.id
    assert new.created_at >= (old.finished_at or new.created_at + HOUR)
    assert await numbers(harness.queries, caller.wallet_id) == (before[0] - old.price, old.price, 0)


async def test_one_from_the_trash_may_be_retried_and_one_whose_parent_was_erased(harness: StoreHarness) -> None:
    store, caller = harness.store, await customer(harness.store, 500, Mode.TEST)
    parent = await made(store, caller)
    old = await made(store, caller, parent=parent.id)
    await erased(store, parent)
    await DeleteGeneration(store, ScriptedStorage())(caller, old.id, purge=False)
    _, new = await retrying(store)(caller, old.id)
    assert new
    assert new.parent == parent.id


async def test_what_is_unfinished_foreign_or_erased_is_not_retried(harness: StoreHarness) -> None:
    store, caller, other = harness.store, await customer(harness.store, 500, Mode.TEST), await customer(harness.store, 500)
    retry, (waiting, _) = retrying(store), await requesting(store)(caller, BOAT)
    with pytest.raises(NotFinished):
        await retry(caller, waiting)
    old = await made(store, caller)
    for stranger in (other, replace(caller, mode=Mode.LIVE)):
        with pytest.raises(NotFound):
            await retry(stranger, old.id)
    await erased(store, old)
    with pytest.raises(Gone):
        await retry(caller, old.id)


async def test_a_retry_is_refused_as_a_new_request_would_be(harness: StoreHarness) -> None:
    store, caller = harness.store, await customer(harness.store, 20, Mode.TEST)
    reference = await uploaded(store, caller)
    old = await made(store, caller, replace(BOAT, images=(reference.id,)))
    with pytest.raises(PriceAboveMaximum):
        await retrying(store)(caller, old.id, max_credits=old.price - 1)
    ending = await made(store, caller, replace(BOAT, model="gpt-image-1-mini", size="1024x1024"))
    with pytest.raises(RetiredModel) as retired:
        await retrying(store, today=date(2026, 12, 1))(caller, ending.id)
    assert retired.value.facts["replacement"] == CATALOGUE.models["gpt-image-1-mini"].replacement
    async with store.transaction() as tx:
        await tx.assets.take(reference.id, caller.account_id, caller.mode)
        await tx.assets.remove(reference)
    with pytest.raises(NotFound) as missing:
        await retrying(store)(caller, old.id)
    assert missing.value.facts == {"asset": str(reference.id)}
    cheap = await made(store, caller)
    available, _, _ = await numbers(harness.queries, caller.wallet_id)
    for _ in range(available // cheap.price):
        await retrying(store)(caller, cheap.id)
    with pytest.raises(InsufficientCredits):
        await retrying(store)(caller, cheap.id)


async def test_a_repeated_key_is_answered_with_the_same_retry_whatever_became_of_the_old_one(harness: StoreHarness) -> None:
    store, caller = harness.store, await customer(harness.store, 500, Mode.TEST)
    old, retry = await made(store, caller), retrying(store)
    first, new = await retry(caller, old.id, idempotency=(key_of(caller), "body"))
    assert new
    assert await retry(caller, old.id, idempotency=(key_of(caller), "body")) == (first, None)
    with pytest.raises(IdempotencyMismatch):
        await retry(caller, old.id, idempotency=(key_of(caller), "another"))
    await erased(store, old)
    assert await retry(caller, old.id, idempotency=(key_of(caller), "body")) == (first, None)
    other_route, made_there = await requesting(store)(caller, BOAT, idempotency=(key_of(caller, "create"), "body"))
    assert made_there
    assert other_route != first


# The brake


async def refuse(store: Store, caller: Caller) -> None:
    await ended(store, caller, UNSAFE)


async def refund(store: Store, caller: Caller) -> None:
    await cancelled(store, await ended(store, caller, Unknown("reset")))


@pytest.mark.parametrize(("free", "borne", "limit"), [(refuse, 2, 2), (refund, 0, 1)])
async def test_too_many_refusals_or_refunds_close_until_the_oldest_is_an_hour_old(
    harness: StoreHarness, free: Callable[[Store, Caller], Awaitable[None]], borne: int, limit: int
) -> None:
    store, caller = harness.store, await customer(harness.store, 500, Mode.TEST)
    old = await made(store, caller)
    for _ in range(borne):
        await free(store, caller)
        await harness.advance(60)
    await requesting(store)(caller, BOAT)
    await free(store, caller)
    before = await numbers(harness.queries, caller.wallet_id)
    for again in (requesting(store)(caller, BOAT), retrying(store)(caller, old.id)):
        with pytest.raises(TooManyRefusals) as refused:
            await again
        assert refused.value.facts["limit"] == limit
        seconds = int(str(refused.value.facts["retry_after"]))
        assert 3590 - 60 * borne <= seconds <= 3600 - 60 * borne
    assert await numbers(harness.queries, caller.wallet_id) == before, "a refusal costs nothing"
    await harness.advance(seconds)
    assert (await requesting(store)(caller, BOAT))[1]


async def test_the_brake_is_of_one_account_in_one_mode(harness: StoreHarness) -> None:
    store, caller = harness.store, await customer(harness.store, 500)
    for _ in range(3):
        await refuse(store, caller)
    with pytest.raises(TooManyRefusals):
        await requesting(store)(caller, replace(BOAT, size="1024x1024"))
    assert (await requesting(store)(await customer(store, 500, Mode.TEST), BOAT))[1]
    test = replace(caller, mode=Mode.TEST, wallet_id=await harness.queries.wallet(caller.account_id, Mode.TEST))
    with pytest.raises(InsufficientCredits):
        await requesting(store)(test, BOAT)


async def test_a_repeat_of_what_was_asked_before_is_answered_under_the_brake(harness: StoreHarness) -> None:
    store, caller = harness.store, await customer(harness.store, 500, Mode.TEST)
    first, _ = await requesting(store)(caller, BOAT, idempotency=(key_of(caller), "body"))
    for _ in range(3):
        await refuse(store, caller)
    assert await requesting(store)(caller, BOAT, idempotency=(key_of(caller), "body")) == (first, None)
    with pytest.raises(TooManyRefusals):
        await requesting(store)(caller, BOAT, idempotency=(key_of(caller, "other"), "body"))


async def test_erasing_a_refused_generation_does_not_release_the_brake(harness: StoreHarness) -> None:
    store, caller = harness.store, await customer(harness.store, 500, Mode.TEST)
    for _ in range(3):
        await erased(store, await ended(store, caller, UNSAFE))
    with pytest.raises(TooManyRefusals):
        await requesting(store)(caller, BOAT)


async def test_after_a_quiet_hour_all_is_forgotten(harness: StoreHarness) -> None:
    store, caller = harness.store, await customer(harness.store, 500, Mode.TEST)
    for _ in range(3):
        await refuse(store, caller)
    await harness.advance((HOUR + timedelta(seconds=1)).total_seconds())
    assert (await requesting(store)(caller, BOAT))[1]
