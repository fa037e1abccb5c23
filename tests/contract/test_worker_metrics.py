"""What a worker tells its operators: metrics and health on its own loopback port, and one line when the provider refuses us."""

import asyncio
import json
import math
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import httpx
import psycopg
import pytest

from application.generations import RequestGeneration
from application.hints import TakeHint
from application.staff_queries import StaffQueries
from domain.accounts import Caller, Mode
from domain.billing import Hint
from domain.generations import GenerationId
from domain.requests import Asked, Sandbox
from entrypoints.draining import Drain
from entrypoints.vitals import Vitals, served
from tests import plain_http
from tests.clusters import migrated_postgres, new_database
from tests.forks import Fork
from tests.processes import part, until
from tests.provider import provider
from tests.world import World, world

pytestmark = pytest.mark.anyio
LABELS = {"model": "gpt-image-2", "mode": "test"}


class Told:
    """What the metrics of a worker say at one moment."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))

    def __call__(self, name: str, **labels: str) -> float:
        said = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
        return float(self._values.get(f"{name}{{{said}}}" if said else name, 0))


@contextmanager
def a_worker(folder: Path, **said: str) -> Iterator[tuple[Fork, str]]:
    """A worker and where it tells of itself."""
    with part("worker", folder, **said) as worker:
        until(lambda: '"working"' in worker.log.read_text() or worker.has_ended, "the worker to work")
        yield worker, "http://" + re.findall(r'"address": "([^"]+)"', worker.log.read_text())[-1]


def lines(worker: Fork, event: str) -> list[dict[str, Any]]:
    said = [json.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{")]
    return [{name: line.get(name) for name in ("error", "where")} for line in said if line["event"] == event]


async def ask(service: World, caller: Caller, **more: Any) -> GenerationId:
    return (await (await service.parts.get(RequestGeneration))(caller, Asked(prompt="a most private boat", **more)))[0]


def states(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [state for (state,) in connection.execute("SELECT state FROM generations ORDER BY id").fetchall()]


async def soon(found: Any, what: str) -> Any:
    return await asyncio.to_thread(until, found, what)


async def test_calls_and_the_queue_are_told_and_nothing_of_a_caller(new_database_url: str, tmp_path: Path) -> None:
    async with world(new_database_url, tmp_path, picture_workers=1) as service:
        caller, behind = await service.caller(credits=100), 5  # one more than a worker holds while it has no place for them
        with a_worker(tmp_path, DATABASE_URL=new_database_url, WORKER_CONCURRENCY="1") as (_, address):

            def told() -> Told:
                return Told(plain_http.get(f"{address}/metrics").text)

            assert plain_http.get(f"{address}/health").json() == {"database": True, "stopping": False, "handing_back": False}
            assert plain_http.get(f"{address}/elsewhere").status_code == 404
            await ask(service, caller, size="64x64", sandbox=Sandbox(latency_ms=4_000))
            await soon(lambda: told()("calls_in_flight") == 1, "the call to be out")
            for _ in range(behind):
                await ask(service, caller, size="64x64")
            now = told()
            assert (now("generations_queued"), now("generations_running"), now("generations_uncertain")) == (behind, 1, 0)
            assert now("tokens_waiting") >= 1
            assert now("oldest_queued_seconds") >= 0
            await soon(lambda: states(new_database_url) == ["succeeded"] * (1 + behind), "all to end")
            now = told()
            assert now("attempts_total", **LABELS, outcome="executed") == 1 + behind
            assert now("call_seconds_count", **LABELS) == 1 + behind
            assert now("call_seconds_sum", **LABELS) >= 4
            assert (now("calls_in_flight"), now("generations_queued"), now("oldest_queued_seconds")) == (0, 0, 0)
            assert {"payment_hints_waiting 0.0", "oldest_hint_seconds 0.0"} <= set(now.text.splitlines())
            assert not any(word in now.text for word in ("private", str(caller.account_id)))


async def test_a_call_whose_answer_is_lost_is_counted_as_unknown(new_database_url: str, tmp_path: Path) -> None:
    async with world(new_database_url, tmp_path, picture_workers=1) as service:
        caller = await service.caller(credits=100, mode=Mode.LIVE)
        with provider(tmp_path) as openai:
            openai.mood("[fault: reset]")
            known = {"OPENAI_API_KEY": "sk-any", "OPENAI_BASE_URL": openai.url, "BACK_OFF_SECONDS": "60"}
            with a_worker(tmp_path, DATABASE_URL=new_database_url, LEASE_SECONDS="30", **known) as (_, address):
                await ask(service, caller, size="1024x1024", quality="low")

                def unknown() -> float:
                    return Told(plain_http.get(f"{address}/metrics").text)(
                        "attempts_total", model="gpt-image-2", mode="live", outcome="unknown"
                    )

                await soon(lambda: unknown() >= 1, "a call to end unknown")


async def test_a_hint_that_cannot_be_followed_is_told_and_keeps_no_picture_waiting(new_database_url: str, tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:1"
    away = {
        "STRIPE_SECRET_KEY": "sk_test_x",
        "STRIPE_WEBHOOK_SECRETS": "whsec_x",
        "STRIPE_BASE_URL": nowhere,
        "PUBLIC_URL": nowhere,
    }
    async with world(new_database_url, tmp_path, picture_workers=1) as service:
        caller, happened = await service.caller(credits=100), datetime(2026, 11, 1, tzinfo=UTC)
        await (await service.parts.get(TakeHint))(Hint("evt_1", "customer.updated", happened, "customer", "cus_1"))
        with a_worker(tmp_path, DATABASE_URL=new_database_url, WORKER_CONCURRENCY="1", **away) as (_, address):

            def told(name: str, **labels: str) -> float:
                return Told(plain_http.get(f"{address}/metrics").text)(name, **labels)

            await soon(lambda: told("payment_hints_total", outcome="put_off") == 1, "the hint to be put off")
            assert (told("payment_hints_total", outcome="handled"), told("payment_hints_waiting")) == (0, 1)
            assert told("oldest_hint_seconds") > 0
            await ask(service, caller, size="64x64")
            await soon(lambda: states(new_database_url) == ["succeeded"], "the picture")


async def test_whoever_is_told_the_address_is_heard_at_once() -> None:
    async with served(Vitals(cast(StaffQueries, None), lambda: 1, Drain()), 0, None) as address:
        host, port = address.split(":")
        socket.create_connection((host, int(port)), timeout=5).close()


async def test_without_its_database_a_worker_is_not_well_and_says_what_it_knows(tmp_path: Path) -> None:
    with migrated_postgres(tmp_path / "postgres") as postgres:
        said = {"DATABASE_URL": new_database(postgres), "LEASE_SECONDS": "30"}
        with a_worker(tmp_path, **said) as (_, address):
            await soon(lambda: plain_http.get(f"{address}/health").status_code == 200, "the worker to be well")
            postgres.stop()
            told = Told(plain_http.get(f"{address}/metrics", timeout=30).text)
            assert math.isnan(told("generations_queued"))
            assert told("calls_in_flight") == 0
            await soon(lambda: _ill(address), "the worker to know that it is not well")


def _ill(address: str) -> bool:
    """It answers so until it gives up, and then not at all."""
    try:
        answer = plain_http.get(f"{address}/health", timeout=30)
    except httpx.TransportError:
        return True
    return answer.status_code == 503 and answer.json()["database"] is False


async def test_a_taken_port_is_named_in_one_line(new_database_url: str, tmp_path: Path) -> None:
    with a_worker(tmp_path / "one", DATABASE_URL=new_database_url) as (_, address):
        port = address.rsplit(":", 1)[1]
        with part("worker", tmp_path / "two", DATABASE_URL=new_database_url, WORKER_PORT=port) as second:
            assert await asyncio.to_thread(second.wait, 60) == 1
        assert f"127.0.0.1:{port} cannot be used" in second.log.read_text()
        assert "set WORKER_PORT" in second.log.read_text()


async def test_a_refused_key_is_said_once_and_a_worker_with_a_new_one_goes_on_at_once(
    new_database_url: str, tmp_path: Path
) -> None:
    """The gate is closed for ten minutes; a new key does not wait for them."""
    async with world(new_database_url, tmp_path, picture_workers=1) as service:
        caller = await service.caller(credits=100, mode=Mode.LIVE)
        with provider(tmp_path) as openai:
            said = {"DATABASE_URL": new_database_url, "OPENAI_BASE_URL": openai.url, "BACK_OFF_SECONDS": "0.2"}
            with a_worker(tmp_path / "one", **said, DATA_DIR=str(tmp_path), OPENAI_API_KEY="sk-refused") as (worker, _):
                await soon(lambda: lines(worker, "provider_refused"), "the start to say so")
                assert lines(worker, "provider_refused") == [{"error": "key refused", "where": "start"}]
                for _ in range(3):
                    await ask(service, caller, size="1024x1024", quality="low")
                await soon(lambda: len(lines(worker, "provider_refused")) > 1, "the closed gate to be said")
                await soon(lambda: states(new_database_url) == ["queued"] * 3, "all to wait")
            closings = [line for line in lines(worker, "provider_refused") if line["where"] != "start"]
            assert closings == [{"error": "invalid_api_key", "where": "gpt-image-2"}]
            assert "sk-refused" not in worker.log.read_text()
            with a_worker(tmp_path / "two", **said, DATA_DIR=str(tmp_path), OPENAI_API_KEY="sk-good") as (other, _):
                await soon(lambda: states(new_database_url) == ["succeeded"] * 3, "the new key to be used")
            assert lines(other, "provider_refused") == []
            assert sum(call.made for call in openai.calls()) == 3
