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
from psycopg import AsyncConnection
from sqlalchemy import Table

QUEUE = "generations"
TASK = "wake"

_WAKE = f"""
SELECT procrastinate_defer_jobs_v1(array_agg(
    ROW('{QUEUE}', '{TASK}', 0, NULL, NULL, '{{}}'::jsonb, NULLIF(at, 'null')::timestamptz)::procrastinate_job_to_defer_v1))
FROM json_array_elements_text(%(wakeups)s::json) AS token(at)
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

    async def send(self, connection: AsyncConnection[Any]) -> bool:
        """Send what has gathered; whether it holds a wake-up."""
        if not self._rows and not self._wakeups:
            return False
        parts = tuple((table, way, tuple(rows[0])) for (table, way), rows in self._rows.items())
        parameters = {_name(table, way): msgspec.json.encode(rows).decode() for (table, way), rows in self._rows.items()}
        if self._wakeups:
            parameters["wakeups"] = msgspec.json.encode([at or "null" for at in self._wakeups]).decode()
        await connection.execute(_statement(parts, bool(self._wakeups)), parameters)
        woken = bool(self._wakeups)
        self._rows, self._wakeups = {}, []
        return woken


@cache
def _columns(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns)


def _row(table: Table, thing: object, more: Mapping[str, Any]) -> dict[str, Any]:
    return {name: more[name] if name in more else getattr(thing, name) for name in _columns(table)}


def _name(table: Table, way: Way) -> str:
    return f"{way.value}_{table.name}"


@cache
def _statement(parts: tuple[tuple[Table, Way, tuple[str, ...]], ...], wakes: bool) -> bytes:
    written = [f"{_name(table, way)} AS ({_write(table, way, columns)})" for table, way, columns in parts]
    with_writes = f"WITH {', '.join(written)} " if written else ""
    return (with_writes + (_WAKE if wakes else "SELECT 1")).encode()


def _write(table: Table, way: Way, columns: tuple[str, ...]) -> str:
    rows = f"json_populate_recordset(NULL::{table.name}, %({_name(table, way)})s::json) AS r"
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
