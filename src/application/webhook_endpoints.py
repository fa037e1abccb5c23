"""What an account can do with its webhook endpoints: make, change and remove them, try them, ask for a delivery again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from application.ports import NewId
from application.store import IdempotencyKey, Remembered
from application.webhooks import WebhookStore, WebhookTransaction
from domain.accounts import AccountId, Mode
from domain.errors import AlreadyCreated, EndpointDisabled, IdempotencyMismatch, TooManyEndpoints
from domain.limits import LIMITS
from domain.public_addresses import check_url
from domain.webhook_deliveries import Delivery, DeliveryState
from domain.webhook_endpoints import (
    SECRET_BYTES,
    DisabledFor,
    WebhookEndpoint,
    WebhookEndpointId,
    WebhookEventId,
    WebhookEventKind,
    check_events,
    write_secret,
)

Once = tuple[IdempotencyKey, str] | None
"""The caller's key for a request, and the fingerprint of its body."""


async def _must_be_new(tx: WebhookTransaction, once: Once) -> None:
    """A secret is told once. Raises IdempotencyMismatch or AlreadyCreated."""
    if once and (seen := await tx.remembered(once[0])):
        raise IdempotencyMismatch if seen.fingerprint != once[1] else AlreadyCreated(id=str(seen.thing))


@dataclass(frozen=True, slots=True)
class AddEndpoint:
    store: WebhookStore
    new_id: NewId
    entropy: Callable[[int], bytes]
    allow_private: bool = False

    async def __call__(
        self, account: AccountId, mode: Mode, url: str, events: Sequence[WebhookEventKind], once: Once = None
    ) -> tuple[WebhookEndpoint, str]:
        """The endpoint and its secret, which is told once: asking again with the same idempotency key is refused.

        Raises InvalidRequest, InvalidText, CardNumberRefused, TooManyEndpoints, AlreadyCreated, IdempotencyMismatch.
        """
        check_url("url", url, allow_private=self.allow_private)
        wanted, secret = check_events(events), self.entropy(SECRET_BYTES)
        async with self.store.transaction() as tx:
            await tx.accounts.lock(account)
            await _must_be_new(tx, once)
            if len(await tx.endpoints.of_account(account)) >= LIMITS["webhook_endpoints"]:
                raise TooManyEndpoints(limit=LIMITS["webhook_endpoints"])
            id = WebhookEndpointId(self.new_id())
            made = WebhookEndpoint(id, account, mode, url, wanted, secret, await tx.now())
            tx.endpoints.save(made)
            if once:
                tx.remember(once[0], Remembered(once[1], id))
        return made, write_secret(secret)


@dataclass(frozen=True, slots=True)
class ChangeEndpoint:
    store: WebhookStore
    allow_private: bool = False

    async def __call__(
        self,
        account: AccountId,
        endpoint: WebhookEndpointId,
        *,
        url: str | None = None,
        events: Sequence[WebhookEventKind] | None = None,
        enabled: bool | None = None,
    ) -> WebhookEndpoint:
        """What is None stays. Disabled, it is told nothing any more, what waits for it included.

        Raises NotFound, InvalidRequest, InvalidText, CardNumberRefused.
        """
        if url is not None:
            check_url("url", url, allow_private=self.allow_private)
        async with self.store.transaction() as tx:
            before = await tx.endpoints.lock(endpoint, account)
            after = before.changed(url, events, enabled, await tx.now())
            tx.endpoints.save(after)
            if after.disabled_for is DisabledFor.OWNER and not before.disabled_at:
                await tx.deliveries.give_up(endpoint)
        return after


@dataclass(frozen=True, slots=True)
class RemoveEndpoint:
    store: WebhookStore
    batch: int = 1_000

    async def __call__(self, account: AccountId, endpoint: WebhookEndpointId) -> None:
        """With its log. Raises NotFound."""
        async with self.store.transaction() as tx:
            await tx.endpoints.lock(endpoint, account)
            await tx.endpoints.remove(endpoint)
            left = await tx.deliveries.clear(endpoint, self.batch)
        while left == self.batch:
            async with self.store.transaction() as tx:
                left = await tx.deliveries.clear(endpoint, self.batch)


@dataclass(frozen=True, slots=True)
class RotateSecret:
    """A new secret; the one before signs beside it for a day. Rotated again within it, the one in between is replaced."""

    store: WebhookStore
    entropy: Callable[[int], bytes]

    async def __call__(self, account: AccountId, endpoint: WebhookEndpointId) -> tuple[WebhookEndpoint, str]:
        """The endpoint and its new secret, which is told once. Raises NotFound."""
        secret = self.entropy(SECRET_BYTES)
        async with self.store.transaction() as tx:
            before = await tx.endpoints.lock(endpoint, account)
            after = before.rotated(secret, await tx.now())
            tx.endpoints.save(after)
        return after, write_secret(secret)


@dataclass(frozen=True, slots=True)
class TryEndpoint:
    """Tell an endpoint something of no meaning, to see whether it arrives."""

    store: WebhookStore
    new_id: NewId

    async def __call__(self, account: AccountId, endpoint: WebhookEndpointId) -> Delivery:
        """Raises NotFound, EndpointDisabled."""
        async with self.store.transaction() as tx:
            found = await tx.endpoints.lock(endpoint, account)
            if found.disabled_at:
                raise EndpointDisabled
            id, now = WebhookEventId(self.new_id()), await tx.now()
            made = Delivery(id, endpoint, WebhookEventKind.TEST, endpoint, "tested", now, DeliveryState.WAITING, 0, now)
            tx.deliveries.add(made)
        return made


@dataclass(frozen=True, slots=True)
class Redeliver:
    """Send again what was sent, or given up: the same message, by the whole schedule."""

    store: WebhookStore

    async def __call__(self, account: AccountId, endpoint: WebhookEndpointId, delivery: WebhookEventId) -> Delivery:
        """Raises NotFound, EndpointDisabled."""
        async with self.store.transaction() as tx:
            found = await tx.endpoints.lock(endpoint, account)
            again = await tx.deliveries.lock(endpoint, delivery)
            if found.disabled_at:
                raise EndpointDisabled
            again = again.again(await tx.now())
            tx.deliveries.save(again)
        return again
