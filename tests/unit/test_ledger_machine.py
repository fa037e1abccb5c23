"""The machine on the domain alone, and the proof that it is sharp: every seeded mistake is found, and told in a few steps.

A mistake is one place of the domain's source written wrongly. When that source changes, its mistake must be seeded anew: the test says so.
"""

import inspect
import textwrap
import time

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.ledger_driver import DomainDriver
from tests.ledger_machine import ledger_machine
from tests.soak_ledger import history_of, run, shortest

from domain import credits, ledger

_SETTINGS = settings(max_examples=150, stateful_step_count=40, deadline=None, derandomize=True, print_blob=True)
_HISTORIES = 4000
"""A mistake must show within this many random histories of 60 steps."""

_POSTING, _WALLET, _LOT = credits._Posting, credits.Wallet, ledger.Lot
MISTAKES: dict[str, tuple[type, str, str, str]] = {
    "a capture keeps the rest": (_POSTING, "_resolve", "HELD, LedgerAccount.AVAILABLE, ", "HELD, LedgerAccount.AVAILABLE, 0 and "),
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
    "held credits are owed": (_POSTING, "fit", "lot.reversal + lot.consumed - lot.granted", "lot.reversal + lot.consumed + lot.held - lot.granted"),
    "lapsed credits are not taken back": (_POSTING, "_take_back", "min(amount - remaining, lot.expired)", "0"),
    "a payment is taken back before what remains": (_POSTING, "_take_back", "min(amount, lot.remaining)", "min(max(0, amount - lot.repaid), lot.remaining)"),
    "debt is settled before it is undone": (_POSTING, "fit", "self._undo_repayments(until_debt=fall)", "pass"),
    "the earliest expiry is undone first": (_POSTING, "_undo_repayments", ", reverse=True", ""),
    "lapsed lots are undone first": (_POSTING, "_undo_repayments", "lot.is_lapsed(self.at)", "not lot.is_lapsed(self.at)"),
    "every payment is undone": (_POSTING, "_undo_repayments", "min(lot.repaid, max(0, until_debt - self.wallet.debt))", "lot.repaid"),
    "the draw ignores priority": (_LOT, "draw_order", "self.priority", "0"),
    "the draw ignores expiry": (_LOT, "expiry_order", "self.expires_at or _NEVER", "_NEVER"),
    "what never expires is drawn first": (_LOT, "expiry_order", "self.expires_at is None", "self.expires_at is not None"),
    "versions have a gap": (_POSTING, "post", "wallet.version += 1", "wallet.version += 1 + (self.lines == 3)"),
    "a touched lot is not written": (_POSTING, "post", "wallet.touched.add(lot.id)", "debit in ('debt', 'expired') or wallet.touched.add(lot.id)"),
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


def _seed(monkeypatch: pytest.MonkeyPatch, mistake: str) -> None:
    owner, name, right, wrong = MISTAKES[mistake]
    attribute = inspect.getattr_static(owner, name)
    function = attribute.fget if isinstance(attribute, property) else attribute
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(right) == 1, f"seed this mistake anew: {name} has {source.count(right)} of {right!r}"
    made: dict[str, object] = {}
    exec(source.replace(right, wrong), vars(inspect.getmodule(function)), made)
    monkeypatch.setattr(owner, name, made[name])


def test_x(monkeypatch):
    import sys
    for m in MISTAKES:
        with pytest.MonkeyPatch.context() as mp:
            _seed(mp, m)
            t=time.time()
            for n in range(_HISTORIES):
                steps=history_of(0,n)
                if run(steps, DomainDriver)[1]: break
            else:
                print("SURVIVED", m, time.time()-t, file=sys.stderr); continue
            t1=time.time()
            short=shortest(steps, DomainDriver)
            t2=time.time()
            found=False
            try:
                run_state_machine_as_test(ledger_machine(DomainDriver), settings=settings(_SETTINGS, phases=[Phase.generate],max_examples=400, report_multiple_bugs=False))
            except AssertionError:
                found=True
            print(f"{m:45} soak {n:4} {t1-t:.2f}s short {len(short)} {t2-t1:.2f}s  hyp {found} {time.time()-t2:.2f}", file=sys.stderr)
