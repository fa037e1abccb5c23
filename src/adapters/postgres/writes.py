"""What a transaction will write, gathered and sent as one statement.

A round trip and a parse cost more than the rows themselves. Each table's rows travel as one JSON parameter, whose keys are the
table's columns; a statement for a given set of tables is put together once.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

import msgspec
from psycopg import AsyncConnection, AsyncRawCursor
from sqlalchemy import Table

QUEUE = "generations"
TASK = "wake"


# The one row of a record function: the planner knows that it is one, and looks its few endpoints up by their index.
TELL = """
INSERT INTO webhook_deliveries (id, endpoint_id, kind, subject, state, at, outcome, tries, resume_at)
SELECT r.id, e.id, r.kind, r.subject, r.state, r.at, 'waiting', 0, r.at
FROM json_to_record(${number}::json)
    AS r(id uuid, account_id uuid, mode text, kind text, subject uuid, state text, at timestamptz)
JOIN webhook_endpoints e ON e.account_id = r.account_id AND e.mode = r.mode
WHERE e.disabled_at IS NULL AND r.kind = ANY(e.events) ON CONFLICT DO NOTHING
"""


class Way(StrEnum):
    """How a row is written."""

    NEW = "new"
    PUT = "put"
    CHANGE = "change"


Part = tuple[Table, Way]


class Writes:
    def __init__(self) -> None:
        self._rows: dict[Part, list[Mapping[str, Any]]] = {}
        self._wakeups: list[datetime | None] = []
        self._told: list[Mapping[str, Any]] = []

    def insert(self, table: Table, thing: object, **more: Any) -> None:
        """A new row: each column is taken from `more`, else from the field of that name."""
        self._rows.setdefault((table, Way.NEW), []).append(_row(table, thing, more))

    def put(self, table: Table, thing: object, **more: Any) -> None:
        """A new row, or new values for the row with the same primary key."""
        self._rows.setdefault((table, Way.PUT), []).append(_row(table, thing, more))

    def update(self, table: Table, thing: object) -> None:
        """New values for a row that exists, for those columns that are fields of `thing`; the others stay."""
        fields = {name: getattr(thing, name) for name in _columns(table) if hasattr(thing, name)}
        self._rows.setdefault((table, Way.CHANGE), []).append(fields)

    def wake(self, at: datetime | None) -> None:
        self._wakeups.append(at)

    def tell(self, event: Mapping[str, Any]) -> None:
        """A delivery to each endpoint that wants it."""
        self._told.append(event)

    async def send(self, connection: AsyncConnection[Any]) -> bool:
        """Send what has gathered; whether it holds a wake-up."""
        if not self._rows and not self._wakeups and not self._told:
            return False
        parts = tuple((table, way, tuple(rows[0]), len(rows) == 1) for (table, way), rows in self._rows.items())
        parameters = [_document(rows[0] if len(rows) == 1 else rows) for rows in self._rows.values()]
        parameters += map(_document, self._told)
        if self._wakeups:
            parameters.append(_document([at or "null" for at in self._wakeups]))
        # Raw: the driver would look for placeholders in a text of this length each time it is sent.
        await AsyncRawCursor(connection).execute(_statement(parts, len(self._told), bool(self._wakeups)), parameters)
        woken = bool(self._wakeups)
        self._rows, self._wakeups, self._told = {}, [], []
        return woken


@cache
def _columns(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns)


def _row(table: Table, thing: object, more: Mapping[str, Any]) -> dict[str, Any]:
    return {name: more[name] if name in more else getattr(thing, name) for name in _columns(table)}


def _document(rows: object) -> str:
    return msgspec.json.encode(rows).decode()


@cache
def _statement(parts: tuple[tuple[Table, Way, tuple[str, ...], bool], ...], told: int, wakes: bool) -> bytes:
    """The n-th part is the n-th parameter, then come events, the wake-ups are the last."""
    written = [
        f"{way.value}_{table.name} AS ({_write(table, way, columns, _rows(table, number, alone))})"
        for number, (table, way, columns, alone) in enumerate(parts, 1)
    ]
    events = range(len(parts) + 1, len(parts) + 1 + told)
    written += [f"told_{number} AS ({TELL.format(number=number)})" for number in events]
    with_writes = f"WITH {', '.join(written)} " if written else ""
    return (with_writes + (_wake(len(parts) + told + 1) if wakes else "SELECT 1")).encode()


def _rows(table: Table, number: int, alone: bool) -> str:
    """One row is not told as a list of one: the planner takes a list for a hundred rows and would scan a whole table for them."""
    of = "json_populate_record" if alone else "json_populate_recordset"
    return f"{of}(NULL::{table.name}, ${number}::json) AS r"


def _write(table: Table, way: Way, columns: tuple[str, ...], rows: str) -> str:
    key = [column.name for column in table.primary_key.columns]
    changed = [name for name in columns if name not in key]
    if way is Way.CHANGE:
        changes = ", ".join(f'"{name}" = r."{name}"' for name in changed)
        return f"UPDATE {table.name} AS t SET {changes} FROM {rows} WHERE " + " AND ".join(f"t.{k} = r.{k}" for k in key)
    named = ", ".join(f'"{name}"' for name in columns)
    insert = f"INSERT INTO {table.name} ({named}) SELECT {named} FROM {rows}"
    if way is Way.NEW:
        return insert
    changes = ", ".join(f'"{name}" = EXCLUDED."{name}"' for name in changed)
    return f"{insert} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"


def _wake(number: int) -> str:
    token = f"'{QUEUE}', '{TASK}', 0, NULL, NULL, '{{}}'::jsonb, NULLIF(at, 'null')::timestamptz"
    tokens = f"array_agg(ROW({token})::procrastinate_job_to_defer_v1)"
    return f"SELECT procrastinate_defer_jobs_v1({tokens}) FROM json_array_elements_text(${number}::json) AS token(at)"
