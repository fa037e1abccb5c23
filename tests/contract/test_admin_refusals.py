"""`gpt-image admin` on a real database: who may, and what is refused."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.contract.store_contract import new_id
from tests.desk import Desk, Operator, a_staffed_desk, an_operator, without_picture_workers

pytestmark = pytest.mark.anyio
__all__ = ["a_staffed_desk", "an_operator", "without_picture_workers"]

NOBODY = UUID(int=4711)


def changes(desk: Desk, lot: object) -> dict[tuple[str, ...], tuple[object, ...]]:
    account = desk.customer.account_id
    return {
        ("accounts", "role"): (account, "admin"),
        ("accounts", "freeze"): (account,),
        ("accounts", "unfreeze"): (account,),
        ("accounts", "end-sessions"): (account,),
        ("accounts", "revoke-keys"): (account,),
        ("accounts", "invite"): (),
        ("credits", "grant"): (account, 5),
        ("credits", "adjust"): (account, lot, 5),
        ("billing", "sync"): (),
        ("billing", "replay"): ("evt_1",),
        ("billing", "refund"): ("checkout:cs_1",),
        ("billing", "cancel"): (account,),
        ("media", "quarantine", "list"): (),
        ("media", "quarantine", "release"): (uuid4(),),
    }


async def test_a_change_without_a_name_or_a_reason_is_wrong_usage(desk: Desk) -> None:
    lot = (await desk.grant(30)).json["lot"]
    before, staff = desk.rows(), desk.admin.account_id
    for path, words in changes(desk, lot).items():
        for signed in ((), ("--as", staff), ("--reason", "because"), ("--as", "me", "--reason", "because")):
            assert (await desk.run(*path, *words, *signed)).code == 2, (path, signed)
    assert desk.rows() == before


async def test_who_is_not_there_changes_nothing(desk: Desk) -> None:
    lot = (await desk.grant(30)).json["lot"]
    before = desk.rows()
    for path, words in changes(desk, lot).items():
        refused = await desk.run(*path, *words, *desk.sign(NOBODY))
        assert (refused.code, refused.out) == (1, ""), path
        assert len(refused.err.splitlines()) == 1
        assert "not-found" in refused.err
    assert desk.rows() == before


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "card 4111 1111 1111 1111", "nul \0"])
async def test_a_reason_must_be_one(desk: Desk, reason: str) -> None:
    before = desk.rows()
    words = ("--as", desk.supporter.account_id, "--reason", reason)
    refused = await desk.run("credits", "grant", desk.customer.account_id, 5, *words)
    assert refused.code == 1
    assert "4111" not in refused.err
    assert desk.rows() == before


@pytest.mark.parametrize("amount", [0, -1, 2**63, 2**64, 10**30, "1.5", "ten", ""])
async def test_an_amount_that_is_none_is_wrong_usage(desk: Desk, amount: Any) -> None:
    assert (await desk.grant("--", amount)).code == 2
    assert (await desk.run("credits", "adjust", *desk.sign(), "--", desk.customer.account_id, new_id(), amount)).code == 2


async def test_an_amount_above_the_limit_is_refused(desk: Desk) -> None:
    for amount in (10**9 + 1, 2**63 - 1):
        assert "invalid-amount" in (await desk.grant(amount)).err
    assert (await desk.grant(10**9)).code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("--fact", "Mrs Smith asked twice"),
        ("--fact", "smith@example.com"),
        ("--fact", ""),
        ("--expires-at", "tomorrow"),
        ("--expires-at", "2030-01-01T00:00:00"),
        ("--expires-at", "0001-01-01T00:00:00+14:00"),
        ("--priority", 2**31),
        ("--mode", "both"),
        ("--source", "pack"),
    ],
)
async def test_terms_that_are_none_are_wrong_usage(desk: Desk, words: tuple[object, ...]) -> None:
    before = desk.rows()
    assert (await desk.grant(5, *words)).code == 2
    assert desk.rows() == before


@pytest.mark.parametrize("words", [("accounts", "show"), ("credits", "statement"), ("generations", "show")])
async def test_what_is_not_there_is_named_in_one_line(run: Operator, words: tuple[str, ...]) -> None:
    unknown = uuid4()
    refused = await run(*words, unknown)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("gpt-image: not-found")
    assert str(unknown) in refused.err
    assert (await run(*words, "not-an-id")).code == 2


@pytest.mark.parametrize("text", ["", "  ", "x" * 101, "half of a pair \udcff"])
async def test_a_text_that_can_find_nothing_is_refused(run: Operator, text: str) -> None:
    refused = await run("accounts", "find", text)
    assert (refused.code, refused.out) == (1, "")
    assert "invalid-text" in refused.err
