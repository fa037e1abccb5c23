"""What the store keeps of webhooks: endpoints, and what is on its way to them."""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from application.queries import Position
from application.store import Transaction
from domain.accounts import AccountId
from domain.webhook_deliveries import Delivery, Try
from domain.webhook_endpoints import WebhookEndpoint, WebhookEndpointId, WebhookEventId


@dataclass(frozen=True, slots=True)
class Busy:
    """To whom as much is on its way as may be: endpoints, accounts, and hosts with their ports; `failing`: all endpoints at which
    nothing has arrived lately."""

    endpoints: Collection[WebhookEndpointId] = ()
    accounts: Collection[AccountId] = ()
    hosts: Collection[str] = ()
    failing: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    delivery: Delivery
    endpoint: WebhookEndpoint


class WebhookEndpoints(Protocol):
    """Where accounts want to be told of things."""

    async def of_account(self, account: AccountId) -> Sequence[WebhookEndpoint]:
        """Oldest first. Steady while the account is locked."""
        ...

    async def lock(self, endpoint: WebhookEndpointId, account: AccountId | None = None) -> WebhookEndpoint:
        """Others who lock it wait until this transaction ends; those who tell of things do not. Raises NotFound if it is missing,
        or not this account's."""
        ...

    def save(self, endpoint: WebhookEndpoint) -> None: ...

    async def remove(self, endpoint: WebhookEndpointId) -> None:
        """What it was told stays until it is cleared, and is sent no more."""

    async def forget_secrets(self, now: datetime, limit: int) -> None:
        """Of so many endpoints at most, the secret that was replaced and signs no more."""


class WebhookDeliveries(Protocol):
    """What endpoints are told, one by one."""

    async def take(self, now: datetime, busy: Busy, limit: int) -> Sequence[Due]:
        """So many that are due at most, the longest first, to enabled endpoints that are not busy; others pass them over
        until this transaction ends."""
        ...

    async def put_off(self, taken: Sequence[Delivery], until: datetime) -> None:
        """Those that were taken are not due again until then."""

    async def lock(self, endpoint: WebhookEndpointId, delivery: WebhookEventId) -> Delivery:
        """By whoever locked the endpoint. Raises NotFound."""
        ...

    def add(self, delivery: Delivery) -> None: ...

    def save(self, delivery: Delivery) -> None: ...

    async def note(self, delivery: Delivery, made: Try) -> None:
        """The next line of its log."""

    async def give_up(self, endpoint: WebhookEndpointId) -> None:
        """All that waits for it has failed."""

    async def clear(self, endpoint: WebhookEndpointId, limit: int) -> int:
        """Remove so many deliveries of it, at most, with their logs; answers how many."""
        ...

    async def forget(self, before: datetime, limit: int) -> int:
        """Remove so many of what happened before that instant, at most, with their logs; answers how many."""
        ...


class WebhookTransaction(Transaction, Protocol):
    """Lock order: as in `Transaction`; an endpoint after its account, and its deliveries after it."""

    @property
    def endpoints(self) -> WebhookEndpoints: ...
    @property
    def deliveries(self) -> WebhookDeliveries: ...


class WebhookStore(Protocol):
    """The same system of record as `Store`, with webhooks."""

    def transaction(self) -> AbstractAsyncContextManager[WebhookTransaction]:
        """As in `Store`."""
        ...


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery with its log, the oldest try first."""

    delivery: Delivery
    log: Sequence[Try]


class WebhookQueries(Protocol):
    async def endpoints(self, account: AccountId) -> Sequence[WebhookEndpoint]:
        """Oldest first."""
        ...

    async def deliveries(
        self, account: AccountId, endpoint: WebhookEndpointId, after: Position | None, limit: int
    ) -> Sequence[DeliveryRow]:
        """Newest first. Raises NotFound if it is not this account's endpoint."""
        ...


PATIENCE = timedelta(seconds=30)
"""Twice the time that a try may take: whoever has not written down by then how it ended is taken for dead."""
