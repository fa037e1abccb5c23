"""Credits follow money that came in: which credits each line of a purchase brings, and which of them go back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.billing import CustomerId, PaidLine, Purchase, PurchaseKind, PurchaseRef
from domain.convergence import ROLL_OVER, BoughtLot, Remark, credits_of, settle
from domain.ledger import LotId, LotSource
from tests.offer import CATALOGUE

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PERIOD_END = NOW + timedelta(days=30)
INVOICE = PurchaseRef(PurchaseKind.INVOICE, "in_1")
STARTER, PRO = CATALOGUE.plans["starter"], CATALOGUE.plans["pro"]
SMALL = CATALOGUE.packs["small"]


def line(product: str | None, gross: int, net: int | None = None, quantity: int = 1, id: str = "il_1") -> PaidLine:
    ends = PERIOD_END if product in CATALOGUE.plans else None
    return PaidLine(id, product, quantity, gross, gross if net is None else net, ends)


def purchase(*lines: PaidLine, paid: int | None = None, **more: Any) -> Purchase:
    told = tuple(replace(each, id=f"il_{number}") for number, each in enumerate(lines, 1))
    paid = max(0, sum(each.net for each in lines)) if paid is None else paid
    return Purchase(INVOICE, CustomerId("cus_1"), None, more.pop("currency", "usd"), paid, True, told, NOW, **more)


def brings(*lines: PaidLine, **more: Any) -> list[int]:
    """The credits of each line."""
    return list(credits_of(purchase(*lines, **more), CATALOGUE).values())


def bought(amount: int, reversal: int = 0) -> list[BoughtLot]:
    return [BoughtLot(LotId(UUID(int=1)), f"{INVOICE}:il_1", amount, reversal)]


# What a line brings


def test_a_whole_line_brings_the_credits_of_what_it_sells() -> None:
    assert brings(line("starter", 900)) == [750]
    assert brings(line("small", 1500, quantity=3)) == [1200]
    assert brings(line("starter", 900), line("small", 500)) == [750, 400]


@pytest.mark.parametrize("net", [899, 450, 1, 0])
def test_a_discount_does_not_lessen_them(net: int) -> None:
    assert brings(line("starter", 900, net)) == [750]


def test_tax_is_no_money_for_credits() -> None:
    assert brings(line("small", 500), paid=600) == [400]
    assert brings(line("starter", -450), line("pro", 1450), paid=1200) == brings(line("starter", -450), line("pro", 1450))


def test_what_a_credit_balance_paid_brings_none_again() -> None:
    assert brings(line("starter", 900), paid=0) == [0]
    assert brings(line("starter", 900), paid=300) == [250]
    assert brings(line("starter", 900), line("small", 500, 0), paid=0) == [0, 400], "what a code gave is not what a balance paid"


def test_a_part_of_a_period_brings_credits_for_the_money_that_came() -> None:
    assert brings(line("pro", 1450)) == [1300]
    assert brings(line("starter", -450), line("pro", 1450)) == [0, 2600 * 1000 // 2900]
    assert brings(line("pro", -1450), line("starter", 450)) == [0, 0]
    assert brings(line("pro", 1450, 725)) == [650], "half of it came in"


def test_whole_lines_come_before_parts() -> None:
    assert brings(line("starter", -450), line("pro", 1450), line("pro", 2900)) == [0, 2600 * 1000 // 2900, 2600]


def test_a_time_on_trial_brings_none() -> None:
    assert brings(line("starter", 0)) == [0]


def test_a_higher_price_than_ours_brings_no_more() -> None:
    assert brings(line("starter", 9_000)) == [750]


def test_a_line_of_nothing_we_sell_brings_none_and_is_reported() -> None:
    for product in (None, "consulting"):
        told = purchase(line(product, 5_000), line("small", 500))
        assert list(credits_of(told, CATALOGUE).values()) == [0, 400]
        assert settle(told, CATALOGUE, (), 1).remarks == (Remark.UNSOLD,)
    assert settle(purchase(line("small", 500)), CATALOGUE, (), 1).remarks == ()


def test_amounts_in_another_currency_bring_none_and_are_reported() -> None:
    told = purchase(line("small", 500), currency="jpy")
    assert settle(told, CATALOGUE, (), 1).grants == ()
    assert settle(told, CATALOGUE, (), 1).remarks == (Remark.OTHER_CURRENCY,)
    assert brings(line("small", 500), currency="USD") == [400]


PRICES = {id: plan.price for id, plan in CATALOGUE.plans.items()} | {id: pack.price for id, pack in CATALOGUE.packs.items()}
_products = st.sampled_from(["starter", "pro", "studio", "small", "large", None])


@st.composite
def lines(draw: st.DrawFn) -> PaidLine:
    product, quantity = draw(_products), draw(st.integers(1, 3))
    price = PRICES.get(product or "", 700)
    gross = draw(st.sampled_from([quantity * price, -price // 2]) | st.integers(-price, quantity * price))
    return line(product, gross, gross if gross < 0 or draw(st.booleans()) else draw(st.integers(0, gross)), quantity)


@settings(max_examples=200, deadline=None)
@given(st.lists(lines(), min_size=1, max_size=4), st.integers(0, 30_000))
def test_nothing_brings_more_than_it_sells_nor_parts_more_than_their_money(told: list[PaidLine], paid: int) -> None:
    made = purchase(*told, paid=paid)
    worth = Fraction()
    for each, credits in zip(made.lines, credits_of(made, CATALOGUE).values(), strict=True):
        sold = CATALOGUE.plans.get(each.product or "") or CATALOGUE.packs.get(each.product or "")
        assert 0 <= credits <= (each.quantity * sold.credits if sold and each.gross > 0 else 0)
        if sold and each.gross < each.quantity * sold.price:
            worth += Fraction(credits * sold.price, sold.credits)
    assert worth <= max(0, min(paid, sum(each.net for each in told)))


@settings(max_examples=150, deadline=None)
@given(st.data(), st.lists(st.sampled_from(["starter", "pro", "studio"]), min_size=1, max_size=8))
def test_no_row_of_changes_brings_more_credits_than_its_money_buys(data: st.DataObject, plans: list[str]) -> None:
    """Changes in the middle of one period, prorated as an operator could have them: what is given back becomes a balance, and the
    balance pays what comes next."""
    first = CATALOGUE.plans[plans[0]]
    credits, money, balance, left = first.credits, first.price, 0, Fraction(1)
    for was, to in pairwise(plans):
        left *= data.draw(st.fractions(0, 1, max_denominator=8))
        back, asked = (int(CATALOGUE.plans[each].price * left) for each in (was, to))
        due = asked - back
        from_balance = max(min(balance, due), 0)
        balance += max(0, -due) - from_balance
        paid = max(0, due) - from_balance
        credits += sum(brings(line(was, -back), line(to, asked), paid=paid))
        money += paid
    most_a_cent = max(Fraction(CATALOGUE.plans[each].credits, CATALOGUE.plans[each].price) for each in plans)
    assert credits <= money * most_a_cent


# What is granted, and when it lapses


def test_the_grant_is_named_after_its_fact() -> None:
    (grant,) = settle(purchase(line("starter", 900)), CATALOGUE, (), 1).grants
    assert (grant.source, grant.source_ref) == (LotSource.SUBSCRIPTION, "invoice:in_1:il_1")
    again = settle(purchase(line("starter", 900)), CATALOGUE, (), 7)
    assert again.grants == (grant,), "whoever reads it, and however often"


def test_a_plans_credits_outlive_their_period_by_one_and_a_packs_never_lapse() -> None:
    plan, pack = settle(purchase(line("starter", 900), line("small", 500)), CATALOGUE, (), 1).grants
    assert (plan.expires_at, pack.expires_at) == (PERIOD_END + ROLL_OVER, None)


def test_a_lot_that_is_there_is_not_granted_again_nor_resized() -> None:
    assert settle(purchase(line("small", 500)), CATALOGUE, bought(123), 2).grants == ()
    assert settle(purchase(line("small", 500)), CATALOGUE, bought(123), 2).reversals == ()


def test_nothing_is_granted_while_a_bank_decides() -> None:
    assert settle(replace(purchase(line("small", 500)), is_settled=False), CATALOGUE, (), 1).grants == ()


def test_a_lot_without_its_line_is_reported() -> None:
    assert settle(purchase(), CATALOGUE, bought(400), 1).remarks == (Remark.NO_LINE,)


# What goes back


def reversals(granted: int, paid: int, *back: int, reversal: int = 0) -> list[int]:
    """R after each of these sums has gone back in all."""
    told = [purchase(line("small", 500), paid=paid, refunded=refunded) for refunded in back]
    return [each.reversal for one in told for each in settle(one, CATALOGUE, bought(granted, reversal), 1).reversals]


def test_three_refunds_of_a_third_take_all_of_it() -> None:
    assert reversals(10, 999, 333, 666, 999) == [3, 6, 10]


def test_a_refund_that_failed_is_taken_back() -> None:
    assert reversals(10, 999, 0, reversal=4) == [0]


def test_what_was_paid_with_nothing_goes_back_never() -> None:
    assert reversals(10, 0, 500) == []


def test_a_refund_seen_before_its_grant_is_part_of_it() -> None:
    (grant,) = settle(purchase(line("small", 500), refunded=250), CATALOGUE, (), 1).grants
    assert (grant.amount, grant.reversal) == (400, 200)


def test_the_same_money_is_never_taken_back_twice() -> None:
    (grant,) = settle(purchase(line("small", 500), refunded=250, withdrawn=500), CATALOGUE, (), 1).grants
    assert grant.reversal == 400


def test_two_readings_reverse_by_two_commands() -> None:
    told = purchase(line("small", 500), refunded=250)
    first, second = (settle(told, CATALOGUE, bought(400), ticket).reversals[0].id for ticket in (1, 2))
    assert first != second
