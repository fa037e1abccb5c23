"""Many at once on one wallet, pictures at a real S3: nobody spends a credit twice."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import psycopg
import pytest

from tests import plain_http
from tests.service import customer, serving
from tests.weed import ON_S3, Weed
from tests.world import world

pytestmark = [pytest.mark.anyio, ON_S3]

REQUESTS, BALANCE, PROCESSES = 1_000, 100, 4
CHEAPEST = {"prompt": "a dot", "size": "16x16", "quality": "low", "max_credits": 1}


async def test_a_thousand_requests_at_once_on_a_hundred_credits(new_database_url: str, tmp_path: Path, s3: Weed) -> None:
    async with world(new_database_url, tmp_path, picture_workers=1) as service:
        buyer = await customer(service, BALANCE)
        with serving(new_database_url, tmp_path, processes=PROCESSES, OPEN_GENERATIONS="10000", **s3.environment) as addresses:
            limits = httpx.Limits(max_connections=REQUESTS)
            async with AsyncExitStack() as stack:
                clients = [  # one for each process: what a client spends on a request grows with its connections
                    await stack.enter_async_context(
                        plain_http.AsyncClient(base_url=address, headers=buyer.headers, timeout=120, limits=limits)
                    )
                    for address in addresses
                ]
                asked = (clients[number % PROCESSES].post("/v1/generations", json=CHEAPEST) for number in range(REQUESTS))
                answers = await asyncio.gather(*asked)
        statuses = Counter(answer.status_code for answer in answers)
        assert statuses == {202: BALANCE, 402: REQUESTS - BALANCE}
        refused = next(answer.json() for answer in answers if answer.status_code == 402)
        assert (refused["required"], refused["available"]) == (1, 0)
    with psycopg.connect(new_database_url) as connection:
        row = connection.execute("SELECT available, held, version FROM wallets WHERE id = %s", (buyer.wallet,)).fetchone()
        assert row == (0, BALANCE, BALANCE + 1)
        counts = (
            "SELECT (SELECT count(*) FROM generations), (SELECT count(*) FROM holds), (SELECT count(*) FROM procrastinate_jobs)"
        )
        assert connection.execute(counts).fetchone() == (BALANCE, BALANCE, BALANCE)
