"""Money that staff gives back: how much of a purchase, and how it counts before the provider has done it."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

from domain.accounts import AccountId
from domain.billing import Purchase, PurchaseRef, wait_before
from domain.buying_errors import NothingToRefund

RefundId = NewType("RefundId", UUID)


class RefundState(StrEnum):
    INTENDED = "intended"  # decided on; whether the provider has done it may be unknown
    DONE = "done"
    REFUSED = "refused"  # by the provider, for good


@dataclass(slots=True)
class Refund:
    """One refund, written down before the provider is asked. `amount` is money, and `before` what had been refunded until then;
    `staff` decided on it. `resume_at`: not tried again before, and not by two at once. `code`: why it was refused."""

    id: RefundId
    purchase: PurchaseRef
    amount: int
    before: int
    staff: AccountId
    at: datetime
    resume_at: datetime
    attempts: int = 0
    state: RefundState = RefundState.INTENDED
    code: str | None = None
    ended_at: datetime | None = None

    @property
    def key(self) -> str:
        """What the provider knows it by, however often it is told."""
        return f"refund:{self.id}"

    def begin(self, now: datetime) -> None:
        """Before the provider is asked; as a hint's attempt."""
        self.resume_at = now + wait_before(self.attempts)
        self.attempts += 1

    def end(self, now: datetime, refused: str | None) -> None:
        self.state = RefundState.REFUSED if refused else RefundState.DONE
        self.code, self.ended_at = refused, now


def counting(purchase: Purchase, refund: Refund | None) -> Purchase:
    """The purchase with its open refund as if it had been made: credits go before money does. Never with it twice, whether or not
    what the provider tells holds it already."""
    return replace(purchase, refunded=max(purchase.refunded, refund.before + refund.amount)) if refund else purchase


def refundable(purchase: Purchase, granted: int, unspent: int, *, into_debt: bool) -> int:
    """How much money goes back. `granted`: credits of all lots of the purchase; `unspent`: what remains of them, and what was
    taken back before.

    By default what the unspent credits were paid with, on the cumulative sum, less what went back already: then no more credits
    are taken back than remain. `into_debt`: all that is left, and pictures made of it are owed. Raises NothingToRefund.
    """
    whole = purchase.paid if into_debt else purchase.paid * unspent // granted if granted else 0
    amount = whole - purchase.reversed_money if purchase.is_settled else 0
    if amount < 1:
        left = purchase.paid - purchase.reversed_money
        why = "nothing of it is unspent" if left and purchase.is_settled else "there is no money of it to give back"
        raise NothingToRefund(why, purchase=str(purchase.ref), paid=purchase.paid, reversed=purchase.reversed_money)
    return amount
