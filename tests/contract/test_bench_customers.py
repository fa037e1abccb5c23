"""The customers that the bench makes in bulk are such as the service makes: their keys open, and their books are whole."""

import pytest

from adapters.postgres.audit import audit
from adapters.postgres.queries import PostgresQueries
from adapters.postgres.session import Pool
from application.api_keys import hash_key
from bench.customers import CREDITS, LOTS, seed
from domain.accounts import Mode

pytestmark = pytest.mark.anyio


async def test_their_keys_open_and_their_credits_are_there(pool: Pool, database_url: str) -> None:
    queries = PostgresQueries(pool)
    for customer in await seed(database_url, 3):
        assert await queries.caller(hash_key(customer.secret)) == customer.caller
        wallet = await queries.wallet(customer.account.id, Mode.TEST)
        assert (await queries.credits(wallet)).available == CREDITS * len(LOTS)
    assert (await audit(pool)).is_clean
