"""Whoever takes the money. The contract tests hold each adapter to the docstrings."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.accounts import AccountId
from domain.billing import CustomerId, Hint, Purchase, PurchaseRef, Subscription, SubscriptionId
from domain.catalogue import Catalogue

PRICED_HIGHER = "priced_higher"
"""The code of a top-up that would have cost more than it was to."""


class PaymentsUnavailable(Exception):
    """The provider did not answer, is too busy, or does not accept us: nothing is known of what was asked. Asking again with the
    same `key` is safe. `answered`: it said itself that it failed, and would say so again under this key; nothing is under way.
    `at_work`: an earlier call with this key is, and its answer can be had a moment later."""

    answered = False
    at_work = False


class PaymentDeclined(Exception):
    """The bank said no, or wants its customer present. `code` is the provider's; `pay_url`, where there is one, is where the
    customer can pay or confirm."""

    def __init__(self, code: str, pay_url: str | None = None) -> None:
        super().__init__(code)
        self.code, self.pay_url = code, pay_url


class PaymentRefused(Exception):
    """The provider will not do this at all, whoever asks and however often. `code` and `message` are the provider's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class HintRefused(Exception):
    """What came to the webhook is not theirs, not whole, or too old."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the provider's, for a browser."""

    url: str
    id: str


@dataclass(frozen=True, slots=True)
class Touched:
    """What an object of theirs is about, for us to look at: none of it is known to be ours yet."""

    purchases: Sequence[PurchaseRef] = ()
    subscriptions: Sequence[SubscriptionId] = ()


class Payments(Protocol):
    """Every write bears a `key`: said again with it, also by another process, it is done once. All raise PaymentsUnavailable;
    writes raise PaymentRefused. The account's opaque id and an e-mail address are all that leaves us."""

    # What a customer wants

    async def add_customer(self, account: AccountId, email: str) -> CustomerId:
        """The account's customer; the same one however often it is asked for."""

    async def owner(self, customer: CustomerId) -> AccountId | None:
        """Whose customer that is, as we told the provider; None if it is none of ours."""

    async def check_out(self, customer: CustomerId, product: str, success_url: str, cancel_url: str, *, key: str) -> Page:
        """A page where the customer subscribes to a plan or buys a pack, by the catalogue's id; it takes promotion codes."""

    async def portal(self, customer: CustomerId, return_url: str) -> Page:
        """A page for cards, receipts and cancelling; plans are changed here only, so that the rule of change holds."""

    async def change(self, subscription: SubscriptionId, plan: str, *, upwards: bool, key: str) -> Subscription:
        """Upwards: now, at the full price, and a period begins. Downwards: without money, at the next period's price. Nothing is
        ever prorated, so a change brings no credits that nobody paid for. Raises PaymentDeclined, with nothing changed."""

    async def cancel(self, subscription: SubscriptionId, *, at_once: bool, key: str) -> Subscription:
        """At the end of the period, or at once and without money back."""

    async def resume(self, subscription: SubscriptionId, *, key: str) -> Subscription:
        """Take back a cancellation at the period's end, or a pause."""

    async def top_up(self, customer: CustomerId, pack: str, *, key: str, most: int | None = None) -> PurchaseRef:
        """Buy a pack with the card on file while nobody is present. Raises PaymentDeclined, and then nothing is owed; or
        PaymentRefused, where the pack is priced above `most`, before tax."""

    async def topped_up(self, customer: CustomerId, *, key: str) -> PurchaseRef | None:
        """What became of a top-up with this key, however old, by looking: what was bought, though a bank may still decide; None
        if nothing was paid, and what waits there to be paid is withdrawn. Whoever asks does not say the key again."""

    async def refund(self, purchase: PurchaseRef, amount: int, *, key: str) -> None:
        """Give back so much of the money."""

    # The truth

    async def purchase(self, ref: PurchaseRef) -> Purchase | None:
        """As it stands now; None if there is none, or nothing has been paid on it, or it is another's receipt."""

    async def subscription(self, subscription: SubscriptionId) -> Subscription | None: ...

    async def touched(self, hint: Hint) -> Touched:
        """What the hint's object is about, found by asking: a refund's charge's payment's invoice."""

    def hints(self, since: datetime, *, undelivered: bool = False) -> AsyncIterator[Hint]:
        """What happened since, newest first; only what never reached us, if asked. The provider keeps 30 days."""

    def paid(self, since: datetime) -> AsyncIterator[Purchase]:
        """Everything that was paid since."""

    def read_hint(self, body: bytes, signature: str | None, now: datetime) -> Hint:
        """What a webhook's body says, if the provider signed it within the last minutes. Raises HintRefused."""

    # The operator

    async def examine(self) -> str | None:
        """Ask the provider, without changing anything, whether it accepts us and has ever been offered the catalogue: None, or
        what is wrong in a few words."""

    async def offer(self, catalogue: Catalogue) -> Sequence[str]:
        """Make the provider's products and prices those of the catalogue; what has been done, a line each, none if all was so."""
