"""Rate limits of real API processes over one database."""

import time
from pathlib import Path

import psycopg
from anyio.from_thread import start_blocking_portal

from domain.accounts import Mode
from tests import plain_http
from tests.http_house import check_problem
from tests.service import Customer, customer, serving
from tests.world import world

QUOTA = 100


def test_two_processes_hold_a_key_to_one_rate_and_keep_no_address(new_database_url: str, tmp_path: Path) -> None:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(world(new_database_url, tmp_path, picture_workers=1)) as service,
        serving(new_database_url, tmp_path, processes=2, KEY_REQUESTS_PER_MINUTE=str(QUOTA)) as addresses,
        plain_http.Client(timeout=60) as client,
    ):
        who: Customer = portal.call(lambda: customer(service, 0, Mode.TEST))
        began = time.monotonic()
        answers = [client.get(f"{address}/v1/credits", headers=who.headers) for _ in range(QUOTA) for address in addresses]
        seconds = time.monotonic() - began
    passed = [answer for answer in answers if answer.status_code == 200]
    assert QUOTA <= len(passed) <= QUOTA + QUOTA * seconds / 60
    assert all('"key";q=100;w=60' in answer.headers["ratelimit-policy"] for answer in answers)
    for refused in set(answers) - set(passed):
        check_problem(refused, 429, "rate-limited", policy="key", limit=QUOTA)
        assert int(refused.headers["retry-after"]) >= 1
    with psycopg.connect(new_database_url) as connection:
        rows = connection.execute("SELECT b::text FROM rate_buckets b").fetchall()
    assert len(rows) == 3, "a key, an account, an address"
    kept = str(rows) + (tmp_path / "api.log").read_text()
    assert "7f000001" not in kept, "the address in its four bytes"
