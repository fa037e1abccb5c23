"""The pages of the sandbox of payments: what they show, what their buttons do, and what nonsense comes to."""

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest
from dishka import Provider, Scope, make_async_container
from httpx import Response
from litestar import Litestar
from litestar.testing import TestClient

from adapters.payments.sandbox import Deliver, SandboxPayments
from adapters.payments.sandbox_reading import CHECKOUT, PORTAL, RECEIPTS
from adapters.payments.sandbox_state import Card
from domain.accounts import AccountId
from domain.billing import CustomerId, Hint, Purchase, PurchaseState
from entrypoints.http.app import HttpConfig, create_app
from entrypoints.http.sandbox_payments_pages import ACTS, CARDS
from tests.sandbox_house import BEGINNING, Clock, sandbox

HERE = "http://test.local"
OURS = {"Origin": HERE, "Accept": "text/html"}
T = TypeVar("T")


@dataclass
class Webhook(Deliver):
    sandbox: SandboxPayments
    heard: list[Hint] = field(default_factory=list)
    willing: bool = True

    async def __call__(self, body: bytes, signature: str) -> bool:
        if self.willing:
            self.heard.append(self.sandbox.read_hint(body, signature, self.sandbox.clock()))
        return self.willing


@dataclass
class Shop:
    """A customer with a browser."""

    payments: SandboxPayments
    clock: Clock
    webhook: Webhook
    http: TestClient[Litestar]
    customer: CustomerId

    def runs(self, act: Callable[[], Any]) -> Any:
        return asyncio.run(act())

    def checkout(self, product: str = "small", key: str = "k") -> str:
        page = self.runs(lambda: self.payments.check_out(self.customer, product, "/bought", f"{HERE}/left", key=key))
        return str(page.url.removeprefix(HERE))

    def portal(self) -> str:
        return str(self.runs(lambda: self.payments.portal(self.customer, "/account")).url.removeprefix(HERE))

    def post(self, path: str, **said: str) -> Response:
        return self.http.post(path, data=said, headers=OURS, follow_redirects=False)

    def pays(self, path: str, card: str = "good", **said: str) -> Response:
        return self.post(path, **{"answer": "yes", "card": card, "code": "", **said})

    def plays(self, portal: str, act: str) -> Response:
        """Presses that button, which the page must have."""
        found = re.search(rf'name="id" value="(\w+)">(?:(?!</form>).)*value="{act}"', self.shows(portal), re.DOTALL)
        assert found, f"there is no button {act}"
        return self.post(portal, id=found[1], act=act)

    def shows(self, path: str) -> str:
        answer = self.http.get(path, headers=OURS)
        assert answer.status_code == 200, answer.text
        return answer.text

    def purchases(self) -> list[Purchase]:
        reading = self.runs(self.payments.reading)
        return list(reading.paid(BEGINNING))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    clock = Clock()
    payments = sandbox(tmp_path / "payments.json", clock, HERE)
    webhook = Webhook(payments)
    provider = Provider(scope=Scope.APP)
    provider.provide(lambda: payments, provides=SandboxPayments)
    provider.provide(lambda: webhook, provides=Deliver)
    app = create_app(make_async_container(provider), HttpConfig("1", limited=False))
    customer = asyncio.run(payments.add_customer(AccountId(UUID(int=7)), "ada@mail.example"))
    with TestClient(app, raise_server_exceptions=False, base_url=HERE) as http:
        yield Shop(payments, clock, webhook, http, customer)


# The checkout


def test_a_checkout_says_what_is_bought_for_how_much_and_asks_for_no_number(shop: Shop) -> None:
    shown = shop.shows(shop.checkout("pro"))
    for words in ("Pay for Pro", "29.00 USD", "a month", "no card number is asked for", *CARDS.values()):
        assert words in shown
    fields = set(re.findall(r'name="(\w+)"', shown))
    assert fields == {"viewport", "card", "code", "answer"}
    assert set(re.findall(r'name="card" value="(\w+)"', shown)) == set(Card)
    assert "<script" not in shown
    assert "style=" not in shown


@pytest.mark.parametrize("card", ["good", "disputed"])
def test_who_pays_is_led_back_and_the_webhook_hears_of_it(shop: Shop, card: str) -> None:
    path = shop.checkout()
    answer = shop.pays(path, card)
    assert (answer.status_code, answer.headers["location"]) == (303, "/bought")
    assert [hint.type for hint in shop.webhook.heard] == ["customer.created", "checkout.session.completed"]
    assert "This is paid" in shop.shows(path)
    assert shop.pays(path).headers["location"] == "/bought", "pressed twice"
    assert len(shop.purchases()) == 1


def test_a_webhook_that_is_away_keeps_nobody_from_paying(shop: Shop) -> None:
    shop.webhook.willing = False
    assert shop.pays(shop.checkout()).status_code == 303
    shop.webhook.willing = True
    assert shop.runs(lambda: shop.payments.deliver(shop.webhook)) == 2


def test_a_declined_card_can_be_followed_by_another(shop: Shop) -> None:
    path = shop.checkout()
    declined = shop.pays(path, "declined")
    assert declined.status_code == 402
    assert "The bank has declined" in declined.text
    assert shop.purchases() == []
    assert shop.pays(path).status_code == 303


def test_a_bank_that_asks_is_answered_before_anything_is_paid(shop: Shop) -> None:
    path = shop.checkout()
    asked = shop.pays(path, "authenticate", code="SAVE20")
    assert (asked.status_code, shop.purchases()) == (200, [])
    assert "Is it you who pays?" in asked.text
    assert shop.pays(path, "declined").status_code == 402, "it is not"
    assert shop.pays(path, "authenticate", code="SAVE20", answer="confirm").status_code == 303
    assert [each.paid for each in shop.purchases()] == [400]


def test_who_does_not_pay_is_led_back_and_may_come_again(shop: Shop) -> None:
    path = shop.checkout()
    assert shop.post(path, answer="no").headers["location"] == f"{HERE}/left"
    assert shop.purchases() == []
    assert shop.pays(path).headers["location"] == "/bought"


@pytest.mark.parametrize("code", ["SAVE0", "SAVE101", "save20", "x", "4242 4242 4242 4242", "<b>"])
def test_a_code_that_is_none_is_said_to_be_and_not_repeated(shop: Shop, code: str) -> None:
    answer = shop.pays(shop.checkout(), code=code)
    assert (answer.status_code, shop.purchases()) == (400, [])
    assert "no such promotion code" in answer.text
    assert f">{code}<" not in answer.text
    assert "4242" not in answer.text


def test_after_a_day_a_page_is_closed(shop: Shop) -> None:
    path = shop.checkout()
    shop.clock.now += timedelta(days=1)
    answer = shop.pays(path)
    assert (answer.status_code, shop.purchases()) == (409, [])
    assert "This page has expired" in answer.text
    assert f"{HERE}/left" in shop.shows(path)


# The portal


def test_a_dispute_is_played_to_its_end(shop: Shop) -> None:
    shop.pays(shop.checkout())
    portal = shop.portal()
    for act, state in (("dispute", PurchaseState.DISPUTED), ("win", PurchaseState.PAID)):
        assert shop.plays(portal, act).headers["location"] == portal
        assert [each.state for each in shop.purchases()] == [state]
    assert "charge.dispute.funds_reinstated" in [hint.type for hint in shop.webhook.heard]
    shop.pays(shop.checkout("medium", "k2"))
    shop.plays(portal, "dispute")
    shop.plays(portal, "lose")
    assert [each.state for each in shop.purchases()] == [PurchaseState.PAID, PurchaseState.REVERSED]
    assert 'value="dispute"' not in shop.shows(portal), "a payment is disputed once"


def test_a_subscription_is_played_through_months_and_declines(shop: Shop) -> None:
    shop.pays(shop.checkout("starter"))
    portal = shop.portal()
    shop.plays(portal, "month")
    assert len(shop.purchases()) == 2
    assert shop.post(portal, card="declined").status_code == 303
    shop.plays(portal, "month")
    shown = shop.shows(portal)
    assert "past due" in shown
    due = re.search(r'href="([^"]+)">Pay what is due', shown)
    assert due
    path = due[1].removeprefix(HERE)
    assert "9.00 USD" in shop.shows(path)
    paid = shop.pays(path)
    assert paid.headers["location"].startswith(RECEIPTS)
    assert "9.00 USD" in shop.shows(paid.headers["location"])
    assert "past due" not in shop.shows(portal)
    shop.plays(portal, "cancel")
    shop.plays(portal, "resume")
    shop.plays(portal, "cancel")
    shop.plays(portal, "month")
    assert "canceled" in shop.shows(portal)
    assert len(shop.purchases()) == 3


@pytest.mark.parametrize(("act", "paid"), [("bank_pays", [500]), ("bank_refuses", [])])
def test_a_bank_that_takes_days_is_played(shop: Shop, act: str, paid: list[int]) -> None:
    shop.pays(shop.checkout(), "debit")
    assert shop.purchases() == []
    shop.plays(shop.portal(), act)
    assert [each.paid for each in shop.purchases()] == paid


def test_a_refund_that_does_not_arrive_is_played(shop: Shop) -> None:
    shop.pays(shop.checkout())
    (purchase,) = shop.purchases()
    shop.runs(lambda: shop.payments.refund(purchase.ref, 200, key="r"))
    assert "(2.00 USD went back)" in shop.shows(shop.portal())
    shop.plays(shop.portal(), "fail_refunds")
    assert [each.refunded for each in shop.purchases()] == [0]


def test_every_card_and_button_has_words() -> None:
    assert set(CARDS) == set(Card)
    assert len(ACTS) == len(set(ACTS.values())) == 9


# Nonsense


@pytest.mark.parametrize("path", [f"{CHECKOUT}/x", f"{PORTAL}/x", f"{RECEIPTS}/x", f"{CHECKOUT}/%00", f"{PORTAL}/%ff"])
def test_what_is_no_page_is_said_to_be_none(shop: Shop, path: str) -> None:
    for answer in (shop.http.get(path, headers=OURS), shop.pays(path), shop.post(path, act="dispute", id="x")):
        assert answer.status_code in (404, 405) or (answer.status_code == 400 and path.startswith(CHECKOUT))
    assert "/start" not in shop.http.get(path, headers=OURS).text


def test_what_is_nobodys_or_another_customers_is_not_played_with(shop: Shop) -> None:
    shop.pays(shop.checkout())
    (purchase,) = shop.purchases()
    shop.customer = shop.runs(lambda: shop.payments.add_customer(AccountId(UUID(int=8)), ""))
    foreign = shop.portal()
    assert purchase.ref.id not in shop.shows(foreign)
    for id in (purchase.ref.id, "x", ""):
        answer = shop.post(foreign, id=id, act="dispute")
        assert answer.status_code == 409
        assert "Nothing was done" in answer.text
    assert [each.state for each in shop.purchases()] == [PurchaseState.PAID]


def test_what_is_done_already_or_not_possible_changes_nothing(shop: Shop) -> None:
    shop.pays(shop.checkout())
    (purchase,), portal = shop.purchases(), shop.portal()
    for act in ("win", "lose", "month", "cancel", "resume", "bank_pays", "fail_refunds"):
        assert shop.post(portal, id=purchase.ref.id, act=act).status_code == 409, act
    assert shop.purchases() == [purchase]


@pytest.mark.parametrize("said", [{}, {"answer": "yes"}, {"card": "4242424242424242"}, {"act": "x"}, {"act": ""}])
def test_a_form_of_nonsense_is_refused(shop: Shop, said: dict[str, str]) -> None:
    for path in (shop.checkout(), shop.portal()):
        answer = shop.post(path, **said)
        assert answer.status_code == 400
        assert "4242" not in answer.text
    many = "&".join(f"a{number}=1" for number in range(20))
    assert shop.http.post(shop.portal(), content=many, headers=OURS).status_code == 400


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://evil.example"}, {"Origin": HERE, "Sec-Fetch-Site": "cross-site"}])
def test_another_sites_form_does_nothing(shop: Shop, headers: dict[str, str]) -> None:
    for path, said in ((shop.checkout(), {"answer": "yes", "card": "good"}), (shop.portal(), {"card": "good"})):
        assert shop.http.post(path, data=said, headers=headers).status_code == 403
    assert shop.purchases() == []
    assert "none yet" in shop.shows(shop.portal())


def test_a_portal_is_open_for_a_day(shop: Shop) -> None:
    portal = shop.portal()
    shop.clock.now += timedelta(days=1)
    assert shop.http.get(portal, headers=OURS).status_code == 404
    assert shop.post(portal, card="good").status_code == 404


def test_a_file_that_is_broken_is_a_503(shop: Shop) -> None:
    path = shop.checkout()
    shop.payments.path.write_bytes(b"x")
    for answer in (shop.http.get(path, headers=OURS), shop.pays(path)):
        assert answer.status_code == 503
        assert "Retry-After" in answer.headers


def test_without_the_sandbox_there_are_no_pages(shop: Shop) -> None:
    app = create_app(make_async_container(Provider(scope=Scope.APP)), HttpConfig("1", sandbox_payments=False, limited=False))
    with TestClient(app, raise_server_exceptions=False, base_url=HERE) as http:
        assert http.get(shop.checkout()).status_code == 404
