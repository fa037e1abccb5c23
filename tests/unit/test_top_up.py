"""Top-ups: when one is due, what a month bears, and who is told that credits run low."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounts import AccountId
from domain.top_up import (
    AGAIN,
    KEY_HOLDS,
    LOOK_AGAIN,
    TopUp,
    TopUpAttempt,
    TopUpId,
    TopUpOutcome,
    month_begins,
    spent,
)

ACCOUNT = AccountId(UUID(int=1))
NOW = datetime(2027, 1, 15, 12, tzinfo=UTC)
ON = TopUp(ACCOUNT, enabled=True, pack="small", below=100, monthly_cap=1_500)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PAID, DECLINED, GIVEN_UP = TopUpOutcome.PAID, TopUpOutcome.DECLINED, TopUpOutcome.GIVEN_UP


def attempt(
    at: datetime = NOW, outcome: TopUpOutcome | None = None, price: int = 500, ended_at: datetime | None = None
) -> TopUpAttempt:
    open_one = TopUpAttempt(TopUpId(UUID(int=2)), ACCOUNT, "small", price, at)
    return open_one.ended(outcome, ended_at or at) if outcome else open_one


@pytest.mark.parametrize(("available", "wanted"), [(0, True), (99, True), (100, False), (1_000, False)])
def test_a_top_up_is_wanted_below_what_was_said(available: int, wanted: bool) -> None:
    assert ON.is_wanted(available) is wanted
    assert not replace(ON, enabled=False).is_wanted(available)
    assert not replace(ON, below=0).is_wanted(available)


def test_the_cap_is_reached_by_what_was_paid_and_may_be_paid_and_no_more() -> None:
    two = [attempt(outcome=PAID), attempt(outcome=PAID)]
    assert ON.may_buy(500, two, NOW)
    assert not ON.may_buy(501, two, NOW)
    assert not ON.may_buy(500, [*two, attempt(outcome=PAID)], NOW)
    assert ON.may_buy(500, [*two, attempt(outcome=DECLINED), attempt(outcome=GIVEN_UP)], NOW), "nothing was paid for these"
    assert not replace(ON, enabled=False).may_buy(1, [], NOW)


def test_an_open_attempt_forbids_another() -> None:
    assert not ON.may_buy(1, [attempt(price=0)], NOW)


def test_a_new_month_begins_anew_in_utc() -> None:
    old = [attempt(datetime(2027, 1, 31, 23, 59, 59, tzinfo=UTC), PAID, 1_500)]
    assert spent(old, datetime(2027, 1, 31, 23, 59, 59, tzinfo=UTC)) == 1_500
    first = datetime.fromisoformat("2027-02-01T00:59:59+01:00")
    assert spent(old, first) == 1_500, "elsewhere it is February, in UTC it is not"
    assert spent(old, first + timedelta(seconds=1)) == 0


def test_an_attempt_counts_in_every_month_in_which_it_may_have_been_paid() -> None:
    eve, morning = datetime(2027, 1, 31, 23, tzinfo=UTC), datetime(2027, 2, 1, 1, tzinfo=UTC)
    assert spent([attempt(eve)], morning) == 500
    late = attempt(eve, PAID, ended_at=morning)
    assert (spent([late], eve), spent([late], morning), spent([late], morning + 40 * DAY)) == (500, 500, 0)


@pytest.mark.parametrize(
    ("top_up", "others", "age", "repeated"),
    [
        (ON, [], HOUR, True),
        (ON, [], KEY_HOLDS - timedelta(seconds=1), True),
        (ON, [], KEY_HOLDS, False),
        (replace(ON, enabled=False), [], HOUR, False),
        (replace(ON, monthly_cap=499), [], HOUR, False),
        (ON, [attempt(outcome=PAID, price=1_001)], HOUR, False),
    ],
)
def test_an_attempt_is_repeated_as_long_as_its_key_holds_and_it_is_still_wanted(
    top_up: TopUp, others: list[TopUpAttempt], age: timedelta, repeated: bool
) -> None:
    assert top_up.may_repeat(attempt(), others, NOW + age) is repeated


def test_who_was_declined_is_not_asked_again() -> None:
    off = ON.tried(NOW).after(replace(attempt(outcome=DECLINED), code="card_declined"))
    assert (off.enabled, off.declined, off.resume_at) == (False, "card_declined", None)
    for ended in (PAID, GIVEN_UP):
        assert ON.tried(NOW).after(attempt(outcome=ended)) == ON


@pytest.mark.parametrize(
    ("now", "looked_at"),
    [
        (NOW, NOW + LOOK_AGAIN),
        (datetime(2027, 1, 31, 23, 30, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC)),
        (datetime(2027, 12, 31, 23, 30, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)),
    ],
)
def test_what_may_not_be_is_looked_at_again_in_an_hour_or_when_a_month_begins(now: datetime, looked_at: datetime) -> None:
    assert ON.put_off(now).resume_at == looked_at


def test_an_account_is_looked_at_when_something_is_to_be_done_and_not_before() -> None:
    quiet = replace(ON, notify_below=0, is_low=False)
    assert quiet.concerns(99, NOW, is_open=False)
    assert not quiet.concerns(100, NOW, is_open=False)
    assert quiet.concerns(100, NOW, is_open=True)
    tried = quiet.tried(NOW)
    assert not tried.concerns(99, NOW + AGAIN - timedelta(seconds=1), is_open=True)
    assert tried.concerns(99, NOW + AGAIN, is_open=True)
    assert replace(tried, notify_below=50).concerns(49, NOW, is_open=True), "who is to be told does not wait for a payment"


@given(st.integers(0, 60), st.lists(st.integers(0, 60), max_size=30))
def test_one_is_told_once_for_each_fall_and_who_never_had_enough_has_not_fallen(notify_below: int, balances: list[int]) -> None:
    top_up, told = replace(ON, notify_below=notify_below), 0
    for available in balances:
        top_up, tells = top_up.watched(available)
        told += tells
    was = [True, *(available < notify_below for available in balances)]
    assert told == sum(low and not before for before, low in pairwise(was))
    assert notify_below or not told


@given(
    st.lists(
        st.tuples(st.sampled_from((100, 500, 700)), st.floats(0, 40), st.sampled_from((*TopUpOutcome, None)), st.floats(0, 3)),
        max_size=40,
    ),
    st.integers(0, 2_000),
)
def test_what_is_paid_in_a_month_never_exceeds_the_cap(
    tries: list[tuple[int, float, TopUpOutcome | None, float]], cap: int
) -> None:
    """Whenever an attempt is made it may be paid at once, or at its end: neither month bears more than the cap."""
    top_up, every, now = replace(ON, monthly_cap=cap), list[TopUpAttempt](), NOW
    for price, wait, outcome, takes in tries:
        now += timedelta(days=wait)
        if not top_up.may_buy(price, every, now):
            continue
        made, end = attempt(now, price=price), now + timedelta(days=takes)
        while now < end and top_up.may_repeat(made, every, now):
            now = min(end, now + timedelta(hours=5))
        every.append(made.ended(outcome or GIVEN_UP, now))
    paid = [each for each in every if each.outcome is PAID]
    for dated in ([(each.at, each.price) for each in paid], [(each.ended_at or NOW, each.price) for each in paid]):
        borne = Counter[datetime]()
        for at, price in dated:
            borne[month_begins(at)] += price
        assert max(borne.values(), default=0) <= cap
