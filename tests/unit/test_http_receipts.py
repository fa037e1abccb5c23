"""Receipts over HTTP: as JSON and as a page, and what neither shows."""

from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from domain.accounts import Mode, Scope
from domain.attempts import Attempt, Outcome, Usage
from domain.credits import Allocation, Hold, HoldState
from domain.generations import GenerationId, GenerationState
from domain.ledger import HoldId, LedgerAccount, LotId, LotSource
from domain.receipts import Line, Origin, Receipt
from tests.http_stage import BEARER, NOW, STRANGER, Stage, key_with
from tests.offer import ask

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
LOT = LotId(UUID(int=7))
NOBODYS = GenerationId(UUID(int=404))
COST = 4_711_000
HOSTILE = "<script>alert(1)</script>"


class Reading(HTMLParser):
    """Which elements and addresses a page has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements = set[str]()
        self.attributes = list[tuple[str, str | None]]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes += attrs


def a_receipt(stage: Stage, **changes: Any) -> Receipt:
    """Three of four pictures, delivered by the second call."""
    attempts = [
        Attempt(1, NOW, NOW, 1, Outcome.UNKNOWN, NOW, cost=COST, usage=Usage(1, 2)),
        Attempt(2, NOW, NOW, 1, Outcome.EXECUTED, NOW, booked=True, cost=COST, usage=Usage(1, 2), request_id="req_2"),
    ]
    told: dict[str, Any] = {
        "request": ask(n=4, mode=Mode.TEST, metadata={"project": HOSTILE}),
        "state": GenerationState.SUCCEEDED,
        "unit": 8,
        "delivered": 3,
        "finished_at": NOW + timedelta(seconds=9),
        "attempts": attempts,
    }
    made = stage.has_generation(**(told | changes))
    accounts = LedgerAccount.AVAILABLE, LedgerAccount.HELD, LedgerAccount.CONSUMED
    lines = (
        Line(5, NOW, "hold", accounts[0], accounts[1], 32, LOT, 968, 32, 0),
        Line(6, NOW, "capture", accounts[1], accounts[2], 24, LOT, 968, 8, 0),
        Line(7, NOW, "capture", accounts[1], accounts[0], 8, LOT, 976, 0, 0),
    )
    hold = Hold(HoldId(made.id), 32, NOW, [Allocation(LOT, 32, 24)], 24, HoldState.CAPTURED)
    stage.receipts[made.id] = Receipt(made, hold, (Origin(LOT, LotSource.PACK, None),), lines)
    return stage.receipts[made.id]


def asked(client: TestClient[Litestar], receipt: Receipt, accept: str = "*/*", **headers: str) -> Any:
    return client.get(f"/v1/generations/{receipt.generation.id}/receipt", headers=BEARER | {"Accept": accept} | headers)


def test_a_receipt_tells_the_price_the_hold_each_call_and_each_line(stage: Stage, client: TestClient[Litestar]) -> None:
    receipt = a_receipt(stage)
    answer = asked(client, receipt)
    assert (answer.status_code, answer.headers["content-type"], answer.headers["vary"]) == (200, "application/json", "Accept")
    told = answer.json()
    assert told["says"].startswith("3 of 4 pictures were delivered: 24 of 32 credits.")
    assert (told["price"]["credits"], told["price"]["unit"], told["price"]["n"]) == (32, 8, 4)
    lot = {"lot": str(LOT), "source": "pack", "expires_at": None, "amount": 32, "captured": 24}
    assert (told["hold"]["amount"], told["hold"]["lots"]) == (32, [lot])
    assert [(call["outcome"], call["perhaps_paid"], call["charged"], call["request_id"]) for call in told["attempts"]] == [
        ("unknown", True, 0, None),
        ("executed", True, 24, "req_2"),
    ]
    settled = told["settlement"]
    assert [settled[name] for name in ("held", "captured", "released", "delivered")] == [0, 24, 8, 3]
    assert [(line["debit"], line["credit"], line["amount"], line["available_after"]) for line in settled["transfers"]] == [
        ("available", "held", 32, 968),
        ("held", "consumed", 24, 968),
        ("held", "available", 8, 976),
    ]


def test_a_key_that_may_not_see_credits_sees_no_balance(stage: Stage, client: TestClient[Litestar]) -> None:
    receipt = a_receipt(stage)
    reader = {"Authorization": f"Bearer {key_with(Scope.READ)}"}
    told = asked(client, receipt, **reader).json()
    assert {line[name] for line in told["settlement"]["transfers"] for name in line if name.endswith("_after")} == {None}
    assert told["settlement"]["captured"] == 24
    page = asked(client, receipt, BROWSER, **reader).text
    assert "968" not in page
    assert "976" not in page


@pytest.mark.parametrize("accept", ["application/json", "*/*", "application/json, text/html;q=0.9", "image/png", "", "x", "/,;q"])
def test_programs_get_json(stage: Stage, client: TestClient[Litestar], accept: str) -> None:
    assert asked(client, a_receipt(stage), accept).json()["object"] == "receipt"


@pytest.mark.parametrize("accept", [BROWSER, "text/html", "text/*", "text/html, application/json;q=0.5"])
def test_browsers_get_a_page(stage: Stage, client: TestClient[Litestar], accept: str) -> None:
    answer = asked(client, a_receipt(stage), accept)
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["vary"] == "Accept"
    for said in ("3 of 4 pictures were delivered: 24 of 32 credits.", "The one before it was at our cost.", "req_2", "976"):
        assert said in answer.text


def test_a_page_asks_nobody_anything_and_runs_nothing(stage: Stage, client: TestClient[Litestar]) -> None:
    """Whatever the model is called."""
    answer = asked(client, a_receipt(stage, model=HOSTILE), BROWSER)
    page = Reading(answer.text)
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "&lt;script&gt;" in answer.text
    assert page.elements.isdisjoint({"script", "link", "img", "iframe", "object", "form", "a", "base"})
    assert not [name for name, _ in page.attributes if name in ("src", "href", "style", "srcset") or name.startswith("on")]
    assert "@media print" in answer.text
    assert {"h1", "h2", "table", "th", "time"} <= page.elements


@pytest.mark.parametrize("accept", ["*/*", BROWSER])
def test_neither_shows_what_it_cost_us_nor_what_was_asked_for(stage: Stage, client: TestClient[Litestar], accept: str) -> None:
    answer = asked(client, a_receipt(stage), accept)
    for hidden in (str(COST), "usage", "owner", "red fox", "project", "alert(1)"):
        assert hidden not in answer.text, hidden


def test_one_that_is_not_there_or_not_mine_is_not_found(stage: Stage, client: TestClient[Litestar]) -> None:
    mine = a_receipt(stage)
    theirs = a_receipt(stage, account=STRANGER)
    missing = replace(mine, generation=replace(mine.generation, id=NOBODYS))
    said = [asked(client, receipt) for receipt in (theirs, missing)]
    assert {(answer.status_code, answer.json()["type"]) for answer in said} == {(404, "/problems/not-found")}
    page = asked(client, missing, BROWSER)
    assert (page.status_code, page.headers["content-type"].partition(";")[0]) == (404, "text/html")


def test_a_purged_one_keeps_its_receipt(stage: Stage, client: TestClient[Litestar]) -> None:
    receipt = a_receipt(stage, request=ask(n=4, mode=Mode.TEST))
    receipt.generation.erase()
    stage.purged.add(receipt.generation.id)
    told = asked(client, receipt).json()
    assert (told["settlement"]["captured"], told["price"]["breakdown"]) == (24, None)
