"""The use cases under a random customer, random staff, a random model and processes that die anywhere, over any store (RULES §4).

`use_cases_machine(make_stage)` makes a hypothesis state machine; `tests.use_cases_history` says what each step checks.
"""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.ledger_history import SOURCES
from tests.use_cases_history import UseCaseHistory
from tests.use_cases_rules import ANSWERS
from tests.use_cases_stage import MakeStage

_which = st.sampled_from([0, 0, 0, 1, 2])
_worker = st.sampled_from([0, 0, 1])
_tenths = st.sampled_from([10, 5, 1, 0, 11])
_dies = st.one_of(st.none(), st.none(), st.integers(0, 8))
_answer = st.sampled_from(["all", "all but one", *ANSWERS, "unknown"])


class UseCasesMachine(RuleBasedStateMachine):
    make_stage: MakeStage

    def __init__(self) -> None:
        super().__init__()
        self.stage = type(self).make_stage()
        self.history = UseCaseHistory(self.stage)
        self.sound = True
        """No check has failed, so later ones say something."""

    def _do(self, step: str, *arguments: object) -> None:
        self.sound = False
        getattr(self.history, step)(*arguments)
        self.sound = True

    @initialize(amount=st.sampled_from([40, 12]), lifetime=st.sampled_from([None, 120.0]))
    def begin_with_credits(self, amount: int, lifetime: float | None) -> None:
        self._do("grant", amount, SOURCES.index("pack"), lifetime, 0, None)

    @rule(
        amount=st.sampled_from([12, 3, 40, 1]),
        source=st.sampled_from([0, 1, 2, 4]),
        lifetime=st.sampled_from([None, 60.0, 600.0, -5.0]),
        again=st.sampled_from([0, 0, 0, 1, 2]),
        last=_dies,
    )
    def grant(self, amount: int, source: int, lifetime: float | None, again: int, last: int | None) -> None:
        self._do("grant", amount, source, lifetime, again, last)

    @rule(verb=st.sampled_from(["reverse", "reverse", "adjust"]), which=_which, tenths=_tenths, last=_dies)
    def take_back(self, verb: str, which: int, tenths: int, last: int | None) -> None:
        self._do(verb, which, tenths, last)

    @rule(
        n=st.sampled_from([2, 1, 3]),
        quality=st.sampled_from([0, 1]),
        key=st.sampled_from([0, 0, 1, 2]),
        less=st.sampled_from([0, 0, 0, 1]),
        seconds=st.sampled_from([None, None, 40.0, 150.0, 0.0]),
        last=_dies,
    )
    def ask(self, n: int, quality: int, key: int, less: int, seconds: float | None, last: int | None) -> None:
        self._do("ask", n, quality, key, less, seconds, last)

    @rule(n=st.sampled_from([2, 1, 3]), answers=st.lists(_answer, min_size=1, max_size=3))
    def get_pictures(self, n: int, answers: list[str]) -> None:
        """The whole of the main job: asked for, and a wake-up for each answer."""
        self._do("ask", n, 0, 0, 0, None, None)
        for answer in answers:
            self._do("perform", 0, answer, None, None)

    @precondition(lambda self: self.history.is_any_open)
    @rule(which=_worker, answer=_answer, last=_dies)
    def perform(self, which: int, answer: str, last: int | None) -> None:
        """`last`: port calls after the answer."""
        self._do("perform", which, answer, None, last)

    @precondition(lambda self: self.history.is_any_open)
    @rule(which=_worker, last=st.integers(0, 8))
    def perform_and_die(self, which: int, last: int) -> None:
        self._do("perform", which, "all", last, last)

    @rule(n=st.sampled_from([2, 1, 3]), which=_worker)
    def leave_a_call_out(self, n: int, which: int) -> None:
        self._do("ask", n, 0, 0, 0, None, None)
        self._do("perform", which, None, None, None)

    @precondition(lambda self: self.stage.out)
    @rule(which=_which, answer=_answer, last=_dies)
    def answer(self, which: int, answer: str, last: int | None) -> None:
        self._do("answer", which, answer, last)

    @precondition(lambda self: self.stage.out)
    @rule(verb=st.sampled_from(["renew", "kill", "perform_blindly"]), which=_worker)
    def do_to_a_worker(self, verb: str, which: int) -> None:
        self._do(verb, which)

    @precondition(lambda self: self.history.is_any_open)
    @rule(which=_which, last=_dies)
    def cancel(self, which: int, last: int | None) -> None:
        self._do("cancel", which, last)

    @precondition(lambda self: self.history.audit.seen)
    @rule(which=_which, purge=st.booleans(), last=_dies)
    def delete(self, which: int, purge: bool, last: int | None) -> None:
        self._do("delete", which, purge, last)

    @precondition(lambda self: self.history.audit.seen)
    @rule(verb=st.sampled_from(["keep_house", "sweep"]), last=_dies)
    def tidy_up(self, verb: str, last: int | None) -> None:
        self._do(verb, last)

    @rule(seconds=st.sampled_from([31.0, 5.0, 101.0, 1.0, 3700.0, 90_000.0, 700_000.0]))
    def advance(self, seconds: float) -> None:
        self._do("advance", seconds)

    @rule(which=st.sampled_from([0, 0, 1, 2]), microseconds=st.sampled_from([0, 0, -1, 1]))
    def advance_to_what_is_due(self, which: int, microseconds: int) -> None:
        self._do("advance_to", which, microseconds)

    def teardown(self) -> None:
        try:
            if self.sound:
                self.history.finish()
        finally:
            self.stage.close()


def use_cases_machine(make: MakeStage) -> type[UseCasesMachine]:
    """The machine for stages made by `make`, each with an empty store."""

    class Machine(UseCasesMachine):
        make_stage = staticmethod(make)

    return Machine
