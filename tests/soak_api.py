"""The HTTP surface against its own OpenAPI document, and against what is no HTTP at all: never a fault of ours, nothing leaks."""

import asyncio
import os
import random
import time
from collections import Counter
from pathlib import Path

import httpx
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from adapters.postgres.audit import audit
from adapters.postgres.pool import open_pool
from tests.clusters import migrated_postgres, new_database
from tests.http_house import House, house
from tests.processes import tree_of
from tests.raw_http import answers, nonsense
from tests.service import Customer

CREDITS = 1_000_000
OPEN = "40"
"""Unfinished generations: what is asked at random is mostly large, and painting would take the time from asking."""
GROWTH_BYTES = 64 * 2**20
AT_ONCE = 8
RAW_PART = 0.15
"""Of the time, before and after the part that follows the document."""


async def soak_api(seed: int, deadline: float, folder: Path) -> dict[str, int]:
    """Cases by check, and raw requests by kind. Raises AssertionError naming the seed, with a line to paste."""
    with migrated_postgres(folder / "postgres") as postgres:
        url = new_database(postgres)
        with house(url, folder, OPEN_GENERATIONS=OPEN) as served:
            try:
                counts = await _attack(served, seed, deadline)
            except AssertionError as error:
                raise AssertionError(f"{_last_words(served)}\nseed {seed}: {error}") from error
        async with open_pool(url, size=2) as pool:
            report = await audit(pool)
        assert report.is_clean, f"seed {seed}: {report.findings}"
    return counts


async def _attack(served: House, seed: int, deadline: float) -> dict[str, int]:
    who, api = served.customer(CREDITS), _api()
    seconds = max(deadline - time.monotonic(), 10.0)
    counts = await _raw(served, who, seed, time.monotonic() + seconds * RAW_PART)
    before = _resident(api)
    counts += await asyncio.to_thread(_documented, served, who, seed, seconds * (1 - 2 * RAW_PART))
    counts += await _raw(served, who, seed + 1_000_000, max(deadline, time.monotonic() + 2))
    growth = _resident(api) - before
    assert growth < GROWTH_BYTES, f"the API process grew by {growth / 2**20:.0f} MB"
    assert "request_crashed" not in served.logs, "a request crashed"
    return dict(counts)


# What the document says


def _documented(served: House, who: Customer, seed: int, seconds: float) -> Counter[str]:
    """Every operation with data that fits the document and data that does not, alone and in sequences."""
    counts, failures = Counter[str](), list[str]()
    schema = schemathesis.openapi.from_url(f"{served.client.base_url}/openapi.json", config=_config(seed, seconds, who))
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            failures.append(f"the suite itself broke: {getattr(event, 'info', event)}")
        if isinstance(event, events.ScenarioFinished):
            counts["cases"] += len(event.recorder.interactions)
            for check in (check for checks in event.recorder.checks.values() for check in checks):
                counts[f"checks of {check.name}"] += 1
                if found := check.failure_info:
                    failures.append(f"{check.name} of {event.label}: {found.failure.message}\n{found.code_sample}")
    assert not failures, "\n\n".join(failures[:5]).replace("[Filtered]", f"Bearer {who.key}")
    return counts


def _config(seed: int, seconds: float, who: Customer) -> SchemathesisConfig:
    return SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "max-time": max(int(seconds), 1),
            "max-failures": 5,
            "auth": {"openapi": {"key": {"bearer": who.key}}},
            "generation": {"database": "none", "max-examples": 50},
            "checks": {
                # Cursors, links and ids are made up by whoever follows the document; they fit it and are still not ours.
                "positive_data_acceptance": {"enabled": False},
                # Beside the usual: what is wrong may first be found too dear, deleted, or too large.
                "negative_data_rejection": {"expected-statuses": ["4xx"]},
            },
            "operations": [
                # A deleted generation lies in the trash for seven days, and its owner can look at it there.
                {"include-path-regex": "^/v1/generations/", "checks": {"use_after_free": {"enabled": False}}},
            ],
        }
    )


# What is no HTTP


async def _raw(served: House, who: Customer, seed: int, until: float) -> Counter[str]:
    counts, stream, hurry = Counter[str](), nonsense(seed, who.key), random.Random(seed)
    base = served.client.base_url

    async def one() -> None:
        for kind, sent in stream:
            if time.monotonic() >= until:
                return
            try:
                hang_up = kind == "half a request" or hurry.random() < 0.1
                statuses = await answers(base.host, base.port or 0, sent, hang_up=hang_up)
            except ConnectionError as error:
                raise AssertionError(f"{error!r} after {kind}: {sent[:2_000]!r}") from None
            assert all(status < 500 for status in statuses), f"{statuses} after {kind}: {sent[:2_000]!r}"
            counts[f"raw: {kind}"] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(one())
    _lives(served)
    return counts


def _lives(served: House) -> None:
    try:
        assert served.client.get("/health/ready").status_code == 200
    except httpx.TransportError as error:
        raise AssertionError(f"the API does not answer any more: {error!r}") from None


def _api() -> int:
    """The one API process among our descendants."""
    said = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in tree_of(os.getpid())}
    (found,) = [pid for pid, words in said.items() if b"entrypoints.command" in words and b"api" in words]
    return found


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def _last_words(served: House) -> str:
    return "\n".join(line for line in served.logs.splitlines() if '"request"' not in line)[-2_000:]
