"""Sending webhooks: what is due goes out, each at least once, and how each try went is written down."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Protocol

from application.store import StoreUnavailable
from application.webhooks import PATIENCE, Busy, Due, WebhookStore, WebhookTransaction
from domain.errors import NotFound
from domain.webhook_deliveries import KEPT, Delivery, DeliveryState, Reason, Try
from domain.webhook_endpoints import WebhookEndpoint, signature

AT_ONCE = 64
MOST_ENDPOINT, MOST_HOST, MOST_ACCOUNT = 4, 8, 8
"""Of what one process sends at once: whoever answers slowly has these places and no more."""
FAILING_SHARE = 0.5
"""Of all places, for endpoints at which nothing has arrived lately, however many there are and of however many accounts: most of
them will not answer now either, and the others are not to wait for that."""
SLOW, MOST_SLOW = 3.0, 192
"""After so many seconds a try gives its place to another, while it goes on; so many do at most. Who answers late, but answers,
is no failure, and the others are not to wait for that either."""
LOOK_AGAIN = 1.0
"""Seconds, while something slow is on its way."""
PARTING = 0.8
"""Seconds that those on their way are given when the sender is to stop: who answers at once is not told again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a try ended; `status`: of HTTP, where one came."""

    reason: Reason
    status: int | None = None


class WebhookPost(Protocol):
    """Carries one message to one URL."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Once, without following anybody elsewhere, and never to an address that is not public. Every way it can end is an
        answer, within half of PATIENCE; what it does not know it calls BROKEN. Cancelling closes its socket."""
        ...


def message(delivery: Delivery, endpoint: WebhookEndpoint) -> bytes:
    """The same bytes for every try: ids and states only."""
    about = {"id": str(delivery.subject), "mode": str(endpoint.mode), "state": delivery.state}
    at = delivery.at.isoformat().replace("+00:00", "Z")
    return json.dumps({"type": str(delivery.kind), "timestamp": at, "data": about}, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class _OnItsWay:
    due: Due
    since: float


_Sending = dict[asyncio.Task[Reason | None], _OnItsWay]


@dataclass(frozen=True, slots=True)
class SendWebhooks:
    """Send what is due, many at once, but few to one endpoint, host or account: who does not answer keeps nobody waiting.

    The next try is put off before this one is made, so that nobody else makes it meanwhile, and a delivery whose sender died
    comes again by itself. It is sent outside of any transaction. Any number may run at once.
    """

    store: WebhookStore
    webhooks: WebhookPost
    luck: Callable[[], float]
    patience: timedelta = PATIENCE
    at_once: int = AT_ONCE
    slow: float = SLOW

    async def __call__(self) -> Mapping[str, int]:
        """How many arrived and how many tries were in vain, when nothing is due and nothing on its way any more."""
        ends, sending = Counter({"webhooks_delivered": 0, "webhooks_failed": 0}), _Sending()
        try:
            while True:
                await self._take(sending)
                if not sending:
                    return ends
                done, _ = await asyncio.wait(sending, timeout=LOOK_AGAIN, return_when=asyncio.FIRST_COMPLETED)
                for each in done:
                    del sending[each]
                    if reason := each.result():
                        ends["webhooks_delivered" if reason is Reason.DELIVERED else "webhooks_failed"] += 1
        finally:
            await _part(sending)

    async def _take(self, sending: _Sending) -> None:
        """Fill the places that are free. A look may find one endpoint's alone, so there is another until it finds nothing."""
        while (free := self.at_once - self._in_place(sending)) > 0:
            due = [each.due for each in sending.values()]
            async with self.store.transaction() as tx:
                now = await tx.now()
                taken = [each for each in await tx.deliveries.take(now, self._busy(due), free) if self._has_place(each, due)]
                if taken:
                    await tx.deliveries.put_off([each.delivery for each in taken], now + self.patience)
            if not taken:
                return
            for each in taken:
                sending[asyncio.create_task(self._send(each, now))] = _OnItsWay(each, monotonic())

    async def _send(self, due: Due, at: datetime) -> Reason | None:
        """None: nobody knows any more what became of it, or whom it was for; if it is still wanted, it comes again."""
        delivery, endpoint = due.delivery, due.endpoint
        body, seconds, began = message(delivery, endpoint), int(at.timestamp()), monotonic()
        with suppress(StoreUnavailable, NotFound):
            headers = {
                "webhook-id": str(delivery.id),
                "webhook-timestamp": str(seconds),
                "webhook-signature": signature(endpoint.signing(at), str(delivery.id), seconds, body),
            }
            answer = await self.webhooks.post(endpoint.url, headers, body)
            made = Try(at, int((monotonic() - began) * 1000), answer.reason, answer.status)
            async with self.store.transaction() as tx:
                await self._write(tx, due, made)
            return answer.reason
        return None

    async def _write(self, tx: WebhookTransaction, due: Due, made: Try) -> None:
        """Raises NotFound where its owner has removed the endpoint meanwhile."""
        endpoint = await tx.endpoints.lock(due.endpoint.id)
        delivery, now = await tx.deliveries.lock(due.endpoint.id, due.delivery.id), await tx.now()
        if endpoint.url != due.endpoint.url and made.reason is not Reason.DELIVERED:
            # What the old address says is nothing against the new one, which has not been asked.
            if delivery.outcome is DeliveryState.WAITING:
                tx.deliveries.save(delivery.again(now))
            await tx.deliveries.note(delivery, made)
            return
        after = delivery.after(made, now, self.luck())
        judged = endpoint.after_try(
            now,
            arrived=made.reason is Reason.DELIVERED,
            gone=made.reason is Reason.GONE,
            gave_up=after.outcome is DeliveryState.FAILED,
        )
        tx.deliveries.save(after)
        await tx.deliveries.note(after, made)
        if judged != endpoint:
            tx.endpoints.save(judged)
        if judged.disabled_at and not endpoint.disabled_at:
            await tx.deliveries.give_up(endpoint.id)

    def _in_place(self, sending: _Sending) -> int:
        slow = sum(monotonic() - each.since >= self.slow for each in sending.values())
        return len(sending) - min(slow, MOST_SLOW)

    def _busy(self, sending: list[Due]) -> Busy:
        endpoints = Counter(each.endpoint.id for each in sending)
        accounts = Counter(each.endpoint.account_id for each in sending)
        hosts = Counter(each.endpoint.host for each in sending)
        return Busy(
            [id for id, times in endpoints.items() if times >= MOST_ENDPOINT],
            [id for id, times in accounts.items() if times >= MOST_ACCOUNT],
            [host for host, times in hosts.items() if times >= MOST_HOST],
            sum(each.endpoint.failing_since is not None for each in sending) >= self.at_once * FAILING_SHARE,
        )

    def _has_place(self, due: Due, sending: list[Due]) -> bool:
        """If so, it is counted among those that are on their way."""
        busy, endpoint = self._busy(sending), due.endpoint
        if endpoint.id in busy.endpoints or endpoint.account_id in busy.accounts or endpoint.host in busy.hosts:
            return False
        if busy.failing and endpoint.failing_since:
            return False
        sending.append(due)
        return True


async def _part(sending: Collection[asyncio.Task[Any]]) -> None:
    try:
        if sending:
            await asyncio.wait(sending, timeout=PARTING)
    finally:  # told again to stop, or over
        for each in sending:
            each.cancel()
        if sending:
            await asyncio.wait(sending)


@dataclass(frozen=True, slots=True)
class ForgetDeliveries:
    """And secrets that were replaced, once they sign no more."""

    store: WebhookStore
    batch: int = 1_000

    async def __call__(self) -> Mapping[str, int]:
        """How many were old enough. Any number may run at once."""
        forgotten = 0
        async with self.store.transaction() as tx:
            await tx.endpoints.forget_secrets(await tx.now(), self.batch)
        while True:
            async with self.store.transaction() as tx:
                found = await tx.deliveries.forget(await tx.now() - KEPT, self.batch)
            forgotten += found
            if found < self.batch:
                return {"deliveries_forgotten": forgotten}
