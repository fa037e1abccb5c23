"""Finished generations, put into the database as they are: a library without the painting."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from tests.http_house import House
from tests.service import Customer
from tests.world import new_id

REQUEST = {
    "model": "gpt-image-2",
    "prompt": "a boat",
    "n": 1,
    "size": {"width": 64, "height": 64},
    "quality": "low",
    "output_format": "png",
}


def finished(served: House, who: Customer, number: int, at: datetime | None = None, **said: Any) -> list[str]:
    """So many of this customer's, one a second up to `at`, delivered without a picture; `said`: other columns."""
    last, made = at or datetime.now(UTC) - timedelta(hours=1), [str(new_id()) for _ in range(number)]
    with psycopg.connect(served.database_url) as connection, connection.cursor() as cursor:
        for turn, id in enumerate(made):
            when = last - timedelta(seconds=number - turn)
            row = {
                "id": id,
                "account_id": who.account,
                "wallet_id": who.wallet,
                "mode": "test",
                "kind": "generate",
                "model": REQUEST["model"],
                "request": REQUEST,
                "n": 1,
                "unit": 2,
                "priority": 100,
                "created_at": when,
                "deadline": when + timedelta(hours=1),
                "hold_expires_at": when + timedelta(hours=2),
                "state": "succeeded",
                "started_at": when,
                "finished_at": when + timedelta(milliseconds=500),
                "delivered": 1,
                "metadata": {},
            } | said
            values = [Jsonb(value) if isinstance(value, dict) else value for value in row.values()]
            marks = ", ".join(["%s"] * len(row))
            cursor.execute(f"INSERT INTO generations ({', '.join(row)}) VALUES ({marks})".encode(), values)
    return made
