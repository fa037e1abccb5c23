"""Any acts at the sandbox of payments: a purchase tells exactly the money of what was done with it, counted apart."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from adapters.payments.sandbox_pages import Outcome, pay
from adapters.payments.sandbox_processor import Processor
from adapters.payments.sandbox_reading import Reading
from adapters.payments.sandbox_state import Card, Checkout, Payment, PaymentStatus, State
from application.payments import PaymentDeclined, PaymentRefused
from domain.billing import PurchaseState
from tests.offer import CATALOGUE
from tests.sandbox_house import BEGINNING

PACK = CATALOGUE.packs["small"]


@dataclass
class Book:
    """What a payment must come to."""

    paid: int
    refunded: int = 0
    withdrawn: int = 0
    is_open: bool = False
    was_disputed: bool = False

    @property
    def left(self) -> int:
        return self.paid - self.refunded - self.withdrawn


class SandboxMachine(RuleBasedStateMachine):
    payments = Bundle("payments")
    refunds = Bundle("refunds")

    def __init__(self) -> None:
        super().__init__()
        self.numbers, self.state, self.books = count(1), State(), dict[str, Book]()
        self.here = Processor(self.state, BEGINNING, lambda: str(next(self.numbers)))
        self.customer = self.here.add_customer(UUID(int=1)).id
        self.heard = 0

    @rule(target=payments, percent=st.integers(0, 100), by_page=st.booleans())
    def buys(self, percent: int, by_page: bool) -> str:
        if not by_page:
            self.state.customers[self.customer].card = Card.GOOD
            id, net = self.here.top_up(self.customer, PACK).id, PACK.price
        else:
            id, until = f"cs_{next(self.numbers)}", BEGINNING + timedelta(days=1)
            sold = (PACK.id, PACK.price, PACK.currency, False)
            self.state.checkouts[id] = Checkout(id, self.customer, *sold, "/", "/", until)
            assert pay(self.here, id, Card.GOOD, f"SAVE{percent}" if percent else "") is Outcome.DONE
            net = PACK.price - PACK.price * percent // 100
        self.books[id] = Book(net)
        return id

    @rule(card=st.sampled_from([Card.DECLINED, Card.AUTHENTICATE, None]))
    def buys_in_vain(self, card: Card | None) -> None:
        self.state.customers[self.customer].card = card
        try:
            self.here.top_up(self.customer, PACK)
        except PaymentDeclined:
            return
        raise AssertionError("a card that does not pay has paid")

    @rule(target=refunds, id=payments, amount=st.integers(-1, PACK.price + 1))
    def refunds_money(self, id: str, amount: int) -> tuple[str, str] | None:
        book = self.books[id]
        try:
            refund = self.here.refund(self._payment(id), amount)
        except PaymentRefused:
            assert not 1 <= amount <= book.left
            return None
        assert 1 <= amount <= book.left
        book.refunded += amount
        return id, refund.id

    @rule(refund=consumes(refunds))
    def loses_a_refund(self, refund: tuple[str, str] | None) -> None:
        if refund:
            found = next(each for each in self._payment(refund[0]).refunds if each.id == refund[1])
            for _ in range(2):
                self.here.fail_refund(found)
            self.books[refund[0]].refunded -= found.amount

    @rule(id=payments)
    def disputes(self, id: str) -> None:
        book = self.books[id]
        try:
            self.here.dispute(self._payment(id))
        except PaymentRefused:
            assert book.was_disputed or not book.left
            return
        assert book.left
        assert not book.was_disputed
        book.withdrawn, book.is_open, book.was_disputed = book.left, True, True

    @rule(id=payments, won=st.booleans())
    def closes_a_dispute(self, id: str, won: bool) -> None:
        book, dispute = self.books[id], self._payment(id).dispute
        if dispute is None:
            return
        try:
            self.here.close_dispute(dispute, won=won)
        except PaymentRefused:
            assert not book.is_open
            return
        assert book.is_open
        book.is_open, book.withdrawn = False, 0 if won else book.withdrawn

    @invariant()
    def a_purchase_tells_its_money(self) -> None:
        reading = Reading(self.state, "")
        assert set(self.state.payments) == set(self.books)
        for id, book in self.books.items():
            told = reading.told(self._payment(id))
            assert told
            assert (told.paid, told.refunded, told.withdrawn) == (book.paid, book.refunded, book.withdrawn)
            assert told.has_open_dispute is book.is_open
            assert told.reversed_money == book.refunded + book.withdrawn <= book.paid
            assert (told.state is PurchaseState.DISPUTED) is book.is_open

    @invariant()
    def each_hint_leads_to_what_it_is_about(self) -> None:
        reading = Reading(self.state, "")
        for event in self.state.events[self.heard :]:
            touched = reading.touched(event.hint)
            assert touched.purchases or event.object_kind == "customer"
        self.heard = len(self.state.events)

    def _payment(self, id: str) -> Payment:
        payment = self.state.payments[id]
        assert payment.status is PaymentStatus.PAID
        return payment


TestSandboxMachine = SandboxMachine.TestCase
TestSandboxMachine.settings = settings(max_examples=100, stateful_step_count=30, deadline=None, derandomize=True)
