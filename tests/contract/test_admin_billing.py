"""`gpt-image admin billing` on a real database and the sandbox of payments: prices, books, events, refunds, cancellations."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from application.hints import TakeHint
from domain.billing import Hint
from tests.contract.store_contract import a_hold, capture, say
from tests.desk import Answer, Desk, a_staffed_desk, an_operator, without_picture_workers

pytestmark = pytest.mark.anyio
__all__ = ["a_staffed_desk", "an_operator", "without_picture_workers"]

BROKEN = "{ this is no state"


async def do(desk: Desk, *words: object) -> Answer:
    return await desk.run("billing", *words, *desk.sign(desk.admin.account_id))


async def spend(desk: Desk, credits: int) -> None:
    hold = a_hold(credits)
    for command in (hold, capture(hold.hold_id, credits)):
        await say(desk.store, desk.customer.wallet_id, command)


def is_one_line(answer: Answer, *said: str) -> bool:
    return (answer.code, answer.out, len(answer.err.splitlines())) == (1, "", 1) and all(each in answer.err for each in said)


async def test_what_is_for_sale_is_synced_and_again_changes_nothing(desk: Desk) -> None:
    for _ in range(2):
        synced = await do(desk, "sync")
        assert (synced.code, synced.json) == (0, {"done": []})
    assert [record[0] for record in desk.records()] == ["billing.sync"] * 2


async def test_reconciling_heals_what_nobody_told_of_and_then_finds_nothing(desk: Desk) -> None:
    await desk.buys("small")
    found = await desk.run("billing", "reconcile", "--days", 1, "--json")
    assert (found.code, found.json["explained"], len(found.json["healed"])) == (0, 1, 1)
    assert found.json["events"] > 0
    again = await desk.run("billing", "reconcile", "--since", datetime.now(UTC).strftime("%Y-01-01"), "--json")
    assert again.json == {"explained": 1, "events": 0, "healed": [], "unexplained": []}
    assert "1 purchases explained, 0 of them healed" in (await desk.run("billing", "reconcile")).out


async def test_what_cannot_be_explained_is_named_with_what_to_do(desk: Desk) -> None:
    await desk.buys("small")
    await desk.sandbox.act(lambda here: setattr(next(iter(here.state.customers.values())), "account", uuid4()))
    found = await desk.run("billing", "reconcile", "--json")
    [unexplained] = found.json["unexplained"]
    assert (found.code, unexplained["remark"]) == (1, "stranger")
    assert unexplained["about"].startswith("checkout:cs_")
    assert "refund it" in unexplained["to_do"]


async def test_an_account_shows_what_it_bought_as_commands_call_it(desk: Desk) -> None:
    traded = await desk.trades()
    page = (await desk.run("accounts", "show", desk.customer.account_id, "--json")).json
    assert page["customer"].startswith("cus_")
    assert [(each["plan"], each["state"]) for each in page["subscriptions"]] == [("starter", "active")]
    assert {(each["paid"], each["reversed"], each["state"]) for each in page["purchases"]} == {(500, 0, "paid"), (900, 0, "paid")}
    assert traded.purchase in (await desk.run("accounts", "show", desk.customer.account_id)).out


# Events


async def test_events_are_listed_by_what_became_of_them_and_without_bodies(desk: Desk) -> None:
    await desk.buys("small")
    take, at = TakeHint(desk.store), datetime.now(UTC)
    await take(Hint("evt_ours", "invoice.paid", at, "invoice", "in_none"))
    [listed] = (await desk.run("billing", "events", "--waiting", "--json")).json["events"]
    assert (listed["id"], listed["object_id"], listed["handled_at"], listed["error"]) == ("evt_ours", "in_none", None, None)
    assert set(listed) == {
        *("id", "type", "object_kind", "object_id", "created", "received_at"),
        *("attempts", "error", "resume_at", "handled_at"),
    }
    assert (await desk.run("billing", "events", "--failed", "--json")).json == {"events": []}
    assert "evt_ours" in (await desk.run("billing", "events")).out


async def test_an_event_that_failed_is_followed_again_and_grants_nothing_twice(desk: Desk) -> None:
    await desk.buys("small")
    assert (await desk.run("billing", "reconcile")).code == 0
    [event, *_] = (await desk.run("billing", "events", "--json")).json["events"]
    state = desk.sandbox.path.read_text()
    desk.sandbox.path.write_text(BROKEN)
    failed = await do(desk, "replay", event["id"])
    assert (failed.code, failed.json["events"]) == (1, [{"id": event["id"], "handled": False, "error": "unavailable"}])
    assert [each["id"] for each in (await desk.run("billing", "events", "--failed", "--json")).json["events"]] == [event["id"]]
    desk.sandbox.path.write_text(state)
    healed = await do(desk, "replay", "--failed")
    assert (healed.code, healed.json["events"]) == (0, [{"id": event["id"], "handled": True, "error": None}])
    assert (await do(desk, "replay", event["id"], event["id"])).code == 0
    assert (await desk.run("credits", "statement", desk.customer.account_id, "--json")).json["wallet"]["available"] == 400
    assert [record[:2] for record in desk.records()] == [("billing.replay", event["id"])] * 3


async def test_what_to_replay_must_be_said_and_be_kept(desk: Desk) -> None:
    assert (await do(desk, "replay")).code == 2
    assert (await do(desk, "replay", "evt_1", "--failed")).code == 2
    assert is_one_line(await do(desk, "replay", "evt_none"), "not-found", "evt_none")
    assert desk.records() == []


# Refunds


async def test_a_refund_tells_money_and_credits(desk: Desk) -> None:
    ref = (await desk.trades()).purchase
    await spend(desk, 850)  # the plan's 750 come first: they lapse
    refunded = await do(desk, "refund", ref)
    assert refunded.code == 0
    told = refunded.json
    assert (told["amount"], told["currency"], told["credits"], told["state"]) == (375, "usd", 300, "done")
    assert (told["wallet"]["available"], told["wallet"]["debt"]) == (0, 0)
    assert is_one_line(await do(desk, "refund", ref), "nothing-to-refund", "--into-debt")
    rest = await do(desk, "refund", ref, "--into-debt")
    assert (rest.json["amount"], rest.json["credits"], rest.json["wallet"]["debt"]) == (125, 100, 100)
    assert [record[:2] for record in desk.records()] == [("billing.refund", ref)] * 2
    page = (await desk.run("accounts", "show", desk.customer.account_id, "--json")).json
    assert [each["action"] for each in page["records"]] == ["billing.refund"] * 2


async def test_a_purchase_may_be_refunded_that_no_event_told_of(desk: Desk) -> None:
    await desk.buys("small")
    [ref] = [payment.id for payment in (await desk.sandbox.reading()).state.payments.values()]
    assert (await do(desk, "refund", f"checkout:{ref}")).json["credits"] == 400


async def test_a_refund_of_nothing_is_refused_in_one_line_or_wrong_usage(desk: Desk) -> None:
    before = desk.rows()
    assert is_one_line(await do(desk, "refund", "checkout:cs_none"), "not-found")
    for none in ("cs_1", "charge:ch_1", "checkout:", "checkout:a b", "invoice:in_1:il_1"):
        assert (await do(desk, "refund", none)).code == 2, none
    assert desk.records() == []
    assert [row for row in desk.rows() if not row.startswith("purchases")] == before


# Cancelling


async def test_a_subscription_or_all_of_an_account_is_cancelled(desk: Desk) -> None:
    traded = await desk.trades()
    at_end = await do(desk, "cancel", traded.subscription)
    [told] = at_end.json["subscriptions"]
    assert (at_end.code, told["state"]) == (0, "active")
    assert told["cancel_at"]
    now = await do(desk, "cancel", desk.customer.account_id, "--at-once")
    assert [each["state"] for each in now.json["subscriptions"]] == ["canceled"]
    account = (await desk.run("accounts", "show", desk.customer.account_id, "--json")).json
    assert (account["account"]["plan"], account["subscriptions"][0]["state"]) == ("free", "canceled")
    assert [record[:2] for record in desk.records()] == [("billing.cancel", traded.subscription)] * 2
    assert is_one_line(await do(desk, "cancel", desk.customer.account_id), "not-found")
    for nobody in (uuid4(), "sub_none"):
        assert is_one_line(await do(desk, "cancel", nobody), "not-found")


async def test_a_provider_that_does_not_answer_or_says_no_is_one_line(desk: Desk) -> None:
    traded = await desk.trades()
    await do(desk, "cancel", traded.subscription, "--at-once")
    assert is_one_line(await do(desk, "cancel", traded.subscription), "says no", "audit record stays")
    desk.sandbox.path.write_text(BROKEN)
    for words in (("refund", traded.purchase), ("cancel", traded.subscription)):
        assert is_one_line(await do(desk, *words), "does not answer", "ask again")
    assert is_one_line(await desk.run("billing", "reconcile"), "does not answer")
