"""Who was given trial credits, and who is invited, in Postgres: nothing but digests."""

from collections.abc import Sequence
from datetime import datetime

from adapters.postgres.batches import removal
from adapters.postgres.session import Session
from application.access import Invitations, Trials

# In the order of the digests, so that two who claim at once wait for each other one way round.
_CLAIM = """
INSERT INTO trials (digest, kid, granted_at)
SELECT d.digest, d.kid, %(at)s FROM unnest(%(digests)s::bytea[], %(kids)s::text[]) AS d(digest, kid) ORDER BY d.digest
ON CONFLICT DO NOTHING RETURNING 1
"""
_FORGET_TRIALS = removal("trials", "digest", "granted_at < %(before)s")
_FORGET_INVITATIONS = removal("invitations", "digest", "until <= %(now)s")


class PostgresTrials(Trials):
    def __init__(self, session: Session) -> None:
        self._session = session

    async def claim(self, person: Sequence[Sequence[tuple[str, bytes]]], at: datetime) -> bool:
        every = [digest for digests in person for _, digest in digests]
        known = await self._session.read("SELECT 1 FROM trials WHERE digest = ANY(%(every)s) LIMIT 1", every=every)
        kept = [digests[0] for digests in person]
        new = await self._session.read_all(_CLAIM, digests=[d for _, d in kept], kids=[kid for kid, _ in kept], at=at)
        return not known and len(new) == len(kept)

    async def forget(self, granted_before: datetime, limit: int) -> int:
        return len(await self._session.read_all(_FORGET_TRIALS, before=granted_before, limit=limit))


class PostgresInvitations(Invitations):
    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, digest: bytes, until: datetime) -> None:
        insert = "INSERT INTO invitations (digest, until) VALUES (%(digest)s, %(until)s) RETURNING 1"
        await self._session.read_all(insert, digest=digest, until=until)

    async def use(self, digest: bytes, at: datetime) -> bool:
        delete = "DELETE FROM invitations WHERE digest = %(digest)s RETURNING until"
        until: datetime | None = await self._session.read(delete, digest=digest)
        return until is not None and at < until

    async def forget(self, now: datetime, limit: int) -> int:
        return len(await self._session.read_all(_FORGET_INVITATIONS, now=now, limit=limit))
