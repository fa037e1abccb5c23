"""A database that takes connections and says nothing: callers are told so in time, and served when it wakes."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from adapters.postgres.embedded import EmbeddedPostgres
from entrypoints.http.app import HttpConfig, create_app
from entrypoints.http.auth import routes
from tests import plain_http
from tests.clusters import migrated_postgres, new_database
from tests.processes import tree_of
from tests.service import customer
from tests.world import world

pytestmark = pytest.mark.anyio
SECONDS = 0.5
"""What the route has here."""
DEADLINE = 4.0
"""Before any limit of the driver or of the database ends the wait."""


@contextmanager
def frozen(postgres: EmbeddedPostgres) -> Iterator[None]:
    processes = tree_of(int((postgres.data / "postmaster.pid").read_text().split()[0]))
    try:
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        yield
    finally:
        for process in reversed(processes):
            os.kill(process, signal.SIGCONT)


async def test_a_frozen_database_is_answered_for_in_time_and_served_from_when_it_wakes(tmp_path: Path) -> None:
    with migrated_postgres(tmp_path / "postgres") as postgres:
        async with world(new_database(postgres), tmp_path, database_connections=2) as service:
            who = await customer(service, 7)
            app = create_app(service.parts, HttpConfig("1", limited=False))
            for path, handler in routes(app):
                if path == "/v1/credits":
                    handler.opt["bounds"] = replace(handler.opt["bounds"], answer=SECONDS)
            async with plain_http.AsyncClient(
                transport=httpx.ASGITransport(cast(Any, app)), base_url="http://x", headers=who.headers
            ) as client:
                assert (await client.get("/v1/credits")).json()["available"] == 7
                with frozen(postgres):
                    async with asyncio.timeout(DEADLINE):
                        answers = await asyncio.gather(*(client.get("/v1/credits") for _ in range(4)))
                    assert [(said.status_code, said.json()["type"]) for said in answers] == [(503, "/problems/unavailable")] * 4
                async with asyncio.timeout(60):
                    while (await client.get("/v1/credits")).status_code != 200:
                        await asyncio.sleep(0.05)
