"""What a command id means (R5) and which moves there are (RULES §1.4)."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain import errors
from domain.commands import AdjustDown, Capture, Close, Command, Expire, Grant, PlaceHold, Release, Reverse, Sweep, command_id
from domain.credits import Wallet
from domain.ledger import LOT_MOVES, CommandId, HoldId, LedgerAccount, Lot, LotId, LotSource, WalletId, wallet_moves
from tests.books import MICROSECOND, Books

_NOW = datetime(2030, 1, 1, tzinfo=UTC)


def _id(number: int) -> UUID:
    return UUID(int=number)


_SAID: tuple[Command, ...] = (
    Grant(id=CommandId(_id(1)), lot_id=LotId(_id(11)), amount=10, source=LotSource.STAFF, source_ref="a | b"),
    PlaceHold(id=CommandId(_id(2)), hold_id=HoldId(_id(12)), amount=6, expires_at=_NOW + timedelta(hours=1), open_limit=3),
    Capture(id=CommandId(_id(3)), hold_id=HoldId(_id(12)), amount=2),
    Release(id=CommandId(_id(4)), hold_id=HoldId(_id(12))),
    Expire(id=CommandId(_id(5)), hold_id=HoldId(_id(12))),
    Reverse(id=CommandId(_id(6)), lot_id=LotId(_id(11)), reversal=3),
    AdjustDown(id=CommandId(_id(7)), lot_id=LotId(_id(11)), amount=1),
    Sweep(id=CommandId(_id(8))),
    Close(id=CommandId(_id(9))),
)
_OTHER: dict[type, object] = {UUID: _id(99), int: 5, datetime: _NOW, LotSource: LotSource.TRIAL, str: "b | a", type(None): _NOW}


# Command ids


def _everything(books: Books) -> list[Command]:
    """A history in which each kind of command takes effect once."""
    grant, hold, *_ = _SAID
    assert isinstance(hold, PlaceHold)
    holds = [replace(hold, id=CommandId(_id(20 + n)), hold_id=HoldId(_id(30 + n)), amount=2) for n in range(3)]
    resolved: list[Command] = [
        Capture(id=CommandId(_id(40)), hold_id=holds[0].hold_id, amount=1),
        Release(id=CommandId(_id(41)), hold_id=holds[1].hold_id),
        Expire(id=CommandId(_id(42)), hold_id=holds[2].hold_id),
    ]
    said = [grant, *holds, *resolved, *_SAID[5:]]
    for command in said:
        if isinstance(command, Expire):
            books.driver.advance(7200)
        books.say(command)
    return said


def test_every_command_repeated_at_any_later_time_answers_the_same_and_changes_nothing() -> None:
    books = Books()
    said = _everything(books)
    books.driver.advance(10**7)
    before = repr(books.state)
    for command in said:
        assert books.say(command) == books.recorded[command.id]
    assert repr(books.state) == before


@pytest.mark.parametrize("command", _SAID, ids=lambda command: command.kind)
def test_each_thing_a_command_says_is_in_its_fingerprint_but_the_policy_of_the_moment(command: Command) -> None:
    for said in fields(command):
        value = getattr(command, said.name)
        changed: dict[str, Any] = {said.name: _OTHER[type(value)]}
        other = replace(command, **changed)
        assert (other.fingerprint == command.fingerprint) == (said.name == "open_limit"), said.name


def test_kinds_differ_in_their_fingerprints_even_when_they_say_the_same() -> None:
    alike = [kind(id=CommandId(_id(1)), hold_id=HoldId(_id(2))) for kind in (Release, Expire)]
    assert alike[0].fingerprint != alike[1].fingerprint


def test_an_instant_is_the_same_in_every_time_zone() -> None:
    elsewhere = datetime.fromisoformat("2030-01-01T03:00:00+02:00")
    hold = _SAID[1]
    assert isinstance(hold, PlaceHold)
    assert replace(hold, expires_at=elsewhere).fingerprint == hold.fingerprint


@pytest.mark.parametrize("command", _SAID, ids=lambda command: command.kind)
def test_one_id_says_one_thing(command: Command) -> None:
    books = Books()
    first = Grant(id=command.id, lot_id=LotId(_id(50)), amount=1, source=LotSource.TRIAL, source_ref="first")
    books.say(first)
    books.refuses(errors.CommandConflict, books.say, command)


def test_a_refused_id_may_succeed_later() -> None:
    books = Books()
    hold = replace(_SAID[1], id=CommandId(_id(60)))
    books.refuses(errors.InsufficientCredits, books.say, hold)
    books.grant("A")
    assert books.say(hold).amount == 6


def test_a_command_may_write_no_line_and_is_still_known() -> None:
    books = Books()
    empty = books.sweep()
    assert (empty.first_version, empty.last_version) == (1, 0)
    assert books.say(Sweep(id=empty.id)) == empty


def test_ids_come_from_the_fact_alone() -> None:
    assert command_id("grant", "line 1") == command_id("grant", "line 1")
    assert len({command_id("grant", "line 1"), command_id("grant", "line 2"), command_id("reverse", "line 1")}) == 3


def test_a_second_grant_of_a_fact_is_told_of_the_first_lot() -> None:
    wallet = Wallet(WalletId(_id(1)), granted=LotId(_id(7)))
    with pytest.raises(errors.AlreadyGranted) as refused:
        wallet.apply(_SAID[0], _NOW)
    assert refused.value.facts == {"lot": str(_id(7))}


def test_a_shortage_says_what_is_needed_and_what_there_is() -> None:
    with pytest.raises(errors.InsufficientCredits) as refused:
        Wallet(WalletId(_id(1))).apply(_SAID[1], _NOW)
    assert refused.value.facts == {"required": 6, "available": 0}


# Moves


def test_the_books_know_the_moves_of_the_law_and_no_other() -> None:
    law = {
        ("available", "held"): {"remaining": -1, "held": 1},
        ("held", "consumed"): {"held": -1, "consumed": 1},
        ("held", "available"): {"held": -1, "remaining": 1},
        ("available", "expired"): {"remaining": -1, "expired": 1},
        ("available", "reversed"): {"remaining": -1, "reversed": 1},
        ("expired", "reversed"): {"expired": -1, "reversed": 1},
        ("reversed", "available"): {"reversed": -1, "remaining": 1},
        ("debt", "reversed"): {"owed": 1},
        ("reversed", "debt"): {"owed": -1},
        ("available", "debt"): {"remaining": -1, "repaid": 1},
        ("debt", "available"): {"repaid": -1, "remaining": 1},
        **{(f"issued:{source.value}", "available"): {"granted": 1, "remaining": 1} for source in LotSource},
    }
    assert {(debit.value, credit.value): dict(moves) for (debit, credit), moves in LOT_MOVES.items()} == law


def test_debt_grows_when_credits_leave_it() -> None:
    assert wallet_moves(LedgerAccount.DEBT, LedgerAccount.REVERSED) == {"debt": 1}
    assert wallet_moves(LedgerAccount.AVAILABLE, LedgerAccount.DEBT) == {"available": -1, "debt": -1}
    assert wallet_moves(LedgerAccount.HELD, LedgerAccount.CONSUMED) == {"held": -1}


def test_no_number_of_a_lot_goes_below_zero() -> None:
    lot = Lot(LotId(_id(1)), LotSource.TRIAL, "t", 1, None, granted=1, remaining=1)
    with pytest.raises(AssertionError, match="remaining would be -1"):
        lot.move(LedgerAccount.AVAILABLE, LedgerAccount.HELD, 2)


def test_books_that_do_not_add_up_stop_the_command() -> None:
    wallet = Wallet(WalletId(_id(1)))
    wallet.lots[LotId(_id(2))] = Lot(LotId(_id(2)), LotSource.TRIAL, "t", 1, _NOW, granted=1, remaining=1)
    with pytest.raises(AssertionError, match="available would be -1"):
        wallet.apply(Sweep(id=CommandId(_id(3))), _NOW)


@pytest.mark.parametrize("year", [2030, 2300, 9999])
def test_the_draw_tells_microseconds_apart_in_every_year(year: int) -> None:
    books = Books()
    expires_at = datetime(year, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
    books.grant("A", expires_at=expires_at + MICROSECOND)
    books.grant("B", expires_at=expires_at)
    books.hold("h", 12)
    assert [share.lot_id for share in books.held("h").allocations] == [books.kept(name).id for name in "BA"]
