"""From what happens to whoever is told of it: tried by the schedule, signed anew, written down, never lost with its sender."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from application.webhook_deliveries import Answer, ForgetDeliveries
from application.webhook_endpoints import AddEndpoint, ChangeEndpoint, Redeliver, RemoveEndpoint, RotateSecret, TryEndpoint
from application.webhooks import PATIENCE
from domain.errors import EndpointDisabled, NotFound, TooManyEndpoints
from domain.limits import LIMITS
from domain.webhook_deliveries import KEPT, LATER, SCHEDULE, DeliveryState, Reason
from domain.webhook_endpoints import CHOSEN, DisabledFor, signature
from tests.contract.postgres_harness import PostgresHarness, on_postgres
from tests.contract.store_contract import new_id
from tests.webhook_stage import ARRIVED, URL, Hooks

pytestmark = pytest.mark.anyio
REFUSES = Answer(Reason.STATUS, 500)
SLOW, QUICK = "https://slow.example/", "https://quick.example/"


@pytest.fixture
async def harness(database_url: str) -> AsyncIterator[PostgresHarness]:
    async with on_postgres(database_url) as ready:
        yield ready


@pytest.fixture
def hooks(harness: PostgresHarness) -> Hooks:
    return Hooks(harness)


async def test_tries_follow_the_schedule_over_its_three_days_with_one_id_and_then_it_has_failed(hooks: Hooks) -> None:
    hooks.luck, hooks.post.act = 1.0, lambda _: REFUSES
    caller = await hooks.caller()
    endpoint = await hooks.hook(caller)
    await hooks.finish(caller)
    assert len(await hooks.sent()) == 1
    for wait in SCHEDULE[1:]:
        longest = wait * (1 + LATER)
        await hooks.later(longest - timedelta(seconds=3))
        assert await hooks.sent() == []
        await hooks.later(timedelta(seconds=4))
        assert len(await hooks.sent()) == 1
    await hooks.later(timedelta(days=10))
    assert await hooks.sent() == []
    assert len({sent.id for sent in hooks.post.sent}) == 1
    assert len({sent.body for sent in hooks.post.sent}) == 1
    assert len({sent.headers["webhook-signature"] for sent in hooks.post.sent}) == len(SCHEDULE), "of each try's own time"
    (row,) = await hooks.log(endpoint)
    assert (row.delivery.outcome, len(row.log)) == (DeliveryState.FAILED, len(SCHEDULE))
    assert {(made.reason, made.status) for made in row.log} == {(Reason.STATUS, 500)}
    assert (await hooks.known(endpoint)).disabled_for is None, "three days are not five"


async def test_after_five_days_of_failures_it_is_disabled_and_nothing_waits_any_more(hooks: Hooks) -> None:
    hooks.post.act = lambda _: Answer(Reason.TIMEOUT)
    caller = await hooks.caller()
    endpoint = await hooks.hook(caller)
    for _ in range(2):
        await hooks.finish(caller)
        for wait in SCHEDULE:
            await hooks.later(wait + timedelta(seconds=1))
            await hooks.sent()
        await hooks.finish(caller)
        await hooks.sent()
    known = await hooks.known(endpoint)
    assert known.disabled_for is DisabledFor.FAILING
    assert {row.delivery.outcome for row in await hooks.log(endpoint)} == {DeliveryState.FAILED}


async def test_who_answers_410_is_told_nothing_any_more(hooks: Hooks) -> None:
    hooks.post.act = lambda _: Answer(Reason.GONE, 410)
    caller = await hooks.caller()
    endpoint = await hooks.hook(caller)
    await hooks.finish(caller)
    await hooks.sent()
    assert (await hooks.known(endpoint)).disabled_for is DisabledFor.GONE
    await hooks.finish(caller)
    await hooks.later(timedelta(days=2))
    assert await hooks.sent() == []
    with pytest.raises(EndpointDisabled):
        await TryEndpoint(hooks.harness.store, new_id)(caller.account_id, endpoint.id)


async def test_a_worker_that_dies_while_it_sends_loses_nothing(hooks: Hooks) -> None:
    caller = await hooks.caller()
    endpoint = await hooks.hook(caller)
    await hooks.finish(caller)
    await hooks.dies_sending()
    assert await hooks.sent() == [], "another might be sending it"
    await hooks.later(PATIENCE)
    (sent,) = await hooks.sent()
    (row,) = await hooks.log(endpoint)
    assert (str(row.delivery.id), row.delivery.outcome, len(row.log)) == (sent.id, DeliveryState.DELIVERED, 1)


async def test_a_worker_that_stops_hears_who_answers_at_once_and_waits_for_nobody_else(hooks: Hooks) -> None:
    callers = {url: await hooks.caller() for url in (SLOW, QUICK)}
    endpoints = {url: await hooks.hook(caller, url) for url, caller in callers.items()}
    for caller in callers.values():
        await hooks.finish(caller)
    hooks.post.hangs, answers = lambda _: True, asyncio.Event()
    hooks.post.gates[QUICK] = answers
    work = asyncio.ensure_future(hooks.send())
    async with asyncio.timeout(20):
        while len(hooks.post.out) < 2:
            await asyncio.sleep(0.001)
    work.cancel()
    await asyncio.sleep(0)
    answers.set()
    async with asyncio.timeout(20):
        await asyncio.wait([work])
    assert work.cancelled()
    outcomes = {url: [row.delivery.outcome for row in await hooks.log(each)] for url, each in endpoints.items()}
    assert outcomes == {SLOW: [DeliveryState.WAITING], QUICK: [DeliveryState.DELIVERED]}
    hooks.post.hangs = lambda _: False
    await hooks.later(PATIENCE)
    assert [sent.url for sent in await hooks.sent()] == [SLOW]


async def test_more_than_there_are_places_go_out_one_after_the_other_each_once(hooks: Hooks) -> None:
    callers = [await hooks.caller() for _ in range(5)]
    for number, caller in enumerate(callers):
        await hooks.hook(caller, f"https://{number}.example/")
        for _ in range(9):
            await hooks.finish(caller)
    both = replace(hooks.send, at_once=6), replace(hooks.send, at_once=6)
    ends = await asyncio.gather(*(send() for send in both))
    assert sum(end["webhooks_delivered"] for end in ends) == 45
    assert len({sent.id for sent in hooks.post.sent}) == len(hooks.post.sent) == 45


async def test_an_endpoint_removed_while_its_message_is_out_leaves_no_trace(hooks: Hooks) -> None:
    caller = await hooks.caller()
    endpoint = await hooks.hook(caller)
    await hooks.finish(caller)
    hooks.post.hangs = lambda _: True
    work = asyncio.ensure_future(hooks.send())
    async with asyncio.timeout(20):
        while not hooks.post.out:
            await asyncio.sleep(0.001)
    await hooks.finish(caller)
    await RemoveEndpoint(hooks.harness.store, batch=1)(caller.account_id, endpoint.id)
    hooks.post.gate.set()
    assert await work == {"webhooks_delivered": 0, "webhooks_failed": 0}
    with pytest.raises(NotFound):
        await hooks.log(endpoint)
    async with hooks.harness.store.transaction() as tx:
        assert await tx.deliveries.forget(await tx.now() + timedelta(days=1), 10) == 0


@pytest.mark.parametrize("said", [Answer(Reason.GONE, 410), Answer(Reason.TIMEOUT)])
async def test_what_the_old_address_says_is_nothing_against_a_new_one(hooks: Hooks, said: Answer) -> None:
    caller = await hooks.caller()
    endpoint = await hooks.hook(caller)
    await hooks.finish(caller)
    hooks.post.act = lambda url: said if url == URL else ARRIVED
    hooks.post.hangs = lambda url: url == URL
    work = asyncio.ensure_future(hooks.send())
    async with asyncio.timeout(20):
        while not hooks.post.out:
            await asyncio.sleep(0.001)
    await ChangeEndpoint(hooks.harness.store)(caller.account_id, endpoint.id, url=QUICK)
    hooks.post.gate.set()
    assert await work == {"webhooks_delivered": 1, "webhooks_failed": 1}, "at once"
    known = await hooks.known(endpoint)
    assert (known.disabled_for, known.failing_since) == (None, None)
    (row,) = await hooks.log(endpoint)
    assert (row.delivery.outcome, [made.reason for made in row.log]) == (DeliveryState.DELIVERED, [said.reason, Reason.DELIVERED])


async def test_asked_for_again_the_same_message_is_sent_again(hooks: Hooks) -> None:
    caller, other = await hooks.caller(), await hooks.caller()
    endpoint = await hooks.hook(caller)
    await hooks.finish(caller)
    (first,) = await hooks.sent()
    (row,) = await hooks.log(endpoint)
    again = Redeliver(hooks.harness.store)
    with pytest.raises(NotFound):
        await again(other.account_id, endpoint.id, row.delivery.id)
    await again(caller.account_id, endpoint.id, row.delivery.id)
    (second,) = await hooks.sent()
    assert (second.id, second.body) == (first.id, first.body)
    (row,) = await hooks.log(endpoint)
    assert [made.reason for made in row.log] == [Reason.DELIVERED] * 2


async def test_a_test_is_told_to_its_endpoint_alone(hooks: Hooks) -> None:
    caller = await hooks.caller()
    endpoint, _ = await hooks.hook(caller), await hooks.hook(caller, QUICK)
    made = await TryEndpoint(hooks.harness.store, new_id)(caller.account_id, endpoint.id)
    (sent,) = await hooks.sent()
    assert (sent.url, sent.id, json.loads(sent.body)["type"]) == (URL, str(made.id), "endpoint.test")


async def test_a_rotated_secret_signs_beside_the_old_one_for_a_day(hooks: Hooks) -> None:
    caller = await hooks.caller()
    endpoint = await hooks.hook(caller)
    await RotateSecret(hooks.harness.store, lambda size: b"b" * size)(caller.account_id, endpoint.id)
    signed = []
    for wait in (timedelta(0), timedelta(hours=24)):
        await hooks.later(wait)
        await hooks.finish(caller)
        (sent,) = await hooks.sent()
        at = int(sent.headers["webhook-timestamp"])
        by = {name: signature([secret], sent.id, at, sent.body) for name, secret in (("old", bytes(24)), ("new", b"b" * 24))}
        signed.append([name for each in sent.headers["webhook-signature"].split(" ") for name in by if by[name] == each])
    assert signed == [["new", "old"], ["new"]]


async def test_a_secret_that_signs_no_more_is_not_kept(hooks: Hooks) -> None:
    endpoint = await hooks.hook(await hooks.caller())
    await RotateSecret(hooks.harness.store, lambda size: b"b" * size)(endpoint.account_id, endpoint.id)
    forget, kept = ForgetDeliveries(hooks.harness.store), list[tuple[bytes, bytes | None]]()
    for wait in (timedelta(hours=23), timedelta(hours=1)):
        await hooks.later(wait)
        await forget()
        known = await hooks.known(endpoint)
        kept.append((known.secret, known.old_secret))
    assert kept == [(b"b" * 24, bytes(24)), (b"b" * 24, None)]


async def test_ten_endpoints_and_no_more_even_if_made_at_once(hooks: Hooks) -> None:
    caller, most = await hooks.caller(), LIMITS["webhook_endpoints"]
    add = AddEndpoint(hooks.harness.store, new_id, bytes)
    made = await asyncio.gather(
        *(add(caller.account_id, caller.mode, URL, CHOSEN) for _ in range(most + 3)), return_exceptions=True
    )
    assert [isinstance(each, TooManyEndpoints) for each in made].count(True) == 3
    async with hooks.harness.store.transaction() as tx:
        assert len(await tx.endpoints.of_account(caller.account_id)) == most


async def test_after_thirty_days_nothing_is_known_of_it(hooks: Hooks) -> None:
    caller = await hooks.caller()
    endpoint = await hooks.hook(caller)
    await hooks.finish(caller)
    await hooks.sent()
    await hooks.later(KEPT - timedelta(hours=1))
    forget = ForgetDeliveries(hooks.harness.store)
    await forget()
    assert len(await hooks.log(endpoint)) == 1
    await hooks.later(timedelta(hours=2))
    assert await forget() == {"deliveries_forgotten": 1}
    assert await hooks.log(endpoint) == []
