"""A timeline of the pretended Stripe, read by the real adapter over HTTP as it was at any of its moments.

What was read once is remembered, because a moment always answers the same: so one recording is heard in thousands of orders.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from adapters.payments.stripe_payments import StripePayments
from application.payments import Touched
from domain.accounts import AccountId
from domain.billing import CustomerId, Hint, Purchase, PurchaseRef, Subscription, SubscriptionId
from tests.payments_truth import Truth
from tests.stripe_delivery import signed
from tests.stripe_process import StripeProcess

SECRET = "whsec_of_the_tests"
BEGINNING = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Moment:
    """`events`: those that had happened by then."""

    now: datetime
    events: int


@dataclass(slots=True)
class Recording:
    name: str
    stripe: StripeProcess
    payments: StripePayments
    customer: CustomerId
    events: list[Mapping[str, Any]]
    moments: list[Moment]
    read: dict[tuple[object, ...], Any] = field(default_factory=dict)

    async def ask(self, moment: int, question: tuple[object, ...], ask: Callable[[], Awaitable[Any]]) -> Any:
        """The answer at that moment. Nobody else may ask the process meanwhile."""
        if (moment, *question) not in self.read:
            self.stripe.do("as_it_was", name=self.name, moment=moment)
            self.read[moment, *question] = await ask()
        return self.read[moment, *question]


def record(stripe: StripeProcess, payments: StripePayments, name: str) -> Recording:
    told = stripe.do("record", name=name)
    moments = [Moment(datetime.fromtimestamp(now, UTC), events) for now, events in told["moments"]]
    return Recording(name, stripe, payments, CustomerId(told["customer"]), told["events"], moments)


@dataclass(slots=True)
class TimelineTruth(Truth):
    """`at`: the moment it is. The hints of Truth are the events that have happened by then."""

    recording: Recording = field(kw_only=True)
    at: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def of(cls, recording: Recording, account: AccountId) -> "TimelineTruth":
        return cls(recording.moments[0].now, recording=recording, owners={recording.customer: account})

    def become(self, moment: int) -> list[Mapping[str, Any]]:
        """What has happened since the moment it was."""
        known, self.at = len(self.happened), moment
        self.now = self.recording.moments[moment].now
        new = self.recording.events[known : self.recording.moments[moment].events]
        self.happened += [self.read_hint(*self.body(event, self.now), self.now) for event in new]
        return new

    @staticmethod
    def body(event: Mapping[str, Any], at: datetime, **changed: object) -> tuple[bytes, str]:
        """As it comes to the webhook then."""
        return signed(dict(event), SECRET, at=int(at.timestamp()), **changed)

    def read_hint(self, body: bytes, signature: str | None, now: datetime) -> Hint:  # type: ignore[override]  # Truth has none
        return self.recording.payments.read_hint(body, signature, now)

    async def purchase(self, ref: PurchaseRef) -> Purchase | None:
        return await self._told(await self._read("purchase", ref))

    async def subscription(self, subscription: SubscriptionId) -> Subscription | None:
        return await self._told(await self._read("subscription", subscription))

    async def touched(self, hint: Hint) -> Touched:
        asked = (hint.object_kind, hint.object_id)
        read = await self._ask(("touched", *asked), lambda: self.recording.payments.touched(hint))
        return await self._told(read)

    async def paid(self, since: datetime) -> AsyncIterator[Purchase]:
        async def all_of_it() -> list[Purchase]:
            return [each async for each in self.recording.payments.paid(BEGINNING)]

        for each in await self._ask(("paid",), all_of_it):
            if each.at >= since:
                yield await self._told(each)

    async def _read(self, method: str, about: object) -> Any:
        return await self._ask((method, about), lambda: getattr(self.recording.payments, method)(about))

    async def _ask(self, question: tuple[object, ...], ask: Callable[[], Awaitable[Any]]) -> Any:
        async with self.turn:
            return await self.recording.ask(self.at, question, ask)
