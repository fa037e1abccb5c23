"""Waiting notices in Postgres."""

from datetime import datetime, timedelta

import msgspec

from adapters.postgres import tables
from adapters.postgres.session import Session
from application.access import WaitingNotices
from domain.notices import Notice, NoticeId, NoticeKind, WaitingNotice

waiting_document = msgspec.json.Decoder(WaitingNotice)

# While a newer version of this program runs beside us, kinds that we do not know are left to it.
_LOCK_DUE = """
SELECT json_build_object('notice', row_to_json(n), 'resume_at', n.resume_at, 'tries', n.tries)::text FROM notices n
WHERE resume_at <= %(now)s AND kind = ANY(%(kinds)s) ORDER BY resume_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_SAVE = "UPDATE notices SET tries = %(tries)s, resume_at = %(resume_at)s WHERE id = %(notice)s RETURNING 1"
NOT_OURS = timedelta(hours=1)
_DROP = """
DELETE FROM notices WHERE id IN (SELECT id FROM notices WHERE at < %(before)s FOR UPDATE SKIP LOCKED) RETURNING 1
"""


class PostgresWaitingNotices(WaitingNotices):
    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, notice: Notice) -> None:
        self._session.writes.insert(tables.notices, notice, tries=0, resume_at=notice.at)

    async def lock_due(self, now: datetime) -> WaitingNotice | None:
        while row := await self._session.read(_LOCK_DUE, now=now, kinds=list(NoticeKind)):
            try:
                return waiting_document.decode(row)
            except msgspec.ValidationError:  # what another version says of a kind we know is left to it, too
                unreadable = msgspec.json.decode(row)["notice"]["id"]
                await self._session.read_all(_SAVE, notice=unreadable, tries=0, resume_at=now + NOT_OURS)
        return None

    async def save(self, waiting: WaitingNotice) -> None:
        notice, tries, resume_at = waiting.notice.id, waiting.tries, waiting.resume_at
        await self._session.read_all(_SAVE, notice=notice, tries=tries, resume_at=resume_at)

    async def remove(self, notice: NoticeId) -> None:
        await self._session.read_all("DELETE FROM notices WHERE id = %(notice)s RETURNING 1", notice=notice)

    async def drop(self, before: datetime) -> int:
        return len(await self._session.read_all(_DROP, before=before))
