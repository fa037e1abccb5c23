"""What an account made and paid, in Postgres: one walk over what was delivered in those days, and one with the collections."""

from datetime import UTC, date, datetime, time
from uuid import UUID

import msgspec

from adapters.postgres.pool import read_all
from adapters.postgres.session import Pool, unavailable
from application.library import StatisticsQueries
from domain.accounts import AccountId, Mode
from domain.statistics import Days, Statistics, Sum

# The predicate is that of the index `generations_delivered`. Skeletons count: what was paid stays paid.
_DELIVERED = """
SELECT g.id, g.model, g.key_id, g.delivered, g.unit, (g.finished_at AT TIME ZONE 'UTC')::date AS day FROM generations g
WHERE g.account_id = %(account)s AND g.mode = %(mode)s AND g.state = 'succeeded'
    AND g.finished_at >= %(since)s AND g.finished_at <= %(until)s
"""
_SUM = "'sum', json_build_object('generations', count(*), 'pictures', sum(delivered), 'credits', sum(unit * delivered))"
BY_ALL = f"""
SELECT json_build_object('by', grouping(day, model, key_id), 'day', day, 'model', model, 'key', key_id, {_SUM})::text
FROM ({_DELIVERED}) d GROUP BY GROUPING SETS ((), (day), (model), (key_id))
"""
BY_COLLECTION = f"""
SELECT json_build_object('id', c.id, 'name', c.name, {_SUM})::text
FROM ({_DELIVERED}) d JOIN collection_items i ON i.generation_id = d.id JOIN collections c ON c.id = i.collection_id
GROUP BY c.id, c.name ORDER BY c.id
"""
_DAY, _MODEL, _KEY, _TOTAL = 0b011, 0b101, 0b110, 0b111
"""How the database names a group: a one for each column that it does not tell apart."""


class _Row(msgspec.Struct):
    by: int
    day: date | None
    model: str | None
    key: UUID | None
    sum: "_Sum"


class _Sum(msgspec.Struct):
    """Nothing at all has no sums."""

    generations: int
    pictures: int | None
    credits: int | None

    @property
    def told(self) -> Sum:
        return Sum(self.generations, self.pictures or 0, self.credits or 0)


class _Collection(msgspec.Struct):
    id: UUID
    name: str
    sum: _Sum


_row, _collection = msgspec.json.Decoder(_Row), msgspec.json.Decoder(_Collection)


class PostgresStatistics(StatisticsQueries):
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def __call__(self, account: AccountId, mode: Mode, asked: Days) -> Statistics:
        since = datetime.combine(asked.first, time(), UTC)
        until = datetime.combine(asked.last, time.max, UTC)
        which = {"account": account, "mode": mode, "since": since, "until": until}
        with unavailable():
            rows = [_row.decode(row) for row in await read_all(self._pool, BY_ALL, which)]
            collections = [_collection.decode(row) for row in await read_all(self._pool, BY_COLLECTION, which)]
        days = {row.day: row.sum.told for row in rows if row.by == _DAY}
        return Statistics(
            asked=asked,
            total=next(row.sum.told for row in rows if row.by == _TOTAL),
            days={day: days.get(day, Sum()) for day in asked},
            models={row.model: row.sum.told for row in rows if row.by == _MODEL and row.model},
            keys={row.key: row.sum.told for row in rows if row.by == _KEY},
            collections={row.id: (row.name, row.sum.told) for row in collections},
        )
