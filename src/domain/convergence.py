"""Which credits a purchase brings, and which go back. However often it is told, in whatever order, it is the same ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.billing import PaidLine, Purchase
from domain.catalogue import Catalogue
from domain.commands import Grant, Reverse, command_id
from domain.ledger import LotId, LotSource

ROLL_OVER = timedelta(days=31)
"""A plan's credits outlive their period by one more. It is the longest month, so that nobody's next period ends later."""


class Remark(StrEnum):
    """What an operator should look at."""

    STRANGER = "stranger"  # paid by a customer of no account of ours
    UNSOLD = "unsold"  # a line of nothing we sell
    OTHER_CURRENCY = "other_currency"  # its amounts cannot be compared with our prices, so it brings nothing
    LATE = "late"  # credits that had lapsed when they came
    CLOSED = "closed"  # paid for an account that has left: the money goes back
    SECOND = "second"  # a subscription beside another of the same account: both are paid
    NO_LINE = "no_line"  # a lot whose line the provider does not tell of


@dataclass(frozen=True, slots=True)
class BoughtLot:
    """What converging must know of a lot that a purchase brought."""

    id: LotId
    source_ref: str
    granted: int
    reversal: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a wallet is to be told, grants first; empty when it knows already."""

    grants: tuple[Grant, ...] = ()
    reversals: tuple[Reverse, ...] = ()
    remarks: tuple[Remark, ...] = ()


def settle(purchase: Purchase, catalogue: Catalogue, lots: Sequence[BoughtLot], ticket: int) -> Settlement:
    """RULES R9 and R10. `lots`: all that this purchase brought so far; `ticket`: of this reading, for no two of which the
    reversal of a lot is the same command.

    Each line that brings credits and has no lot is granted one, already reversed as far as its money went back; each lot
    there is has its reversal set. What a line is worth is decided once: a lot keeps its size, whatever the catalogue says later.
    """
    known = {lot.source_ref for lot in lots}
    new = [line for line in purchase.lines if _ref(purchase, line) not in known] if purchase.is_settled else []
    credits = credits_of(purchase, catalogue)
    grants = [_grant(purchase, line, credits[line.id], catalogue) for line in new if credits[line.id]]
    due = [(lot, _reversal(lot.granted, purchase)) for lot in lots]
    reversals = [_reverse(lot, reversal, ticket) for lot, reversal in due if reversal != lot.reversal]
    return Settlement(tuple(grants), tuple(reversals), tuple(_remarks(purchase, catalogue, new, known)))


def credits_of(purchase: Purchase, catalogue: Catalogue) -> Mapping[str, int]:
    """What each line brings, by its id. Credits follow money that came in, each of it once.

    A *whole* line, at the catalogue's price or above, brings the credits of what it sells: a discount does not lessen them. A
    *part*, below that price before discounts, is what a change in the middle of a period makes; it brings credits for its money
    at its product's price. Tax is no money for credits; nor is what a credit balance paid, whose credits were granted when it
    first came in; nor what the same purchase gives back. Where less came in than the lines ask, whole lines come first, and
    lines of one kind share alike. So no row of changes brings more credits than its money buys.
    """
    lines = [(line, catalogue.product(line.product)) for line in purchase.lines if line.gross > 0]
    if any(sold and sold.currency != purchase.currency.lower() for _, sold in lines):
        lines = []
    whole = [line for line, sold in lines if sold is None or line.gross >= line.quantity * sold.price]
    asked = sum(line.net for line in whole)
    parts_asked = sum(line.net for line, _ in lines) - asked
    money = max(0, min(purchase.paid, sum(line.net for line in purchase.lines)))
    came, parts_came = min(money, asked), min(max(0, money - asked), parts_asked)
    credits = {line.id: 0 for line in purchase.lines}
    for line, sold in lines:
        if sold and line in whole:
            full = line.quantity * sold.credits
            credits[line.id] = full * came // asked if line.net else full
        elif sold and parts_asked:
            credits[line.id] = sold.credits * line.net * parts_came // (parts_asked * sold.price)
    return credits


def _grant(purchase: Purchase, line: PaidLine, credits: int, catalogue: Catalogue) -> Grant:
    """A pack's credits never lapse; a plan's lapse by its period, however late we hear of it (R12)."""
    source = LotSource.SUBSCRIPTION if line.product in catalogue.plans else LotSource.PACK
    expires_at = _lapses(purchase, line) if source is LotSource.SUBSCRIPTION else None
    return Grant.of(source, _ref(purchase, line), credits, expires_at=expires_at, reversal=_reversal(credits, purchase))


def _ref(purchase: Purchase, line: PaidLine) -> str:
    """The economic fact, which is granted once."""
    return f"{purchase.ref}:{line.id}"


def _lapses(purchase: Purchase, line: PaidLine) -> datetime:
    return (line.period_end or purchase.at) + ROLL_OVER


def _reversal(granted: int, purchase: Purchase) -> int:
    """R10: on the cumulative sum, so that roundings never add up."""
    return granted * purchase.reversed_money // purchase.paid if purchase.paid else 0


def _reverse(lot: BoughtLot, reversal: int, ticket: int) -> Reverse:
    return Reverse(id=command_id("reverse", f"{lot.id}:{ticket}"), lot_id=lot.id, reversal=reversal)


def _remarks(purchase: Purchase, catalogue: Catalogue, new: Sequence[PaidLine], known: set[str]) -> list[Remark]:
    sold = [catalogue.product(line.product) for line in new]
    return [
        *([Remark.UNSOLD] if None in sold else []),
        *([Remark.OTHER_CURRENCY] if any(each and each.currency != purchase.currency.lower() for each in sold) else []),
        *([Remark.NO_LINE] if known - {_ref(purchase, line) for line in purchase.lines} else []),
    ]
