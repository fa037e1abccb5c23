"""What is for sale, as anybody reads it; and what the provider's no looks like."""

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from application.payments import PaymentDeclined, PaymentRefused, PaymentsUnavailable
from domain.catalogue import Catalogue
from tests import http_stage
from tests.http_stage import BEARER, Stage
from tests.offer import MODELS, PLANS


def test_only_what_is_sold_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = PLANS.replace("[plans.starter]", "[plans.starter]\nsold = false")
    monkeypatch.setattr(http_stage, "CATALOGUE", Catalogue.parse(MODELS, ended))
    with Stage().client() as client:
        told = client.get("/v1/plans").json()
    assert [each["id"] for each in told["plans"]] == ["free", "pro", "studio"]
    assert [each["id"] for each in told["packs"]] == ["small", "medium", "large"]
    assert told["plans"][1] == {
        "id": "pro",
        "name": "Pro",
        "price": 2_900,
        "currency": "usd",
        "credits": 2_600,
        "priority": 5,
        "open_generations": 200,
        "trial_credits": 0,
        "trial_days": 0,
    }
    assert told["default_plan"] == "free"


def test_a_declined_card_is_402_with_where_to_pay(stage: Stage, client: TestClient[Litestar]) -> None:
    stage.refusal = PaymentDeclined("card_declined", "https://pay.example/in_1")
    answer = client.post("/v1/quotes", headers=BEARER, json={"prompt": "a fox"})
    told = answer.json()
    assert (answer.status_code, told["type"], told["code"]) == (402, "/problems/payment-declined", "card_declined")
    assert (told["pay_url"], told["allowed"]) == ("https://pay.example/in_1", ["portal"])


def test_what_the_provider_will_not_do_is_409_with_its_code_alone(stage: Stage, client: TestClient[Litestar]) -> None:
    stage.refusal = PaymentRefused("resource_missing", "No such price: price_secret")
    answer = client.post("/v1/quotes", headers=BEARER, json={"prompt": "a fox"})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/payment-refused")
    assert answer.json()["code"] == "resource_missing"
    assert "secret" not in answer.text


def test_a_provider_that_is_away_is_503_with_when_to_ask_again(stage: Stage, client: TestClient[Litestar]) -> None:
    stage.refusal = PaymentsUnavailable("Stripe: APIConnectionError")
    answer = client.post("/v1/quotes", headers=BEARER, json={"prompt": "a fox"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "Stripe" not in answer.text
