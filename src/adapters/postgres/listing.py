"""Pages of an account's generations, newest first: each combination of filters is read along an index that holds just that."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from adapters.postgres.looking import COLLECTION, HISTORY, NEWEST_FIRST, OLDER, OWN, Looking, parameters
from adapters.postgres.pool import read_all
from adapters.postgres.searching import Searching
from adapters.postgres.session import Pool
from adapters.postgres.words import LIVE
from application.queries import GenerationFilter, Position
from domain.accounts import AccountId, Mode
from domain.generations import GenerationState

OPEN = frozenset(state for state in GenerationState if state.is_open)
_PLACE = "json_build_array(g.created_at, g.id)::text"
_KEY = "g.created_at, g.id"
_LIVE = f"{OWN} AND {LIVE}"
_RANGE = f"{OLDER} AND g.created_at > %(since)s"
_FROM = f"SELECT {_PLACE} FROM ({{branches}}) g {NEWEST_FIRST} LIMIT {{limit}}"
_HISTORY = f"SELECT {_PLACE} FROM generations g WHERE {_LIVE} AND {_RANGE} {NEWEST_FIRST} LIMIT {{limit}}"

# The shelves there are, each found by one step along the index.
_SHELVES = f"""
WITH RECURSIVE shelf AS (
    (SELECT g.model, g.kind, g.state, g.favourite FROM generations g WHERE {_LIVE} AND g.finished_at IS NOT NULL
    ORDER BY g.model, g.kind, g.state, g.favourite LIMIT 1)
    UNION ALL
    SELECT n.* FROM shelf s CROSS JOIN LATERAL (
        SELECT g.model, g.kind, g.state, g.favourite FROM generations g WHERE {_LIVE} AND g.finished_at IS NOT NULL
            AND (g.model, g.kind, g.state, g.favourite) > (s.model, s.kind, s.state, s.favourite)
        ORDER BY g.model, g.kind, g.state, g.favourite LIMIT 1) n
)
SELECT json_build_array(model, kind, state, favourite)::text FROM shelf
"""
_SHELF = f"""
(SELECT {_KEY} FROM generations g WHERE {_LIVE} AND g.finished_at IS NOT NULL AND {_RANGE}
    AND g.model = %(model{{n}})s AND g.kind = %(kind{{n}})s AND g.state = %(state{{n}})s AND g.favourite = %(favourite{{n}})s
{NEWEST_FIRST} LIMIT {{limit}})
"""
# Few are open, and each kind of them has its own small index.
_OPEN = f"""
(SELECT {_KEY} FROM generations g WHERE {_LIVE} AND {_RANGE} AND g.state = '{{state}}'
    AND (%(model)s::text IS NULL OR g.model = %(model)s) AND (%(kind)s::text IS NULL OR g.kind = %(kind)s)
    AND (%(favourite)s::boolean IS NULL OR g.favourite = %(favourite)s)
{NEWEST_FIRST} LIMIT {{limit}})
"""

Shelf = tuple[str, str, str, bool]


async def ids(
    pool: Pool, account: AccountId, mode: Mode, matching: GenerationFilter, after: Position | None, limit: int
) -> tuple[list[UUID], Position | None]:
    """The page's generations, and where the next one begins."""
    said = parameters(account, mode, matching, after)
    if said["at"] <= said["since"]:
        return [], None
    if matching.wanted or matching.collection or matching.trashed:
        looking = Looking(pool, said, matching.wanted, limit, trashed=bool(matching.trashed))
        if matching.collection:
            ended = await looking.walk(COLLECTION, said["since"])
        elif matching.wanted:
            ended = await Searching(pool, looking, matching.wanted, said["since"])(said)
        else:
            ended = await looking.walk(HISTORY, said["since"])
        return looking.page(ended=ended)
    statement, said = await _statement(pool, said, matching, limit + 1)
    rows = await read_all(pool, statement, said) if statement else []
    places = [msgspec.json.decode(row, type=Position) for row in rows]
    return [id for _, id in places[:limit]], places[limit - 1] if len(places) > limit else None


async def _statement(
    pool: Pool, said: Mapping[str, Any], matching: GenerationFilter, limit: int
) -> tuple[str | None, dict[str, Any]]:
    """None if nothing can fit."""
    if not matching.states and matching.favourite is None and not (matching.model or matching.kind):
        return _HISTORY.format(limit=limit), dict(said)
    found = [msgspec.json.decode(row, type=Shelf) for row in await read_all(pool, _SHELVES, dict(said))]
    shelves = [shelf for shelf in found if _fits(shelf, matching)]
    branches = [_SHELF.format(n=number, limit=limit) for number in range(len(shelves))]
    branches += [_OPEN.format(state=state, limit=limit) for state in sorted(OPEN) if state in (matching.states or OPEN)]
    names = ("model", "kind", "state", "favourite")
    chosen = {f"{name}{n}": value for n, shelf in enumerate(shelves) for name, value in zip(names, shelf, strict=True)}
    statement = _FROM.format(branches=" UNION ALL ".join(branches), limit=limit)
    return statement if branches else None, {**said, **chosen}


def _fits(shelf: Shelf, matching: GenerationFilter) -> bool:
    model, kind, state, favourite = shelf
    return (
        matching.model in (None, model)
        and matching.kind in (None, kind)
        and (not matching.states or state in matching.states)
        and matching.favourite in (None, favourite)
    )
