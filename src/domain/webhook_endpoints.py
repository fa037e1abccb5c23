"""Webhook endpoints: where an account wants to be told of what happens, how that is signed, and when one is given up."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType, Self
from urllib.parse import urlsplit
from uuid import UUID

from domain.accounts import AccountId, Mode
from domain.commands import command_id
from domain.errors import InvalidRequest

WebhookEndpointId = NewType("WebhookEndpointId", UUID)
WebhookEventId = NewType("WebhookEventId", UUID)

SECRET_BYTES = 24
OLD_SECRET_SIGNS = timedelta(hours=24)
"""So long a secret that was replaced still signs beside the new one."""
FAILS_AT_MOST = timedelta(days=5)
"""An endpoint at which nothing has arrived for so long is disabled, once a whole schedule of tries was in vain."""


class WebhookEventKind(StrEnum):
    """What there is to tell of."""

    GENERATION_FINISHED = "generation.finished"
    CREDITS_LOW = "credits.low"
    SUBSCRIPTION_CHANGED = "subscription.changed"
    TEST = "endpoint.test"  # its owner asked for it; nobody subscribes to it


CHOSEN = tuple(kind for kind in WebhookEventKind if kind is not WebhookEventKind.TEST)
"""What an endpoint may be told of."""


class DisabledFor(StrEnum):
    OWNER = "owner"  # who said so
    GONE = "gone"  # it answered 410
    FAILING = "failing"  # nothing arrived for days


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """Something that happened to an account, in ids and states only. `subject`: the generation, or else the account; `state`:
    what it is in now. The same fact has the same id, however often it is said."""

    id: WebhookEventId
    kind: WebhookEventKind
    account_id: AccountId
    mode: Mode
    subject: UUID
    state: str
    at: datetime

    @classmethod
    def of(
        cls,
        kind: WebhookEventKind,
        fact: object,
        account: AccountId,
        at: datetime,
        state: str,
        mode: Mode = Mode.LIVE,
        **about: UUID,
    ) -> Self:
        """`fact`: what tells it from others of its kind."""
        id = WebhookEventId(command_id(f"event {kind}", fact))
        return cls(id, kind, account, mode, about.get("subject", account), state, at)


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """`secret`, and `old_secret` until `old_until`: the bytes that sign. `failing_since`: when the first of those tries failed
    since which none has arrived."""

    id: WebhookEndpointId
    account_id: AccountId
    mode: Mode
    url: str
    events: tuple[WebhookEventKind, ...]
    secret: bytes
    created_at: datetime
    old_secret: bytes | None = None
    old_until: datetime | None = None
    disabled_at: datetime | None = None
    disabled_for: DisabledFor | None = None
    failing_since: datetime | None = None

    @property
    def host(self) -> str:
        """With its port, if the URL names one."""
        return urlsplit(self.url).netloc.lower()

    def changed(self, url: str | None, events: Sequence[WebhookEventKind] | None, enabled: bool | None, now: datetime) -> Self:
        """What is None stays. Enabled again, or at another address, it begins anew."""
        after = replace(self, url=url or self.url, events=check_events(events) if events is not None else self.events)
        if after.url != self.url:
            after = replace(after, failing_since=None)
        if enabled is False and not self.disabled_at:
            return after.disabled(DisabledFor.OWNER, now)
        if enabled and self.disabled_at:
            return replace(after, disabled_at=None, disabled_for=None, failing_since=None)
        return after

    def rotated(self, secret: bytes, now: datetime) -> Self:
        """Rotated again while an old secret signs, that one goes on: of the one in between perhaps nobody has heard."""
        if self.old_until and now < self.old_until:
            return replace(self, secret=secret)
        return replace(self, secret=secret, old_secret=self.secret, old_until=now + OLD_SECRET_SIGNS)

    def disabled(self, reason: DisabledFor, now: datetime) -> Self:
        return replace(self, disabled_at=self.disabled_at or now, disabled_for=self.disabled_for or reason)

    def after_try(self, now: datetime, *, arrived: bool, gone: bool, gave_up: bool) -> Self:
        """`gave_up`: that was the last try of a schedule."""
        if arrived:
            return replace(self, failing_since=None)
        after = replace(self, failing_since=self.failing_since or now)
        if gone:
            return after.disabled(DisabledFor.GONE, now)
        if gave_up and after.failing_since and after.failing_since <= now - FAILS_AT_MOST:
            return after.disabled(DisabledFor.FAILING, now)
        return after

    def signing(self, now: datetime) -> tuple[bytes, ...]:
        """The secrets that sign now, the newest first."""
        old = self.old_secret if self.old_until and now < self.old_until else None
        return (self.secret, old) if old else (self.secret,)


def check_events(events: Sequence[WebhookEventKind]) -> tuple[WebhookEventKind, ...]:
    """In one order. Raises InvalidRequest."""
    if len(set(events)) < len(events) or not events or WebhookEventKind.TEST in events:
        raise InvalidRequest("name each kind of event once, and at least one", field="events", allowed=list(map(str, CHOSEN)))
    return tuple(kind for kind in CHOSEN if kind in events)


def write_secret(secret: bytes) -> str:
    """As its owner is told it, after Standard Webhooks."""
    if len(secret) < SECRET_BYTES:
        raise ValueError(f"a secret has at least {SECRET_BYTES} bytes")
    return "whsec_" + base64.b64encode(secret).decode()


def signature(secrets: Sequence[bytes], id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature` after Standard Webhooks 1.0: one signature by each secret."""
    signed = f"{id}.{timestamp}.".encode() + body
    macs = (hmac.new(secret, signed, hashlib.sha256).digest() for secret in secrets)
    return " ".join(f"v1,{base64.b64encode(mac).decode()}" for mac in macs)
