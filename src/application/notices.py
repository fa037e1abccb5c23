"""Telling people what happened to their account: written down with it, sent later, and forgotten then."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from application.access import AccessStore
from application.ports import NewId
from application.store import Transaction
from domain.accounts import AccountId
from domain.notices import KEPT, Facts, Notice, NoticeId, NoticeKind, WaitingNotice, is_address


class NoticesUnavailable(Exception):
    """The notice did not leave, or nobody knows whether it did: worth another try. Says what failed in words of ours."""


class NoticeRefused(Exception):
    """The notice did not leave and never will: its address takes none, for good."""


class Notices(Protocol):
    """Carries notices to people, as plain text."""

    async def send(self, notice: Notice) -> None:
        """Handed over for good when it returns; it ends within 50 seconds, whatever the outside does. The same notice sent again
        is the same mail to whoever compares Message-IDs. Never on the event loop, nor inside a transaction.

        Raises NoticesUnavailable, or NoticeRefused.
        """

    async def examine(self) -> str | None:
        """Try, without sending anything, whether a notice would leave now: None, or what is wrong in a few words."""


async def tell(tx: Transaction, new_id: NewId, account: AccountId, kind: NoticeKind, facts: Facts) -> None:
    """Whoever has no address we can write to is told nothing: a notice never stands in the way of what it tells of."""
    address = (await tx.accounts.find(account)).email
    if address and is_address(address):
        tx.notices.add(Notice(NoticeId(new_id()), account, kind, address, await tx.now(), facts))


class Sending(StrEnum):
    """How a try to send a notice ends."""

    SENT = "sent"
    PUT_OFF = "put_off"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class SendNotices:
    """Send what is due, each notice at least once, and keep nothing of it. Any number may run at once.

    The next try is put off before this one is made, so that nobody else sends the same meanwhile, and a notice whose sender died
    comes again by itself. It is sent outside of any transaction.
    """

    store: AccessStore
    notices: Notices
    batch: int = 100

    async def __call__(self) -> Mapping[str, int]:
        """How many were sent, put off and given up. One that cannot be dealt with does not keep the others waiting."""
        ends = Counter[Sending]()
        for _ in range(self.batch):
            waiting, lapsed = await self._take()
            ends[Sending.GIVEN_UP] += lapsed
            if not waiting:
                break
            end = await self._send(waiting)
            ends[end] += 1
            if end is not Sending.PUT_OFF:
                await self._forget(waiting.notice)
        return {end.value: ends[end] for end in Sending}

    async def _take(self) -> tuple[WaitingNotice | None, int]:
        """The next one, if any is due, and how many have waited too long for that."""
        async with self.store.transaction() as tx:
            now = await tx.now()
            lapsed = await tx.notices.drop(now - KEPT)
            waiting = await tx.notices.lock_due(now)
            if waiting:
                waiting.begin_try(now)
                await tx.notices.save(waiting)
        return waiting, lapsed

    async def _send(self, waiting: WaitingNotice) -> Sending:
        try:
            await self.notices.send(waiting.notice)
        except NoticeRefused:
            return Sending.GIVEN_UP
        except Exception:  # NoticesUnavailable; or a defect of ours, which is counted and not repeated: it may quote the address
            return Sending.GIVEN_UP if waiting.is_last_try else Sending.PUT_OFF
        return Sending.SENT

    async def _forget(self, notice: Notice) -> None:
        async with self.store.transaction() as tx:
            await tx.notices.remove(notice.id)
