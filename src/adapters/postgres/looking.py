"""Looking through an account's generations, newest first, for those that fit: bounded, so that a page may come back short."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from adapters.postgres.pool import read_all
from adapters.postgres.session import Pool
from adapters.postgres.words import EVER, LIVE, MICROSECONDS, TRASHED, instant_of, micros
from application.queries import FIRST, GenerationFilter, Position
from domain.accounts import AccountId, Mode
from domain.words import Wanted

MOST = 5_000
"""So many generations are looked at for one page."""
CHARACTERS = 4_000_000
"""Once so many characters of prompts have been read, a page has looked far enough: that takes up to a second."""
_STEP = 1_000
_LONG = 64
"""So many at a time as long as nothing is known of how long their prompts are, and of long ones always."""

FITS = """g.account_id = %(account)s AND g.mode = %(mode)s AND g.request IS NOT NULL
    AND (%(states)s::text[] IS NULL OR g.state = ANY(%(states)s)) AND (%(model)s::text IS NULL OR g.model = %(model)s)
    AND (%(kind)s::text IS NULL OR g.kind = %(kind)s) AND (%(favourite)s::boolean IS NULL OR g.favourite = %(favourite)s)"""
OWN = "g.account_id = %(account)s AND g.mode = %(mode)s AND g.request IS NOT NULL"
OLDER = "(g.created_at, g.id) < (%(at)s, %(id)s)"
NEWEST_FIRST = "ORDER BY g.created_at DESC, g.id DESC"

_SEEN = f"""
SELECT json_build_object('at', {MICROSECONDS.format("g.created_at")}, 'id', g.id,
    'prompt', CASE WHEN {FITS} AND {{which}} THEN CASE WHEN %(read)s THEN g.request->>'prompt' ELSE '' END END)::text
"""
HISTORY = f"""{_SEEN}FROM generations g
WHERE {OWN} AND {{which}} AND {OLDER} AND g.created_at > %(since)s {NEWEST_FIRST} LIMIT {{limit}}"""
COLLECTION = f"""{_SEEN}FROM (
    SELECT i.generation_id, i.created_at FROM collection_items i
    WHERE i.collection_id = (
            SELECT id FROM collections WHERE id = %(collection)s AND account_id = %(account)s AND mode = %(mode)s)
        AND (i.created_at, i.generation_id) < (%(at)s, %(id)s) AND i.created_at > %(since)s
    ORDER BY i.created_at DESC, i.generation_id DESC LIMIT {{limit}}) i
JOIN generations g ON g.id = i.generation_id ORDER BY i.created_at DESC, i.generation_id DESC"""
AT_INSTANTS = f"""{_SEEN}FROM generations g
WHERE {OWN} AND {{which}} AND g.created_at = ANY(%(instants)s::timestamptz[]) AND {OLDER} {NEWEST_FIRST}"""


class _Seen(msgspec.Struct):
    at: int
    id: UUID
    prompt: str | None


_seen = msgspec.json.Decoder(_Seen)


def parameters(account: AccountId, mode: Mode, matching: GenerationFilter, after: Position | None) -> dict[str, Any]:
    """Where to begin and what fits."""
    at, last = after or FIRST
    if matching.created_before and matching.created_before <= at:
        at, last = matching.created_before, UUID(int=0)
    return {
        "account": account,
        "mode": mode,
        "at": at,
        "id": last,
        "since": matching.created_after or EVER,
        "states": list(matching.states) or None,
        "model": matching.model,
        "kind": matching.kind,
        "favourite": matching.favourite,
        "collection": matching.collection,
    }


class Looking:
    """One page in the making. `found`: what fits, one more than `limit` if there is more; `looked`: how many were looked at."""

    def __init__(self, pool: Pool, said: Mapping[str, Any], wanted: Wanted | None, limit: int, *, trashed: bool) -> None:
        self._pool, self._wanted, self._limit = pool, wanted, limit
        self._which = TRASHED if trashed else LIVE
        self._said = {**said, "read": wanted is not None}
        self.place: tuple[int, UUID] = micros(said["at"]), said["id"]
        self.found: list[tuple[int, UUID]] = []
        self.looked = self.characters = 0

    @property
    def is_full(self) -> bool:
        return len(self.found) > self._limit

    @property
    def is_tired(self) -> bool:
        return self.looked >= MOST or self.characters >= CHARACTERS

    def page(self, *, ended: bool) -> tuple[list[UUID], Position | None]:
        """The ids, and where the next page begins; `ended`: nothing comes after what was looked at."""
        last = self.found[self._limit - 1] if self.is_full else None if ended else self.place
        return [id for _, id in self.found[: self._limit]], (instant_of(last[0]), last[1]) if last else None

    async def walk(self, through: str, since: datetime) -> bool:
        """Whether it came to the end."""
        size = self._first()
        while not self.is_full:
            if self.is_tired:
                return False
            if await self._look(through, limit=size, since=since) < size:
                return True
            size = self._next(4 * size)
        return True

    async def check(self, instants: Sequence[int]) -> bool:
        """Look at what was created at these instants, the newest first; False if it had to stop on the way."""
        begin, size = 0, self._first()
        while begin < len(instants) and not self.is_full:
            if self.is_tired:
                return False
            some = instants[begin : begin + size]
            there = await self._look(AT_INSTANTS, instants=[instant_of(each) for each in some])
            self.looked += max(0, len(some) - there)  # a step to what is gone, or in the trash, is a look as well
            self.place = min(self.place, (some[-1], UUID(int=0)))
            begin, size = begin + size, self._next(2 * size)
        return True

    def _first(self) -> int:
        return min(self._limit + 1, _LONG) if self._wanted else self._limit + 1

    def _next(self, size: int) -> int:
        """How many to look at next: a quarter of the characters there are for a page, if they go on as they were."""
        few = max(_LONG, CHARACTERS * self.looked // (4 * self.characters)) if self.characters else _STEP
        return min(size, few, _STEP)

    async def _look(self, through: str, limit: int = 0, **more: Any) -> int:
        at, last = self.place
        said = {**self._said, **more, "at": instant_of(at), "id": last}
        rows = await read_all(self._pool, through.format(which=self._which, limit=limit), said)
        # In a thread of its own if prompts are read: long ones take their time, in which all else that this process does goes on.
        if self._wanted:
            await asyncio.to_thread(self._take, rows)
        else:
            self._take(rows)
        self.looked += len(rows)
        return len(rows)

    def _take(self, rows: Sequence[str]) -> None:
        for seen in map(_seen.decode, rows):
            self.place = seen.at, seen.id
            self.characters += len(seen.prompt or "")
            if seen.prompt is not None and (self._wanted is None or self._wanted.fits(seen.prompt)):
                self.found.append(self.place)
