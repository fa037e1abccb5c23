"""The short histories of RULES §3 that concern credits (T1–T9), then the tables of §1.3 and §1.4, cell by cell.

T7's rounding and its two handlers belong to billing, T8's transactions to the stores; what the wallet has of them is here.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest

from domain import errors
from domain.commands import Recorded
from tests.books import MICROSECOND, Books


@pytest.fixture
def books() -> Books:
    return Books()


# T1–T9


def test_t1_a_dispute_of_spent_credits_is_owed_and_the_next_grant_pays(books: Books) -> None:
    books.grant("A")
    books.pays(6)
    books.reverse("A", 10)
    assert books.lot("A") == {"consumed": 6, "reversed": 4, "owed": 6}
    assert books.wallet == (0, 0, 6)
    assert books.lines(books.grant("B")) == ["issued:pack → available 10", "available → debt 6"]
    assert books.wallet == (4, 0, 0)


def test_t1_a_dispute_won_is_as_if_never_disputed(books: Books) -> None:
    books.grant("A")
    books.pays(6)
    books.reverse("A", 10)
    books.grant("B")
    won = books.reverse("A", 0)
    assert books.lines(won) == ["debt → available 6", "reversed → debt 6", "reversed → available 4"]
    assert books.lot("A") == {"remaining": 4, "consumed": 6}
    assert books.lot("B") == {"remaining": 10}
    assert books.wallet == (14, 0, 0)


def test_t2_a_refund_waits_for_credits_that_are_held(books: Books) -> None:
    books.grant("A")
    books.grant("B")
    books.hold("h", 6)
    books.reverse("A", 10)
    assert books.lot("A") == {"held": 6, "reversed": 4}
    assert books.wallet == (10, 6, 0)
    books.release("h")
    assert books.lot("A") == {"reversed": 10}
    assert books.wallet == (10, 0, 0)


def test_t2_a_refund_of_what_a_picture_then_uses_is_owed(books: Books) -> None:
    books.grant("A")
    books.grant("B")
    books.hold("h", 6)
    books.reverse("A", 10)
    books.capture("h", 6)
    assert books.lot("A") == {"consumed": 6, "reversed": 4, "owed": 6}
    assert books.lot("B") == {"remaining": 4, "repaid": 6}
    assert books.wallet == (4, 0, 0)


def test_t3_credits_that_lapsed_unused_are_never_owed(books: Books) -> None:
    books.grant("A", expires_at=books.later(days=1))
    books.until(books.later(days=1))
    refund = books.reverse("A", 10)
    assert books.lines(refund) == ["available → expired 10", "expired → reversed 10"]
    assert books.lot("A") == {"reversed": 10}
    assert books.wallet == (0, 0, 0)


def test_t3_half_a_refund_of_a_lapsed_lot_takes_what_lapsed_and_owes_the_rest(books: Books) -> None:
    books.grant("A", expires_at=books.later(days=1))
    books.pays(6)
    books.until(books.later(days=1))
    books.reverse("A", 5)
    assert books.lot("A") == {"consumed": 6, "reversed": 4, "owed": 1}
    assert books.wallet == (0, 0, 1)


@pytest.mark.parametrize("order", ["AB", "BA"])
def test_t4_the_order_of_two_refunds_does_not_matter(books: Books, order: str) -> None:
    books.grant("A")
    books.pays(6)
    if order == "AB":
        books.reverse("A", 10)
        books.grant("B")
        assert books.lot("B") == {"remaining": 4, "repaid": 6}
        books.reverse("B", 10)
    else:
        books.grant("B")
        books.reverse("B", 10)
        books.reverse("A", 10)
    assert books.lot("A") == {"consumed": 6, "reversed": 4, "owed": 6}
    assert books.lot("B") == {"reversed": 10}
    assert books.wallet == (0, 0, 6)


@pytest.mark.parametrize("lapsed", [False, True])
def test_t5_what_a_capture_leaves_goes_back_to_its_own_lot(books: Books, lapsed: bool) -> None:
    expires_at = books.later(minutes=10)
    books.grant("A", expires_at=expires_at)
    books.grant("B")
    books.hold("h", 15)
    assert [share.amount for share in books.held("h").allocations] == [10, 5]
    if lapsed:
        books.until(expires_at)
    books.capture("h", 3)
    assert books.lot("A") == {"consumed": 3, "expired" if lapsed else "remaining": 7}
    assert books.lot("B") == {"remaining": 10}
    assert [share.consumed for share in books.held("h").allocations] == [3, 0]


def test_t6_credits_are_there_until_their_instant_and_not_at_it(books: Books) -> None:
    t = books.later(days=1)
    books.grant("A", expires_at=t)
    books.until(t)
    assert books.state.available == 10, "no sweep yet"
    assert books.shown() == 0
    assert books.as_of(t - MICROSECOND) == 10
    books.refuses(errors.InsufficientCredits, books.hold, "h", 1)
    books.sweep()
    assert (books.as_of(t - MICROSECOND), books.as_of(t), books.shown()) == (10, 0, 0), "now and for ever"


def test_t6_a_hold_pins_its_credits_past_their_expiry(books: Books) -> None:
    t = books.later(minutes=1)
    books.grant("A", expires_at=t)
    books.until(t - MICROSECOND)
    books.hold("kept", 4)
    books.hold("back", 6)
    books.until(t + timedelta(minutes=1))
    books.capture("kept", 4)
    assert books.lot("A") == {"held": 6, "consumed": 4}
    assert books.lines(books.release("back")) == ["held → available 6", "available → expired 6"]
    assert books.lot("A") == {"consumed": 4, "expired": 6}
    assert books.wallet == (0, 0, 0)


def test_t7_refunds_are_told_as_their_sum_and_can_be_taken_back(books: Books) -> None:
    books.grant("A")
    for reversal in (3, 6, 10):
        books.reverse("A", reversal)
        assert books.lot("A") == ({"remaining": 10 - reversal, "reversed": reversal} if reversal < 10 else {"reversed": 10})
    books.reverse("A", 0)
    assert books.lot("A") == {"remaining": 10}
    assert [reversal for _, reversal, _ in books.state.reversals] == [3, 6, 10, 0]


def test_t8_time_never_falls_even_if_the_clock_does(books: Books) -> None:
    first = books.grant("A")
    books.driver.advance(-3600)
    second = books.grant("B")
    assert second.at == first.at > books.now
    assert [line.version for line in books.state.transfers] == [1, 2]


def test_t8_a_lot_that_lapsed_stays_lapsed_when_the_clock_falls(books: Books) -> None:
    t = books.later(minutes=1)
    books.grant("A", expires_at=t)
    books.until(t)
    books.refuses(errors.InsufficientCredits, books.hold, "h", 1)
    books.sweep()
    books.driver.advance(-30)
    books.refuses(errors.InsufficientCredits, books.hold, "h", 1)


@pytest.mark.parametrize("first", ["capture", "release", "expire"])
def test_t9_a_hold_resolves_once(books: Books, first: str) -> None:
    due = books.later(hours=1)
    books.grant("A")
    books.hold("h", 4, expires_at=due)
    books.until(due)
    _resolve(books, first)
    for second in ("capture", "release", "expire"):
        books.refuses(errors.HoldResolved, _resolve, books, second)


def _resolve(books: Books, how: str, hold: str = "h") -> Recorded:
    ways: dict[str, Callable[[], Recorded]] = {
        "capture": lambda: books.capture(hold, 1),
        "release": lambda: books.release(hold),
        "expire": lambda: books.expire(hold),
    }
    return ways[how]()


# Hold × command


@pytest.mark.parametrize("how", ["capture", "release", "expire"])
def test_a_hold_that_never_was_cannot_be_resolved(books: Books, how: str) -> None:
    books.grant("A")
    books.refuses(errors.HoldNotFound, _resolve, books, how)


@pytest.mark.parametrize("state", ["open", "capture", "release", "expire"])
def test_a_generation_is_held_for_once(books: Books, state: str) -> None:
    due = books.later(hours=1)
    books.grant("A")
    books.hold("h", 4, expires_at=due)
    books.until(due)
    if state != "open":
        _resolve(books, state)
    books.refuses(errors.HoldExists, books.hold, "h", 1)


@pytest.mark.parametrize(
    ("how", "state", "captured"), [("capture", "captured", 1), ("release", "released", 0), ("expire", "expired", 0)]
)
def test_an_open_hold_resolves_to_what_was_asked(books: Books, how: str, state: str, captured: int) -> None:
    due = books.later(hours=1)
    books.grant("A")
    books.hold("h", 4, expires_at=due)
    books.until(due)
    _resolve(books, how)
    assert (books.held("h").state, books.held("h").captured) == (state, captured)
    assert books.wallet == (10 - captured, 0, 0)


def test_a_hold_is_due_at_its_instant_and_not_a_microsecond_before(books: Books) -> None:
    due = books.later(hours=1)
    books.grant("A")
    books.hold("h", 4, expires_at=due)
    books.until(due - MICROSECOND)
    books.refuses(errors.HoldNotDue, books.expire, "h")
    books.until(due)
    books.expire("h")


@pytest.mark.parametrize("amount", [-1, 0, 5])
def test_a_capture_takes_at_least_one_and_at_most_the_hold(books: Books, amount: int) -> None:
    books.grant("A")
    books.hold("h", 4)
    books.refuses(errors.InvalidAmount, books.capture, "h", amount)
    books.capture("h", 4)


def test_a_hold_that_was_due_can_still_be_captured(books: Books) -> None:
    books.grant("A")
    books.hold("h", 4, expires_at=books.later(hours=1))
    books.until(books.later(hours=2))
    books.capture("h", 4)
    assert books.lot("A") == {"remaining": 6, "consumed": 4}


# Holding


@pytest.mark.parametrize("amount", [-1, 0])
def test_nothing_cannot_be_held(books: Books, amount: int) -> None:
    books.grant("A")
    books.refuses(errors.InvalidAmount, books.hold, "h", amount)


def test_all_that_is_available_can_be_held_and_not_one_more(books: Books) -> None:
    books.grant("A")
    books.refuses(errors.InsufficientCredits, books.hold, "h", 11)
    books.hold("h", 10)
    books.refuses(errors.InsufficientCredits, books.hold, "i", 1)


def test_debt_blocks_holds(books: Books) -> None:
    books.grant("A")
    books.pays(10)
    books.reverse("A", 1)
    books.refuses(errors.DebtOutstanding, books.hold, "h", 1)


def test_open_holds_are_limited_and_resolved_ones_do_not_count(books: Books) -> None:
    books.grant("A")
    books.hold("h", 1, limit=2)
    books.hold("i", 1, limit=2)
    books.refuses(errors.TooManyOpen, books.hold, "j", 1, limit=2)
    books.release("h")
    books.hold("j", 1, limit=2)


def test_credits_are_drawn_by_priority_then_expiry_then_id(books: Books) -> None:
    soon, late = books.later(days=1), books.later(days=2)
    books.grant("E", 1, priority=20, expires_at=soon)
    books.grant("D", 1, priority=10)
    books.grant("C", 1, priority=10, expires_at=late)
    books.grant("B", 1, priority=10, expires_at=soon)
    books.grant("A", 1, priority=10, expires_at=soon + MICROSECOND)
    books.grant("F", 1, priority=10, expires_at=soon)
    books.hold("h", 6)
    assert [share.lot_id for share in books.held("h").allocations] == [books.kept(name).id for name in "BFACDE"]
