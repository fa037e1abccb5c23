"""The HTTP surface against its own OpenAPI document, and against what is no HTTP at all: never a fault of ours, nothing leaks."""

import asyncio
import random
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from uuid import UUID

import httpx

from adapters.postgres.audit import audit
from adapters.postgres.pool import open_pool
from application.credits import GrantCredits
from application.queries import Queries
from domain.accounts import AccountId, Mode, Staff
from domain.rate_limits import Policy
from tests import plain_http
from tests.clusters import migrated_postgres, new_database
from tests.documented import Part, attack
from tests.http_house import House, house
from tests.people import signed_in
from tests.processes import forks
from tests.raw_http import answers, nonsense
from tests.service import Customer, serving
from tests.world import REASON

CREDITS = 1_000_000
STUDIO = "https://studio.example"
SETTINGS = {"OPEN_GENERATIONS": "40", "CORS_ORIGINS": STUDIO}
"""Few unfinished generations: what is asked at random is mostly large, and painting would take the time from asking."""
TIGHT_REQUESTS = 300
TIGHT = {f"{policy.upper()}_REQUESTS_PER_MINUTE": str(TIGHT_REQUESTS) for policy in Policy} | {"TRUSTED_PROXIES": "127.0.0.1"}
ELSEWHERE = {"X-Forwarded-For": "203.0.113.7"}
"""Where the others are not: the limits of one address are the same at every process."""
GROWTH_BYTES = 64 * 2**20
AT_ONCE = 8
RAW_PART = 0.1
"""Of the time, before and after the part that follows the document."""


async def soak_api(seed: int, deadline: float, folder: Path) -> dict[str, int]:
    """Cases by check, and raw requests by kind. Raises AssertionError naming the seed, with a line to paste."""
    with migrated_postgres(folder / "postgres") as postgres:
        url = new_database(postgres)
        with house(url, folder, **SETTINGS) as served:
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
    counts += await _documented(served, who, seed, seconds * (1 - 2 * RAW_PART))
    counts += await _raw(served, who, seed + 1_000_000, max(deadline, time.monotonic() + 2))
    growth = _resident(api) - before
    assert growth < GROWTH_BYTES, f"the API process grew by {growth / 2**20:.0f} MB"
    assert "request_crashed" not in served.logs, "a request crashed"
    return dict(counts)


# What the document says


async def _documented(served: House, who: Customer, seed: int, seconds: float) -> Counter[str]:
    """Two callers at a time, each in a process of its own: making up a case takes as long as answering it."""
    address = str(served.client.base_url).rstrip("/")
    tight, where = TIGHT | {"DATA_DIR": str(served.folder)}, served.folder / "tight"
    with serving(served.database_url, where, processes=1, **tight) as (limited,), _processes() as pool:
        parts = [
            (1.0, Part("a program", address, key=who.key, headers={"Origin": STUDIO})),
            (0.55, Part("a person", address, person=_person(served, address, seed))),
            (0.15, Part("somebody frozen", address, key=_frozen(served).key, seen=frozenset((200, 403)))),
            (
                0.15,
                Part("somebody in a hurry", limited, key=_hurried(served, limited), headers=ELSEWHERE, seen=frozenset((429,))),
            ),
            (0.15, Part("nobody", address, seen=frozenset((200, 401)))),
        ]
        attacks = [asyncio.get_running_loop().run_in_executor(pool, attack, part, seed, seconds * share) for share, part in parts]
        found = await asyncio.gather(*attacks)
        assert "request_crashed" not in (where / "api.log").read_text(), "a request crashed"
    deviations = [said for _, told in found for said in told]
    assert not deviations, "\n\n".join(deviations[:5])
    return sum((counts for counts, _ in found), Counter(seconds=round(seconds)))


def _processes() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(2, get_context("spawn"))


def _frozen(served: House) -> Customer:
    frozen = served.customer(CREDITS)
    served.execute("UPDATE accounts SET frozen_at = now() WHERE id = %s", frozen.account)
    return frozen


def _hurried(served: House, address: str) -> str:
    """The key of somebody who has used up what one may ask in a minute."""
    who = served.customer()
    with plain_http.Client(base_url=address, headers=ELSEWHERE | who.headers, timeout=60) as client:
        statuses = [client.get("/v1/credits").status_code]
        while statuses[-1] == 200 and len(statuses) < 10 * TIGHT_REQUESTS:
            statuses.append(client.get("/v1/credits").status_code)
    assert (statuses[0], statuses[-1]) == (200, 429), f"asked {len(statuses)} times: {statuses[0]}, at last {statuses[-1]}"
    return who.key


def _person(served: House, address: str, seed: int) -> str:
    """Whose live wallet pays for all that is asked."""
    email = f"{seed}@example.test"
    with signed_in(address, email) as browser:
        account = AccountId(UUID(browser.get("/v1/me").json()["id"]))

    async def grant() -> None:
        parts = served.service.parts
        wallet = await (await parts.get(Queries)).wallet(account, Mode.LIVE)
        await (await parts.get(GrantCredits))(Staff(account, REASON), wallet, CREDITS)

    served.portal.call(grant)
    return email


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
    """The pid of the one API process."""
    (found,) = forks().running("api")
    return found.pid


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def _last_words(served: House) -> str:
    return "\n".join(line for line in served.logs.splitlines() if '"request"' not in line)[-2_000:]
