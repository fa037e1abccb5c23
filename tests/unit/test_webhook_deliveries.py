"""One delivery through its schedule, its clock moved by hand."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from domain.webhook_deliveries import LATER, SCHEDULE, Delivery, DeliveryState, Reason, Try
from domain.webhook_endpoints import WebhookEndpointId, WebhookEventId, WebhookEventKind

NOW = datetime(2030, 1, 1, tzinfo=UTC)
NEW = Delivery(
    WebhookEventId(UUID(int=1)),
    WebhookEndpointId(UUID(int=2)),
    WebhookEventKind.CREDITS_LOW,
    UUID(int=3),
    "low",
    NOW,
    DeliveryState.WAITING,
    0,
    NOW,
)


def a_try(reason: Reason, at: datetime = NOW) -> Try:
    return Try(at, 5, reason)


def test_the_schedule_is_that_of_standard_webhooks() -> None:
    assert [wait.total_seconds() for wait in SCHEDULE] == [0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]


@pytest.mark.parametrize("seed", range(50))
def test_tries_come_when_the_schedule_says_over_its_three_days_and_then_no_more(seed: int) -> None:
    draw, delivery, tried = random.Random(seed), NEW, list[datetime]()
    while delivery.resume_at is not None:
        at = delivery.resume_at
        tried.append(at)
        delivery = delivery.after(a_try(Reason.TIMEOUT, at), at, draw.random())
    assert delivery.outcome is DeliveryState.FAILED
    assert len(tried) == len(SCHEDULE)
    for before, after, wait in zip(tried, tried[1:], SCHEDULE[1:], strict=False):
        assert wait <= after - before <= wait * (1 + LATER)
    whole = sum(SCHEDULE, timedelta(0))
    assert whole <= tried[-1] - tried[0] <= whole * (1 + LATER)


@pytest.mark.parametrize("tries", range(len(SCHEDULE)))
def test_what_arrives_is_over_and_stays_so(tries: int) -> None:
    delivery = NEW
    for _ in range(tries):
        delivery = delivery.after(a_try(Reason.BROKEN), NOW, 0)
    arrived = delivery.after(a_try(Reason.DELIVERED), NOW, 0)
    assert (arrived.outcome, arrived.resume_at) == (DeliveryState.DELIVERED, None)
    assert arrived.after(a_try(Reason.STATUS), NOW, 0) == arrived, "another who sent it at the same time failed"


def test_what_was_given_up_may_arrive_after_all_but_is_not_tried_again_by_itself() -> None:
    failed = NEW.after(a_try(Reason.GONE), NOW, 0)
    assert (failed.outcome, failed.resume_at) == (DeliveryState.FAILED, None)
    assert failed.after(a_try(Reason.BROKEN), NOW, 0) == failed
    assert failed.after(a_try(Reason.DELIVERED), NOW, 0).outcome is DeliveryState.DELIVERED


def test_asked_for_again_it_has_the_whole_schedule_again() -> None:
    again = NEW.after(a_try(Reason.GONE), NOW, 0).again(NOW)
    assert (again.outcome, again.tries, again.resume_at, again.id) == (DeliveryState.WAITING, 0, NOW, NEW.id)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        *((status, Reason.DELIVERED) for status in (200, 201, 202, 204, 299)),
        *((status, Reason.REDIRECT) for status in (300, 301, 302, 303, 304, 307, 308)),
        (410, Reason.GONE),
        *((status, Reason.STATUS) for status in (100, 199, 400, 401, 404, 409, 429, 500, 502, 503, 599)),
    ],
)
def test_only_2xx_is_success(status: int, reason: Reason) -> None:
    assert Reason.of(status) is reason


def test_receivers_are_told_the_schedule_and_the_reasons() -> None:
    page = (Path(__file__).parents[2] / "docs/webhooks.md").read_text()
    assert "0, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h" in page
    assert all(f"`{word}`" in page for word in [*Reason, *DeliveryState, *WebhookEventKind])
