"""Turns in Postgres: one row an act."""

from datetime import datetime, timedelta
from uuid import UUID

from adapters.postgres.session import Session
from application.store import Turns

# Whoever is too early locks nothing: every worker asks many times a pace.
_TAKE = """
WITH first AS (
    INSERT INTO turns (name, holder, due) VALUES (%(name)s, %(holder)s, %(due)s) ON CONFLICT DO NOTHING RETURNING 1
), next AS (
    UPDATE turns SET holder = %(holder)s, due = %(due)s
    WHERE name = %(name)s AND (due <= %(now)s AND holder = %(holder)s OR due <= %(late)s) RETURNING 1
)
SELECT 1 FROM first UNION ALL SELECT 1 FROM next
"""
_PLACE = "SELECT place FROM turns WHERE name = %(name)s"
_MOVE = "UPDATE turns SET place = %(place)s WHERE name = %(name)s RETURNING 1"
_REST = "UPDATE turns SET due = %(until)s WHERE name = %(name)s AND holder = %(holder)s RETURNING 1"


class PostgresTurns(Turns):
    def __init__(self, session: Session) -> None:
        self._session = session

    async def take(self, name: str, holder: UUID, now: datetime, pace: timedelta) -> bool:
        said = {"now": now, "due": now + pace, "late": now - pace}
        return bool(await self._session.read(_TAKE, name=name, holder=holder, **said))

    async def rest(self, name: str, holder: UUID, until: datetime) -> None:
        await self._session.read(_REST, name=name, holder=holder, until=until)

    async def place(self, name: str) -> str | None:
        found: str | None = await self._session.read(_PLACE, name=name)
        return found

    async def move(self, name: str, place: str) -> None:
        await self._session.read(_MOVE, name=name, place=place)
