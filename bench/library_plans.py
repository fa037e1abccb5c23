"""What a read of the library made Postgres look at: each of its statements is run once more and explained."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from adapters.postgres import listing, looking, pool, queries, searching
from adapters.postgres.session import Pool

ROWS = ("generations", "collection_items")


@dataclass(slots=True)
class Plans:
    statements: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """What is read meanwhile."""

        async def read_all(of: Pool, statement: str, parameters: dict[str, Any]) -> list[Any]:
            self.statements.append((statement, parameters))
            return await pool.read_all(of, statement, parameters)

        with ExitStack() as stack:
            for reader in (listing, looking, searching, queries):
                stack.enter_context(mock.patch.object(reader, "read_all", read_all))
            yield

    async def looked(self, of: Pool) -> tuple[int, int, list[str]]:
        """Rows of the library that were read from a table or an index (the last statement's own page is not counted again),
        buffers, and the plans in words."""
        rows, buffers, said = 0, 0, list[str]()
        for number, (statement, parameters) in enumerate(self.statements):
            async with of.connection() as connection:
                explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
                found = await (await connection.execute(explain.encode(), parameters)).fetchone()
            plan = (found[0] if not isinstance(found[0], str) else json.loads(found[0]))[0]["Plan"] if found else {}
            buffers += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
            nodes = list(_scans(plan))
            said.append("; ".join(f"{node['Node Type']} {node.get('Index Name', '')} {_rows(node)} rows" for node in nodes))
            if number < len(self.statements) - 1 or len(self.statements) == 1:
                rows += sum(_rows(node) for node in nodes if node.get("Relation Name") in ROWS)
        return rows, buffers, said


def _scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Relation Name" in plan and plan["Actual Loops"]:
        yield plan
    for part in plan.get("Plans", ()):
        yield from _scans(part)


def _rows(node: dict[str, Any]) -> int:
    each: float = node["Actual Rows"]
    each += node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    loops: float = node["Actual Loops"]
    return round(each * loops)
