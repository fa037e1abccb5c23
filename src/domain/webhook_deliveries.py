"""Deliveries: an event on its way to one endpoint, tried by a published schedule until it has arrived."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from domain.webhook_endpoints import WebhookEndpointId, WebhookEventId, WebhookEventKind

SCHEDULE = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""Before each try, how long after the one before (three days and almost four hours in all); after the last it is given up."""
LATER = 0.1
"""Each wait but the first is longer by up to this share, by chance, so that what failed together does not come back so."""
KEPT = timedelta(days=30)
"""So long a delivery and its tries are shown, counted from what it tells of."""


class DeliveryState(StrEnum):
    WAITING = "waiting"  # for its next try
    DELIVERED = "delivered"
    FAILED = "failed"  # for good, unless its owner asks for it again


class Reason(StrEnum):
    """How a try ended."""

    DELIVERED = "delivered"
    STATUS = "status"  # it answered with a status that is no success
    REDIRECT = "redirect"  # it leads elsewhere, where nobody follows
    GONE = "gone"  # it answered 410: it wants no more
    TIMEOUT = "timeout"
    NAME_UNKNOWN = "name_unknown"
    ADDRESS_NOT_PUBLIC = "address_not_public"
    UNREACHABLE = "unreachable"
    TLS = "tls"  # nobody there can prove to be who the URL names
    BROKEN = "broken"  # the line broke off, or what came is no HTTP

    @classmethod
    def of(cls, status: int) -> Self:
        """What a status of HTTP comes to: 2xx alone is a success."""
        if 200 <= status < 300:
            return cls.DELIVERED
        if 300 <= status < 400:
            return cls.REDIRECT
        return cls.GONE if status == 410 else cls.STATUS


@dataclass(frozen=True, slots=True)
class Try:
    """One try: when it began, how long it took, what was answered, if anything was. Never what the answer said."""

    at: datetime
    milliseconds: int
    reason: Reason
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """`tries`: of the schedule, so many are over. `resume_at`: not before, and by one alone; None: it is over."""

    id: WebhookEventId
    endpoint_id: WebhookEndpointId
    kind: WebhookEventKind
    subject: UUID
    state: str
    at: datetime
    outcome: DeliveryState
    tries: int
    resume_at: datetime | None

    def after(self, made: Try, now: datetime, luck: float) -> Self:
        """`luck`: from 0 to 1. What has arrived once has arrived, whatever another try came to; and what is over stays so."""
        if made.reason is Reason.DELIVERED:
            return replace(self, outcome=DeliveryState.DELIVERED, tries=self.tries + 1, resume_at=None)
        if self.outcome is not DeliveryState.WAITING:
            return self
        tries = self.tries + 1
        if made.reason is Reason.GONE or tries >= len(SCHEDULE):
            return replace(self, outcome=DeliveryState.FAILED, tries=tries, resume_at=None)
        return replace(self, tries=tries, resume_at=now + SCHEDULE[tries] * (1 + LATER * luck))

    def again(self, now: datetime) -> Self:
        """Its owner asks for it: at once, and by the whole schedule if need be."""
        return replace(self, outcome=DeliveryState.WAITING, tries=0, resume_at=now)
