"""RULES §1.3 from the lot's side: grants, reversals, adjustments and closing."""

import pytest

from domain import errors
from domain.ledger import LotSource
from tests.books import MICROSECOND, Books


@pytest.fixture
def books() -> Books:
    return Books()


# Grants


@pytest.mark.parametrize("amount", [-1, 0])
def test_a_grant_is_of_at_least_one_credit(books: Books, amount: int) -> None:
    books.refuses(errors.InvalidAmount, books.grant, "A", amount)


def test_one_fact_makes_one_lot(books: Books) -> None:
    books.grant("A", fact="invoice line 1")
    books.refuses(errors.AlreadyGranted, books.grant, "B", 10, fact="invoice line 1")
    books.grant("B", fact="invoice line 1", source=LotSource.SUBSCRIPTION)


def test_a_refund_seen_before_its_grant_is_taken_at_once(books: Books) -> None:
    granted = books.grant("A", reversal=4)
    assert books.lines(granted) == ["issued:pack → available 10", "available → reversed 4"]
    assert books.lot("A") == {"remaining": 6, "reversed": 4}
    assert books.state.reversals == [(books.kept("A").id, 4, granted.at)]


@pytest.mark.parametrize("reversal", [-1, 11])
def test_a_grant_cannot_be_reversed_beyond_itself(books: Books, reversal: int) -> None:
    books.refuses(errors.ReversalAboveGrant, books.grant, "A", 10, reversal=reversal)


def test_a_grant_that_comes_after_its_expiry_pays_debt_and_lapses(books: Books) -> None:
    books.grant("A")
    books.pays(10)
    books.reverse("A", 4)
    late = books.grant("B", expires_at=books.now)
    assert books.lines(late) == ["issued:pack → available 10", "available → debt 4", "available → expired 6"]
    assert books.lot("B") == {"expired": 6, "repaid": 4}
    assert books.wallet == (0, 0, 0)


# Reversals


def test_only_a_lot_that_exists_can_be_reversed(books: Books) -> None:
    books.refuses(errors.NoSuchLot, books.reverse, "A", 1)


@pytest.mark.parametrize("reversal", [-1, 11])
def test_a_reversal_is_between_nothing_and_the_grant(books: Books, reversal: int) -> None:
    books.grant("A")
    books.refuses(errors.ReversalAboveGrant, books.reverse, "A", reversal)


def test_a_reversal_said_twice_moves_and_notes_nothing(books: Books) -> None:
    books.grant("A")
    books.reverse("A", 4)
    assert books.lines(books.reverse("A", 4)) == []
    assert len(books.state.reversals) == 1


def test_a_rising_reversal_of_a_live_lot_takes_remaining_then_its_own_payment_then_owes(books: Books) -> None:
    books.grant("A", priority=1)
    books.pays(10)
    books.grant("B")
    books.pays(3)
    books.hold("h", 2)
    books.reverse("A", 4)
    assert books.lot("B") == {"remaining": 1, "held": 2, "consumed": 3, "repaid": 4}
    rise = books.reverse("B", 8)
    assert books.lines(rise) == ["available → reversed 1", "debt → available 4", "available → reversed 4", "debt → reversed 1"]
    assert books.lot("B") == {"held": 2, "consumed": 3, "reversed": 5, "owed": 1}, "the two that are held wait"
    assert books.lines(books.reverse("B", 10)) == ["debt → reversed 2"]
    assert books.wallet == (0, 2, 7)


def test_capturing_what_waits_for_a_reversal_makes_it_owed(books: Books) -> None:
    books.grant("A")
    books.hold("h", 6)
    books.reverse("A", 8)
    assert books.lot("A") == {"held": 6, "reversed": 4}
    books.capture("h", 3)
    assert books.lot("A") == {"consumed": 3, "reversed": 7, "owed": 1}
    assert books.wallet == (0, 0, 1)


def test_what_comes_back_serves_its_own_waiting_reversal_then_debt_then_stays(books: Books) -> None:
    books.grant("A", priority=1)
    books.pays(10)
    books.grant("B")
    books.hold("h", 10)
    books.reverse("B", 3)
    books.reverse("A", 2)
    assert books.wallet == (0, 10, 2)
    back = books.release("h")
    assert books.lines(back) == ["held → available 10", "available → reversed 3", "available → debt 2"]
    assert books.lot("B") == {"remaining": 5, "reversed": 3, "repaid": 2}


def test_what_comes_back_to_a_lapsed_lot_serves_reversal_and_debt_and_the_rest_expires(books: Books) -> None:
    t = books.later(minutes=1)
    books.grant("A", priority=1)
    books.pays(10)
    books.grant("B", expires_at=t)
    books.hold("h", 10)
    books.reverse("B", 3)
    books.reverse("A", 2)
    books.until(t)
    back = books.release("h")
    assert books.lines(back)[1:] == ["available → reversed 3", "available → debt 2", "available → expired 5"]
    assert books.lot("B") == {"expired": 5, "reversed": 3, "repaid": 2}


def test_a_falling_reversal_lowers_what_is_owed_first_then_what_waits_then_gives_back(books: Books) -> None:
    books.grant("A")
    books.pays(3)
    books.hold("h", 2)
    books.reverse("A", 10)
    assert (books.lot("A"), books.wallet) == ({"held": 2, "consumed": 3, "reversed": 5, "owed": 3}, (0, 2, 3))
    assert books.lines(books.reverse("A", 7)) == ["reversed → debt 3"]
    assert books.lines(books.reverse("A", 5)) == [], "two that waited wait no more"
    assert books.lines(books.reverse("A", 1)) == ["reversed → available 4"]
    assert (books.lot("A"), books.wallet) == ({"remaining": 4, "held": 2, "consumed": 3, "reversed": 1}, (4, 2, 0))


def test_payments_are_undone_from_live_lots_first_the_latest_expiry_first(books: Books) -> None:
    books.grant("A", priority=1)
    books.pays(10)
    books.reverse("A", 10)
    for name, length in (("B", 1), ("C", 9), ("D", 5)):
        books.grant(name, 2, expires_at=books.later(hours=length))
    books.grant("E", 2)
    assert books.wallet == (0, 0, 2)
    books.until(books.later(hours=1))
    undone = [books.reverse("A", reversal) for reversal in (7, 3, 0)]
    debt_paid_by = [[line.lot_id for line in books.state.transfers if line.command_id == step.id] for step in undone]
    a, b, c, d, e = (books.kept(name).id for name in "ABCDE")
    assert debt_paid_by == [[e, a], [e, c, d, a], [d, b, a, b]], "B has lapsed, so it comes last, and what it gets back lapses"
    assert [books.lot(name) for name in "BCDE"] == [{"expired": 2}, *[{"remaining": 2}] * 3]
    assert books.wallet == (6, 0, 0)


def test_a_payment_that_lapsed_meanwhile_does_not_come_back(books: Books) -> None:
    """R13: support grants goodwill instead."""
    books.grant("A", priority=1)
    books.pays(10)
    books.reverse("A", 4)
    books.grant("B", expires_at=books.later(hours=1))
    books.until(books.later(hours=1))
    books.reverse("B", 10)
    assert books.lot("B") == {"reversed": 10}
    books.reverse("B", 0)
    assert books.lot("B") == {"expired": 6, "repaid": 4}
    assert books.wallet == (0, 0, 0)


# Adjusting and closing


@pytest.mark.parametrize("source", [LotSource.PACK, LotSource.SUBSCRIPTION])
def test_a_bought_lot_changes_by_refund_only(books: Books, source: LotSource) -> None:
    books.grant("A", source=source)
    books.refuses(errors.InvalidAmount, books.adjust_down, "A", 1)


@pytest.mark.parametrize("amount", [-1, 0, 5])
def test_staff_takes_back_at_most_what_remains(books: Books, amount: int) -> None:
    books.grant("A", source=LotSource.GOODWILL)
    books.pays(3)
    books.hold("h", 3)
    books.refuses(errors.InvalidAmount, books.adjust_down, "A", amount)
    books.adjust_down("A", 4)
    assert books.lot("A") == {"held": 3, "consumed": 3, "reversed": 4}
    books.refuses(errors.InvalidAmount, books.adjust_down, "A", 1)


def test_staff_takes_nothing_from_a_lapsed_lot(books: Books) -> None:
    books.grant("A", source=LotSource.TRIAL, expires_at=books.later(hours=1))
    books.until(books.later(hours=1))
    books.refuses(errors.InvalidAmount, books.adjust_down, "A", 1)


def test_two_adjustments_add_up(books: Books) -> None:
    books.grant("A", source=LotSource.STAFF)
    books.adjust_down("A", 3)
    books.adjust_down("A", 4)
    assert books.lot("A") == {"remaining": 3, "reversed": 7}
    assert [reversal for _, reversal, _ in books.state.reversals] == [3, 7]


def test_closing_lapses_what_is_left_and_no_grant_follows(books: Books) -> None:
    past, soon = books.now, books.later(hours=1)
    for name, expires_at in (("A", past), ("B", soon), ("C", None)):
        books.grant(name, expires_at=expires_at)
    books.until(books.later(minutes=1))
    closed = books.close()
    assert [books.kept(name).expires_at for name in "ABC"] == [past, closed.at, closed.at]
    assert books.wallet == (0, 0, 0)
    books.refuses(errors.AccountClosed, books.grant, "D")
    books.refuses(errors.AlreadyGranted, books.grant, "D", fact="A")
    books.refuses(errors.InsufficientCredits, books.hold, "h", 1)
    assert books.as_of(closed.at - MICROSECOND) == 20, "the books before the end stay as they were"


def test_open_holds_keep_a_wallet_open(books: Books) -> None:
    books.grant("A")
    books.hold("h", 1)
    books.refuses(errors.OpenHolds, books.close)
    books.release("h")
    books.close()


def test_refunds_still_reach_a_closed_wallet_and_leave_debt(books: Books) -> None:
    books.grant("A")
    books.pays(6)
    books.close()
    books.reverse("A", 10)
    assert (books.lot("A"), books.wallet) == ({"consumed": 6, "reversed": 4, "owed": 6}, (0, 0, 6))
    books.reverse("A", 0)
    assert (books.lot("A"), books.wallet) == ({"consumed": 6, "expired": 4}, (0, 0, 0))
