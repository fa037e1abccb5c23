"""The shapes of webhook endpoints, and of what they were told."""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from domain.accounts import Mode
from domain.limits import LIMITS
from domain.webhook_deliveries import DeliveryState, Reason
from domain.webhook_endpoints import CHOSEN, DisabledFor, WebhookEventKind
from entrypoints.http.shapes import Time

Chosen = Literal["generation.finished", "credits.low", "subscription.changed"]
Url = Annotated[str, Meta(min_length=1, max_length=LIMITS["url_characters"], description="https, port 443 or 8443, a whole name")]
Events = Annotated[list[Chosen], Meta(min_length=1, max_length=len(CHOSEN), extra_json_schema={"uniqueItems": True})]


class EndpointBody(Struct, frozen=True, forbid_unknown_fields=True):
    """`mode`: of what it is told."""

    mode: Mode
    url: Url
    events: Events


class EndpointChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays."""

    url: Url | UnsetType = UNSET
    events: Events | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class Endpoint(Struct, frozen=True):
    """`disabled_for`: by its owner, because it answered 410 (gone), or because nothing arrived for days (failing).
    `failing_since`: no try has arrived since then. `old_until`: the secret before signs too, until then."""

    id: UUID
    mode: Mode
    url: str
    events: list[Chosen]
    enabled: bool
    disabled_for: DisabledFor | None
    disabled_at: Time | None
    failing_since: Time | None
    old_until: Time | None
    created_at: Time


class NewEndpoint(Endpoint, frozen=True, kw_only=True):
    """`secret` is told once, here."""

    secret: str


class Endpoints(Struct, frozen=True):
    data: list[Endpoint]


class Try(Struct, frozen=True):
    """`status`: of HTTP, where an answer came."""

    at: Time
    milliseconds: int
    reason: Reason
    status: int | None


class Delivery(Struct, frozen=True):
    """`id` is the `webhook-id` of its message; `about`: what the event is of, and `state` what that was in then."""

    id: UUID
    type: WebhookEventKind
    about: UUID
    state: str
    at: Time
    outcome: DeliveryState
    next_try_at: Time | None


class LoggedDelivery(Delivery, frozen=True, kw_only=True):
    """`tries`: the first one first."""

    tries: list[Try]


class Deliveries(Struct, frozen=True):
    data: list[LoggedDelivery]
    next: str | None
