"""The ledger under a random customer: any commands, in any order, at any time, over any store (RULES §4).

`ledger_machine(factory)` makes a hypothesis state machine for a store. `tests.ledger_history` says what each step checks.
"""

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.ledger_audit import Snapshot
from tests.ledger_driver import Answer, DomainDriver, Driver
from tests.ledger_history import SOURCES, History

__all__ = ["Answer", "DomainDriver", "Driver", "Snapshot", "ledger_machine"]

_wallet = st.sampled_from([0, 0, 0, 0, 0, 1])
_which = st.sampled_from([0, 0, 1, 2, 5])
_RARE = ["sweep", "adjust_down", "grant_again", "hold_again", "capture", "release", "adjust_down", "close"]


class LedgerMachine(RuleBasedStateMachine):
    make_driver: Callable[[], Driver]

    def __init__(self) -> None:
        super().__init__()
        self.driver = type(self).make_driver()
        self.history = History(self.driver)

    @initialize(lifetime=st.sampled_from([None, 20.0]))
    def begin_with_credits(self, lifetime: float | None) -> None:
        self.history.grant(0, 10, 10, lifetime, 1, 0, 0)
        self.history.grant(0, 4, 20, None, 2, 0, 0)

    @rule(
        wallet=_wallet,
        amount=st.sampled_from([10, 10, 4, 12, 1, 0]),
        priority=st.sampled_from([10, 20, 5]),
        lifetime=st.sampled_from([None, 60.0, 20.0, 10.0, -5.0]),
        source=st.integers(0, len(SOURCES) - 1),
        reversal=st.sampled_from([0, 0, 0, 0, 1, 5, 13]),
        shuffle=st.integers(0, 2),
    )
    def grant(
        self, wallet: int, amount: int, priority: int, lifetime: float | None, source: int, reversal: int, shuffle: int
    ) -> None:
        self.history.grant(wallet, amount, priority, lifetime, source, reversal, shuffle)

    @rule(
        wallet=_wallet,
        tenths=st.sampled_from([5, 10, 1, 10, 11, 0]),
        lifetime=st.sampled_from([10.0, 30.0]),
        limit=st.sampled_from([3, 3, 1]),
    )
    def hold(self, wallet: int, tenths: int, lifetime: float, limit: int) -> None:
        self.history.hold(wallet, tenths, lifetime, limit)

    @rule(hold=st.sampled_from([10, 3, 7]), capture=st.sampled_from([10, 5]))
    def pay_for_a_picture(self, hold: int, capture: int) -> None:
        self.history.hold(0, hold, 10.0, 9)
        self.history.capture(0, 0, capture)

    @precondition(lambda self: self.history.open_holds)
    @rule(wallet=_wallet, which=_which, tenths=st.sampled_from([10, 5, 1, 11, 0]))
    def capture(self, wallet: int, which: int, tenths: int) -> None:
        self.history.capture(wallet, which, tenths)

    @precondition(lambda self: self.history.open_holds)
    @rule(wallet=_wallet, which=_which, how=st.sampled_from(["release", "expire"]))
    def give_back(self, wallet: int, which: int, how: str) -> None:
        getattr(self.history, how)(wallet, which)

    @rule(wallet=_wallet, which=_which, tenths=st.sampled_from([10, 0, 3, 7, 11, -1]))
    def reverse(self, wallet: int, which: int, tenths: int) -> None:
        self.history.reverse(wallet, which, tenths)

    @rule(which=st.integers(0, 30), change=st.integers(0, 3))
    def repeat(self, which: int, change: int) -> None:
        self.history.repeat(which, change)

    @rule(wallet=_wallet, which=_which, verb=st.sampled_from(_RARE), tenths=st.sampled_from([10, 3, 11, 0]))
    def do_something_rare(self, wallet: int, which: int, verb: str, tenths: int) -> None:
        if verb == "close" and tenths != 3:  # nothing much happens to a closed wallet
            verb = "sweep"
        arguments = {"sweep": (), "close": ()}.get(verb, (which, tenths)[: 1 + (verb in ("adjust_down", "capture"))])
        getattr(self.history, verb)(wallet, *arguments)

    @rule(seconds=st.sampled_from([5.0, 0.000_001, 1.0, 25.0, -2.0]))
    def advance(self, seconds: float) -> None:
        self.history.advance(seconds)

    @rule(which=st.sampled_from([0, 0, 1]), ticks=st.sampled_from([0, -1, 1]))
    def advance_to_an_expiry(self, which: int, ticks: int) -> None:
        self.history.advance_to(which, ticks)

    def teardown(self) -> None:
        try:
            if not self.history.unsound:
                self.history.finish()
        finally:
            self.driver.close()


def ledger_machine(make: Callable[[], Driver]) -> type[LedgerMachine]:
    """The machine for stores made by `make`, one store (or one clean corner of it) per history."""

    class Machine(LedgerMachine):
        make_driver = staticmethod(make)

    return Machine
