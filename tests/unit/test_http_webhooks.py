"""The webhook's route: open to whom our provider is and to no one's rate, bounded, silent about why it refuses, and honest when
nothing could be written down."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from litestar import Litestar
from structlog.testing import capture_logs

from application.store import Store, StoreUnavailable, Transaction
from entrypoints.http.bounds import WEBHOOK_BODY
from entrypoints.wiring_payments import WEBHOOK
from tests.contract.harnesses import MemoryHarness
from tests.http_stage import shorten
from tests.soak_webhooks import READERS, app_of, tell
from tests.webhook_attacks import PATH, SANDBOX, STRIPE, TARGETS, Draw, Post, Target, genuine

pytestmark = pytest.mark.anyio
each_target = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)


def drawn(target: Target = STRIPE, seed: int = 1) -> Draw:
    return Draw(random.Random(seed), target, f"evt_{seed}")


def app(target: Target, store: Store) -> Litestar:
    return app_of(READERS[target.name], store)


@dataclass(slots=True)
class Away(Store):
    """A store that does not answer; `hangs`: nor says so."""

    store: Store
    is_away: bool = True
    hangs: bool = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        if self.hangs:
            await asyncio.Event().wait()
        if self.is_away:
            raise StoreUnavailable
        async with self.store.transaction() as tx:
            yield tx


async def count(harness: MemoryHarness) -> int:
    return sum(queue.waiting for queue in await harness.queries.queues())


def test_the_attacks_go_to_the_route() -> None:
    assert PATH == WEBHOOK


@each_target
async def test_what_its_provider_signed_is_taken_once_and_answered_with_nothing(target: Target) -> None:
    harness = MemoryHarness()
    served, post = app(target, harness.store), genuine(drawn(target))
    for _ in range(3):
        said = await tell(served, post)
        assert (said.status, said.body) == (200, b"")
    assert await count(harness) == 1


async def test_each_reader_believes_its_own_provider_only() -> None:
    harness = MemoryHarness()
    for target, other in ((STRIPE, SANDBOX), (SANDBOX, STRIPE)):
        assert (await tell(app(target, harness.store), genuine(drawn(other)))).status == 400
    assert await count(harness) == 0


@each_target
async def test_why_it_is_refused_is_not_told(target: Target) -> None:
    served, draw = app(target, MemoryHarness().store), drawn(target)
    body = draw.body()
    refused = (
        draw.post("", body, None),
        draw.post("", body, draw.header(body, secret="wrong")),
        draw.post("", body, draw.header(body, 0)),
        draw.post("", b"{}", draw.header(b"{}")),
        replace(genuine(draw), headers=genuine(draw).headers * 2),
    )
    said = [await tell(served, post) for post in refused]
    assert {(each.status, each.body) for each in said} == {(400, said[0].body)}
    assert json.loads(said[0].body)["type"] == "/problems/invalid-request"


async def test_nothing_of_it_is_written_to_the_log() -> None:
    post = genuine(drawn())
    with capture_logs() as lines:
        served = app(STRIPE, MemoryHarness().store)
        await tell(served, post)
        await tell(served, replace(post, body=post.body + b" "))
    assert len(lines) == 2
    told = repr(lines)
    assert not any(word in told for word in ("evt_1", "in_evt", "v1=", *STRIPE.secrets))


async def test_it_stays_open_when_its_address_may_ask_no_more_and_costs_it_nothing() -> None:
    harness = MemoryHarness()
    served, post = app(STRIPE, harness.store), genuine(drawn())
    other = replace(post, method="GET", path="/nowhere")
    assert (await tell(served, post)).status == 200
    assert [(await tell(served, other)).status for _ in range(3)] == [404, 429, 429]
    for seed in range(2, 30):
        said = await tell(served, genuine(drawn(seed=seed)))
        assert said.status == 200
        assert b"ratelimit" not in said.headers
    assert (await tell(served, replace(post, headers=()))).status == 400


@each_target
async def test_without_a_database_it_says_come_again_and_then_takes_it(target: Target) -> None:
    harness = MemoryHarness()
    store = Away(harness.store)
    served, post = app(target, store), genuine(drawn(target))
    said = await tell(served, post)
    assert (said.status, json.loads(said.body)["type"], said.headers[b"retry-after"]) == (503, "/problems/unavailable", b"5")
    store.is_away = False
    assert (await tell(served, post)).status == 200
    assert await count(harness) == 1


async def test_what_nobody_signed_is_refused_without_asking_the_database() -> None:
    post = genuine(drawn())
    assert (await tell(app(STRIPE, Away(MemoryHarness().store)), replace(post, body=post.body + b" "))).status == 400


async def test_a_database_that_hangs_is_answered_for_and_a_body_that_hangs_is_refused() -> None:
    served = app(STRIPE, Away(MemoryHarness().store, hangs=True))
    shorten(served, WEBHOOK, answer=0.01, arrival=0.01)
    assert (await tell(served, genuine(drawn()))).status == 503
    shorten(served, WEBHOOK, answer=60, arrival=0.01)
    assert (await tell(served, genuine(drawn()), whole=False)).status == 408


async def test_a_body_of_a_mebibyte_is_heard_and_a_byte_more_is_not() -> None:
    harness = MemoryHarness()
    served, draw = app(STRIPE, harness.store), drawn()
    assert (WEBHOOK_BODY.answer, WEBHOOK_BODY.body, WEBHOOK_BODY.arrival) == (5.0, 1 << 20, 5.0)
    for more, status in ((0, 200), (1, 413)):
        body = draw.body(pad="")
        body = body[:-2] + b"x" * ((1 << 20) + more - len(body)) + body[-2:]
        assert (await tell(served, draw.post("", body, draw.header(body)))).status == status
    assert await count(harness) == 1


@pytest.mark.parametrize("headers", [(), ((b"content-type", b"text/plain"),), ((b"authorization", b"Bearer x"),)], ids=str)
async def test_the_body_is_whatever_was_signed_and_other_credentials_mean_nothing(headers: Any) -> None:
    post: Post = genuine(drawn())
    signed = tuple(header for header in post.headers if header[0] == b"stripe-signature")
    assert (await tell(app(STRIPE, MemoryHarness().store), replace(post, headers=(*signed, *headers)))).status == 200
