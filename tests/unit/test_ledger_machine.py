"""The machine on the domain alone, and the proof that it is sharp: every seeded mistake is found, and told in a few steps.

A mistake is one place of the domain's source written wrongly (`tests.mistakes`).
"""

import math
from collections.abc import Callable

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from domain import credits, ledger
from tests.ledger_driver import DomainDriver
from tests.ledger_machine import ledger_machine
from tests.mistakes import Mistake, seed
from tests.soak_ledger import history_of, run, shortest, soak_ledger

_SETTINGS = settings(max_examples=100, stateful_step_count=40, deadline=None, derandomize=True, print_blob=True)
_SEED, _HISTORIES = 8, 250
"""A mistake must show within this many random histories of some 60 steps."""

_POSTING, _WALLET, _LOT = credits._Posting, credits.Wallet, ledger.Lot
MISTAKES: dict[str, Mistake] = {
    "a capture keeps the rest": (
        _POSTING,
        "_resolve",
        "HELD, LedgerAccount.AVAILABLE, ",
        "HELD, LedgerAccount.AVAILABLE, state is not HoldState.CAPTURED and ",
    ),
    "a capture takes the last lots first": (_POSTING, "_resolve", "in hold.allocations", "in reversed(hold.allocations)"),
    "a capture of nothing is done": (_POSTING, "_resolve", "not 1 <=", "not 0 <="),
    "a hold resolves twice": (_POSTING, "_resolve", "is not HoldState.OPEN", "is HoldState.RELEASED"),
    "a hold is due a microsecond late": (_POSTING, "_resolve", "self.at < hold", "self.at <= hold"),
    "a lot lapses a microsecond late": (_LOT, "is_lapsed", ">=", ">"),
    "lots never lapse before a command": (_WALLET, "apply", "posting.lapse()\n    subject", "subject"),
    "what comes back late does not lapse": (_WALLET, "apply", "posting.lapse()\n    self.last_at", "self.last_at"),
    "debt is not collected": (_WALLET, "apply", "posting.collect()", "pass"),
    "debt is collected before the fit": (
        _WALLET,
        "apply",
        "posting.fit()\n    posting.collect()",
        "posting.collect()\n    posting.fit()",
    ),
    "a repeated command is done again": (_WALLET, "apply", "if self.recorded:", "if False:"),
    "one id does two things": (_WALLET, "apply", "!= command.fingerprint", "is None"),
    "time falls with the clock": (_WALLET, "apply", "at = max(now, self.last_at) if self.last_at else now", "at = now"),
    "held credits are owed": (
        _POSTING,
        "fit",
        "lot.reversal + lot.consumed - lot.granted",
        "lot.reversal + lot.consumed + lot.held - lot.granted",
    ),
    "lapsed credits are not taken back": (_POSTING, "_take_back", "min(amount - remaining, lot.expired)", "0"),
    "a payment is taken back before what remains": (
        _POSTING,
        "_take_back",
        "min(amount, lot.remaining)",
        "min(max(0, amount - lot.repaid), lot.remaining)",
    ),
    "debt is settled before it is undone": (_POSTING, "fit", "self._undo_repayments(until_debt=fall)", "pass"),
    "the earliest expiry is undone first": (_POSTING, "_undo_repayments", ", reverse=True", ""),
    "lapsed lots are undone first": (_POSTING, "_undo_repayments", "lot.is_lapsed(self.at)", "not lot.is_lapsed(self.at)"),
    "every payment is undone": (
        _POSTING,
        "_undo_repayments",
        "min(lot.repaid, max(0, until_debt - self.wallet.debt))",
        "lot.repaid",
    ),
    "the draw ignores priority": (_LOT, "draw_order", "self.priority", "0"),
    "the draw ignores expiry": (_LOT, "expiry_order", "self.expires_at or _NEVER", "_NEVER"),
    "what never expires is drawn first": (_LOT, "expiry_order", "self.expires_at is None", "self.expires_at is not None"),
    "versions have a gap": (_POSTING, "post", "wallet.version += 1", "wallet.version += 1 + (self.lines == 3)"),
    "a touched lot is not written": (
        _POSTING,
        "post",
        "wallet.touched.add(lot.id)",
        "debit in ('debt', 'expired') or wallet.touched.add(lot.id)",
    ),
    "a reversal leaves no row": (_POSTING, "_reverse", "self.wallet.reversals.append((lot.id, reversal))", "pass"),
    "a refund before its grant is forgotten": (_POSTING, "_grant", "self._reverse(lot, command.reversal)", "lot.id"),
    "an adjustment forgets the one before": (_POSTING, "_adjust_down", "lot.reversal + command.amount", "command.amount"),
    "bought lots are adjusted": (_POSTING, "_adjust_down", "lot.source.is_purchase", "False"),
    "open holds are never fewer": (_POSTING, "_resolve", "self.wallet.open_holds -= 1", "pass"),
    "holds are not limited": (_POSTING, "_hold", "wallet.open_holds >= command.open_limit", "False"),
    "debt does not block": (_POSTING, "_hold", "if wallet.debt:", "if False:"),
    "closing forgets lots that never expire": (_POSTING, "_close", "if not lot", "if lot.expires_at and not lot"),
    "closing gives lapsed lots a new expiry": (_POSTING, "_close", "if not lot.is_lapsed(self.at)", "if True"),
    "a closed account is granted": (_POSTING, "_grant", "if self.wallet.closed_at:", "if False:"),
}

QUICKLY_FOUND = (
    "a capture keeps the rest",
    "a capture takes the last lots first",
    "a hold resolves twice",
    "a lot lapses a microsecond late",
    "what comes back late does not lapse",
    "debt is not collected",
    "a repeated command is done again",
    "one id does two things",
    "the draw ignores priority",
    "versions have a gap",
    "a reversal leaves no row",
)
"""Those hypothesis happens on within a second; plain random histories are ten times faster to make and show all of them."""


def _seed(monkeypatch: pytest.MonkeyPatch, mistake: str) -> None:
    seed(monkeypatch, MISTAKES[mistake])


@pytest.mark.parametrize("frugal", [False, True], ids=["all lots loaded", "open lots loaded"])
def test_no_history_breaks_the_law(frugal: bool) -> None:
    _search(lambda: DomainDriver(frugal=frugal), _SETTINGS)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_random_history_shows_the_mistake_in_few_steps(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _seed(monkeypatch, mistake)
    for number in range(_HISTORIES):
        steps = history_of(_SEED, number)
        if run(steps, DomainDriver)[1] is not None:
            assert len(shortest(steps, DomainDriver)) <= 12
            return
    raise AssertionError(f"not seen in {_HISTORIES} histories of seed {_SEED}")


@pytest.mark.parametrize("mistake", QUICKLY_FOUND)
def test_the_machine_finds_the_mistake(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _seed(monkeypatch, mistake)
    with pytest.raises(AssertionError):
        _search(DomainDriver, settings(_SETTINGS, max_examples=200, phases=[Phase.generate]))


def test_the_machine_tells_a_broken_capture_in_four_steps_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    _seed(monkeypatch, "a capture keeps the rest")
    with pytest.raises(AssertionError) as found:
        _search(DomainDriver, _SETTINGS)
    told = [line.strip() for line in found.value.__notes__ if "state." in line]
    steps = [line for line in "\n".join(told).splitlines() if line.strip().startswith("state.") and "teardown" not in line]
    assert len(steps) <= 4, steps


def test_a_soak_is_repeatable_and_names_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert history_of(7, 3) == history_of(7, 3) != history_of(8, 3)
    assert soak_ledger(7, math.inf, most=4)["commands"] > 100
    _seed(monkeypatch, "a capture keeps the rest")
    with pytest.raises(AssertionError, match=r"(?s)seed 7, history \d+: .*E5.*history\.hold.*history\.capture"):
        soak_ledger(7, math.inf)


def _search(make: Callable[[], DomainDriver], how: settings) -> None:
    run_state_machine_as_test(ledger_machine(make), settings=how)
