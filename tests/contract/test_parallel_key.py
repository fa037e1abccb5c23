"""Five hundred equal requests at once with one key: one generation, one hold, one wake-up."""

import asyncio
from collections import Counter
from pathlib import Path

import httpx
import psycopg
import pytest

from tests import plain_http
from tests.processes import part
from tests.service import customer, serving
from tests.world import world

pytestmark = pytest.mark.anyio

REQUESTS = 500
CHEAPEST = {"prompt": "a dot", "size": "16x16", "quality": "low"}
_MADE = """SELECT (SELECT count(*) FROM generations), (SELECT count(*) FROM holds), (SELECT count(*) FROM procrastinate_jobs),
    (SELECT count(*) FROM idempotency_keys)"""


@pytest.mark.parametrize(("path", "status"), [("/v1/generations", 202), ("/v1/images/generations", 200)])
async def test_five_hundred_at_once_are_one(path: str, status: int, new_database_url: str, tmp_path: Path) -> None:
    async with world(new_database_url, tmp_path, picture_workers=1) as service:
        buyer = await customer(service, 100)
    with serving(new_database_url, tmp_path, processes=2) as addresses:
        limits = httpx.Limits(max_connections=REQUESTS)
        headers = buyer.headers | {"Idempotency-Key": "k"}
        clients = [plain_http.AsyncClient(base_url=at, headers=headers, timeout=120, limits=limits) for at in addresses]
        asked = [asyncio.create_task(clients[number % 2].post(path, json=CHEAPEST)) for number in range(REQUESTS)]
        with psycopg.connect(new_database_url, autocommit=True) as connection:
            async with asyncio.timeout(100):
                while connection.execute(_MADE).fetchone() != (1, 1, 1, 1):
                    await asyncio.sleep(0.05)
            if status == 202:
                await asyncio.gather(*asked)
            assert connection.execute(_MADE).fetchone() == (1, 1, 1, 1)
            with part("worker", tmp_path, DATABASE_URL=new_database_url, PORT=addresses[0].rpartition(":")[2]):
                answers = await asyncio.gather(*asked)
            assert (connection.execute(_MADE).fetchone() or ())[:2] == (1, 1)
        for client in clients:
            await client.aclose()
    assert Counter(answer.status_code for answer in answers) == {status: REQUESTS}
    ids = {answer.headers.get("x-generation-id") or answer.json()["id"] for answer in answers}
    assert len(ids) == 1
