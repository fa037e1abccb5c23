"""The sandbox of payments as tests see it: the port, and around it customers at their pages, banks, time, and a webhook."""

import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapters.payments.sandbox import SandboxPayments
from adapters.payments.sandbox_file import StateFile
from adapters.payments.sandbox_pages import pay
from adapters.payments.sandbox_processor import Processor
from adapters.payments.sandbox_state import Card
from application.payments import Page
from domain.billing import CustomerId, Hint, PurchaseRef
from tests.offer import CATALOGUE

SECRETS = ("the newest secret", "the one before")
SHOP = "https://shop.example"
BEGINNING = datetime(2027, 1, 15, 8, tzinfo=UTC)


@dataclass
class Clock:
    now: datetime = BEGINNING

    def __call__(self) -> datetime:
        return self.now


def sandbox(path: Path, clock: Clock, url: str = SHOP) -> SandboxPayments:
    return SandboxPayments(path, CATALOGUE, url, SECRETS, clock)


@dataclass(frozen=True, slots=True)
class SandboxHouse:
    payments: SandboxPayments
    clock: Clock
    sent: dict[str, Hint] = field(default_factory=dict)
    """What the webhook was sent so far; the sandbox itself forgets it after a month."""

    @classmethod
    @asynccontextmanager
    async def opened(cls) -> "AsyncIterator[SandboxHouse]":
        with tempfile.TemporaryDirectory() as folder:
            clock = Clock()
            yield cls(sandbox(Path(folder) / "payments.json", clock), clock)

    @property
    def now(self) -> datetime:
        return self.clock.now

    def pays(self, page: Page, card: str = "good", code: str | None = None) -> None:
        with self.acting() as here:
            pay(here, page.id, Card(card), code or "", confirmed=True)

    def new_card(self, customer: CustomerId, card: str) -> None:
        with self.acting() as here:
            here.state.customers[customer].card = Card(card)

    def later(self, days: float) -> None:
        self.delivered()
        self.clock.now += timedelta(days=days)
        with self.acting():
            pass

    def bank_answers(self, ref: PurchaseRef, *, ok: bool) -> None:
        with self.acting() as here:
            here.answer(here.payment(ref), ok=ok)

    def refunds_at_the_desk(self, ref: PurchaseRef, amount: int, status: str = "succeeded") -> str:
        """Here a refund that is pending is one like any other: it stands until it fails."""
        with self.acting() as here:
            return here.refund(here.payment(ref), amount).id

    def refund_ends(self, refund: str, status: str) -> None:
        with self.acting() as here:
            found = next(each for payment in here.state.payments.values() for each in payment.refunds if each.id == refund)
            if status == "failed":
                here.fail_refund(found)

    def disputes(self, ref: PurchaseRef) -> str:
        with self.acting() as here:
            return here.dispute(here.payment(ref)).id

    def wins(self, dispute: str, *, reinstated: bool = True) -> None:
        with self.acting() as here:
            found = next(each.dispute for each in here.state.payments.values() if each.dispute and each.dispute.id == dispute)
            here.close_dispute(found, won=True, reinstated=reinstated)

    def promotion(self, percent: int) -> str:
        return f"SAVE{percent}"

    def delivered(self) -> Sequence[tuple[bytes, str]]:
        self.sent.update({event.id: event.hint for event in StateFile(self.payments.path).read().events})
        return [self.payments.sign(hint, hint.created) for hint in self.sent.values()]

    @contextmanager
    def acting(self) -> Iterator[Processor]:
        """Here and now, as the adapter does it in a thread."""
        with StateFile(self.payments.path).change() as state:
            here = Processor(state, self.clock.now, self.payments.new_id)
            here.advance()
            yield here
