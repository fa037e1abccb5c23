"""Webhook endpoints by themselves: how they sign, what they may be told of, and when one is given up."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from application.webhook_deliveries import message
from domain.accounts import AccountId, Mode
from domain.errors import InvalidRequest
from domain.webhook_deliveries import Delivery, DeliveryState
from domain.webhook_endpoints import (
    CHOSEN,
    FAILS_AT_MOST,
    OLD_SECRET_SIGNS,
    DisabledFor,
    WebhookEndpoint,
    WebhookEndpointId,
    WebhookEvent,
    WebhookEventId,
    WebhookEventKind,
    check_events,
    signature,
    write_secret,
)

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ENDPOINT = WebhookEndpoint(
    WebhookEndpointId(UUID(int=1)), AccountId(UUID(int=2)), Mode.LIVE, "https://hooks.example/in", CHOSEN, b"a" * 24, NOW
)
DELIVERY = Delivery(
    WebhookEventId(UUID(int=3)),
    ENDPOINT.id,
    WebhookEventKind.GENERATION_FINISHED,
    UUID(int=4),
    "succeeded",
    NOW,
    DeliveryState.WAITING,
    0,
    NOW,
)


def headers(secrets: tuple[bytes, ...], at: datetime, body: bytes) -> dict[str, str]:
    id, seconds = str(DELIVERY.id), int(at.timestamp())
    return {"webhook-id": id, "webhook-timestamp": str(seconds), "webhook-signature": signature(secrets, id, seconds, body)}


def test_the_vector_of_standard_webhooks_is_signed_as_they_sign_it() -> None:
    secret = Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")._whsecret
    signed = signature([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_library_of_standard_webhooks_believes_what_we_sign_and_nothing_that_was_changed() -> None:
    body, now = message(DELIVERY, ENDPOINT), datetime.now(UTC)
    receiver, said = Webhook(write_secret(ENDPOINT.secret)), headers(ENDPOINT.signing(now), now, body)
    assert receiver.verify(body, said) == json.loads(body)
    later = str(int(said["webhook-timestamp"]) + 1)
    for changed in (said | {"webhook-id": str(UUID(int=9))}, said | {"webhook-timestamp": later}):
        with pytest.raises(WebhookVerificationError):
            receiver.verify(body, changed)
    with pytest.raises(WebhookVerificationError):
        receiver.verify(body.replace(b"succeeded", b"failed"), said)
    with pytest.raises(WebhookVerificationError):
        Webhook(write_secret(b"b" * 24)).verify(body, said)


def test_for_a_day_after_a_rotation_receivers_of_either_secret_believe_us() -> None:
    body, now = message(DELIVERY, ENDPOINT), datetime.now(UTC)
    rotated = ENDPOINT.rotated(b"b" * 24, NOW)
    during = headers(rotated.signing(NOW + OLD_SECRET_SIGNS - timedelta(seconds=1)), now, body)
    for secret in (b"a" * 24, b"b" * 24):
        Webhook(write_secret(secret)).verify(body, during)
    after = headers(rotated.signing(NOW + OLD_SECRET_SIGNS), now, body)
    Webhook(write_secret(b"b" * 24)).verify(body, after)
    with pytest.raises(WebhookVerificationError):
        Webhook(write_secret(b"a" * 24)).verify(body, after)


def test_whoever_rotates_again_because_the_answer_was_lost_does_not_cut_their_receivers_off() -> None:
    lost = ENDPOINT.rotated(b"b" * 24, NOW)
    again = lost.rotated(b"c" * 24, NOW + timedelta(hours=1))
    assert again.signing(NOW + timedelta(hours=23)) == (b"c" * 24, b"a" * 24)
    assert again.signing(NOW + OLD_SECRET_SIGNS) == (b"c" * 24,)
    next_day = again.rotated(b"d" * 24, NOW + OLD_SECRET_SIGNS)
    assert next_day.signing(NOW + OLD_SECRET_SIGNS) == (b"d" * 24, b"c" * 24)


def test_a_secret_that_is_too_short_is_never_written() -> None:
    with pytest.raises(ValueError, match="24"):
        write_secret(bytes(23))


def test_the_same_fact_is_the_same_event_and_another_is_another() -> None:
    def event(kind: WebhookEventKind, fact: str) -> WebhookEventId:
        return WebhookEvent.of(kind, fact, ENDPOINT.account_id, NOW, "low").id

    assert event(WebhookEventKind.CREDITS_LOW, "1") == event(WebhookEventKind.CREDITS_LOW, "1")
    assert len({event(kind, fact) for kind in CHOSEN for fact in "12"}) == 2 * len(CHOSEN)


@pytest.mark.parametrize("events", [[], [WebhookEventKind.TEST], [WebhookEventKind.CREDITS_LOW] * 2])
def test_what_is_wanted_is_named_once_each(events: list[WebhookEventKind]) -> None:
    with pytest.raises(InvalidRequest):
        check_events(events)


def test_an_answer_of_410_disables_at_once() -> None:
    after = ENDPOINT.after_try(NOW, arrived=False, gone=True, gave_up=True)
    assert (after.disabled_at, after.disabled_for) == (NOW, DisabledFor.GONE)


def test_days_of_failures_disable_and_one_arrival_between_them_does_not() -> None:
    failing = ENDPOINT.after_try(NOW, arrived=False, gone=False, gave_up=False)
    assert (failing.failing_since, failing.disabled_at) == (NOW, None)
    late = NOW + FAILS_AT_MOST
    assert failing.after_try(late - timedelta(seconds=1), arrived=False, gone=False, gave_up=True).disabled_at is None
    assert failing.after_try(late, arrived=False, gone=False, gave_up=False).disabled_at is None, "its schedule goes on"
    assert failing.after_try(late, arrived=False, gone=False, gave_up=True).disabled_for is DisabledFor.FAILING
    healed = failing.after_try(late, arrived=True, gone=False, gave_up=False)
    assert healed.failing_since is None
    assert healed.after_try(late, arrived=False, gone=False, gave_up=True).disabled_at is None


def test_enabled_again_it_begins_anew_and_an_owner_is_no_reason_over_another() -> None:
    gone = replace(ENDPOINT, failing_since=NOW).disabled(DisabledFor.GONE, NOW)
    assert gone.changed(None, None, False, NOW + timedelta(days=1)) == gone
    again = gone.changed("https://new.example/", [WebhookEventKind.CREDITS_LOW], True, NOW)
    assert (again.disabled_at, again.disabled_for, again.failing_since) == (None, None, None)
    assert (again.url, again.events) == ("https://new.example/", (WebhookEventKind.CREDITS_LOW,))


def test_the_body_is_small_and_the_same_at_every_try() -> None:
    later = replace(DELIVERY, tries=5, resume_at=NOW + timedelta(days=1))
    assert message(later, ENDPOINT) == message(DELIVERY, ENDPOINT)
    assert len(message(DELIVERY, ENDPOINT)) < 20_000


def test_at_another_address_it_begins_anew() -> None:
    failing = replace(ENDPOINT, failing_since=NOW)
    assert failing.changed("https://other.example/", None, None, NOW).failing_since is None
    assert failing.changed(ENDPOINT.url, None, None, NOW).failing_since == NOW
