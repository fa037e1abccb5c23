"""The use cases keep the rules on either store; and the proof that this would be noticed: seeded mistakes are found, and told in
a few steps.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from adapters.memory.queries import MemoryQueries
from adapters.memory.wallets import MemoryWallets
from application import attempts
from application import generations as use_cases
from application.attempts import PerformGeneration
from domain import credits, recovery
from domain.attempts import Attempt
from domain.generations import Generation
from tests.mistakes import Mistake, seed
from tests.soak_use_cases import history_of, run, shortest, soak_use_cases
from tests.use_cases_history import UseCaseHistory
from tests.use_cases_machine import use_cases_machine
from tests.use_cases_stage import MakeStage, in_memory, in_postgres

_SETTINGS = settings(max_examples=20, stateful_step_count=20, deadline=None, derandomize=True, print_blob=True)
_SEED = 8
_EXAMPLES = {"memory": 20, "postgres": 8}
_KEPT = {"memory": 60, "postgres": 8}
"""Random histories of some 40 steps; `make soak SUITE=use-cases` goes on."""
_HISTORIES = 300
"""A mistake must show within this many random histories of some 40 steps."""

STORES: dict[str, Callable[[pytest.FixtureRequest], AbstractContextManager[MakeStage]]] = {
    "memory": lambda _: in_memory(),
    "postgres": lambda request: in_postgres(request.getfixturevalue("database_url")),
}
BROKEN_CAPTURE: Mistake = (
    credits._Posting,
    "_resolve",
    "HELD, LedgerAccount.AVAILABLE, ",
    "HELD, LedgerAccount.AVAILABLE, state is not HoldState.CAPTURED and ",
)
MISTAKES: dict[str, Mistake] = {
    "a capture keeps the rest": BROKEN_CAPTURE,
    "more is delivered than was made": (Generation, "deliver", "min(pictures, self.n)", "self.n"),
    "the whole price is captured": (Generation, "hold_command", "amount=self.captured", "amount=self.price"),
    "a cancel keeps the hold": (use_cases.CancelGeneration, "__call__", "await resolve_hold(tx, generation)", "pass"),
    "a purge leaves the bytes": (use_cases, "erase_bytes", "await storage.delete(key)", "pass"),
    "the sweep takes what is not settled": (MemoryQueries, "_may_be_spoken_of", "generation.state.is_open", "False"),
    "a third call is bought": (Generation, "may_call", "len(self.perhaps_paid()) < PAID_CALLS", "True"),
    "a call starts after the deadline": (Generation, "may_call", "now < self.deadline", "True"),
    "a key answers for another body": (use_cases, "repeated", "seen.fingerprint != fingerprint", "False"),
    "the caller's maximum is not heard": (use_cases.RequestGeneration, "make", "check_maximum(", "id("),
    "the brake is not heard": (use_cases.RequestGeneration, "make", "await self.check_brake(tx, caller, opened)", "pass"),
    "whoever lost the lease decides": (Generation, "must_hold", "self.lease != lease", "False"),
    "every attempt is taken for past": (Attempt, "is_past", "now >= self.act_until", "True"),
    "a lease is taken while it lives": (Generation, "is_due", "until is None or now >= until", "True"),
    "who lost the lease says nothing": (PerformGeneration, "_testify", "tx.generations.save(generation)", "pass"),
    "a refusal is bought again": (recovery, "_without_pictures", "attempt.finality in (", "attempt.finality in () and ("),
    "nobody waits for what may come": (attempts, "decide", "if not f.was_past and", "if False and"),
    "a picture has no row": (PerformGeneration, "_write", "tx.assets.add(", "id("),
    "lapsed credits are shown": (MemoryQueries, "credits", "row.available - lapsed", "row.available"),
    "the past is shown unswept": (MemoryQueries, "balance", "if lot.is_lapsed(at)", "if False"),
    "a store loses a reversal": (MemoryWallets, "save", "row.reversals + len(wallet.reversals)", "row.reversals"),
}


@pytest.fixture(params=STORES)
def make_stage(request: pytest.FixtureRequest) -> Iterator[MakeStage]:
    with STORES[request.param](request) as make:
        yield make


@pytest.mark.parametrize("make_stage", _EXAMPLES, indirect=True)
def test_no_history_of_use_cases_breaks_the_rules(make_stage: MakeStage, request: pytest.FixtureRequest) -> None:
    how = settings(_SETTINGS, max_examples=_EXAMPLES[request.node.callspec.params["make_stage"]])
    run_state_machine_as_test(use_cases_machine(make_stage), settings=how)


@pytest.mark.parametrize("make_stage", _KEPT, indirect=True)
def test_random_histories_of_use_cases_keep_the_rules(make_stage: MakeStage, request: pytest.FixtureRequest) -> None:
    most = _KEPT[request.node.callspec.params["make_stage"]]
    assert soak_use_cases(_SEED, math.inf, make_stage, most=most)["histories"] == most


@pytest.mark.parametrize(
    ("late", "state", "calls"),
    [("refused", "refused", 2), ("all", "succeeded", 2), ("none", "failed", 2), ("busy", "succeeded", 3)],
)
@pytest.mark.parametrize("waits", [False, True], ids=["called", "waiting"])
def test_what_an_earlier_call_says_late_is_heard_before_there_is_another(
    make_stage: MakeStage, late: str, state: str, calls: int, waits: bool
) -> None:
    """A worker stopped for longer than its call may take: another has called since, and was told to come again."""
    stage = make_stage()
    history = UseCaseHistory(stage)
    history.grant(40, 2, None, 0, None)
    history.ask(2, 0, 0, 0, None, None)
    history.perform(0, None, None, None)
    history.advance(101.0)
    history.perform(1, None, None, None)
    if waits:
        history.answer(1, "busy", None)
        history.advance(41.0)
        history.perform(1, None, None, None)
        history.answer(0, late, None)
    else:
        history.answer(0, late, None)
        history.answer(0, "busy", None)
    for _ in range(6):
        history.advance(41.0)
        history.perform(1, "all", None, None)
    (ended,) = history.audit.seen.values()
    assert (ended.state.value, len(ended.attempts)) == (state, calls)
    history.finish()
    stage.close()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_random_history_shows_the_mistake_in_few_steps(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seed(monkeypatch, MISTAKES[mistake])
    with in_memory() as make:
        for number in range(_HISTORIES):
            steps = history_of(_SEED, number)
            if run(steps, make):
                told = shortest(steps, make)
                assert len(told) <= 8, told
                return
    raise AssertionError(f"not seen in {_HISTORIES} histories of seed {_SEED}")


def test_the_machine_tells_a_broken_capture_in_three_steps_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    seed(monkeypatch, BROKEN_CAPTURE)
    how = settings(_SETTINGS, max_examples=200, stateful_step_count=10, phases=[Phase.generate, Phase.shrink])
    with in_memory() as make, pytest.raises(AssertionError) as found:
        run_state_machine_as_test(use_cases_machine(make), settings=how)
    told = "\n".join(found.value.__notes__).splitlines()
    steps = [line for line in told if line.strip().startswith("state.") and "teardown" not in line]
    assert len(steps) <= 3, steps


def test_a_soak_is_repeatable_and_names_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert history_of(7, 3) == history_of(7, 3) != history_of(8, 3)
    seed(monkeypatch, BROKEN_CAPTURE)
    with (
        in_memory() as make,
        pytest.raises(AssertionError, match=r"(?s)seed 7, history \d+: .*E5.*history\.ask.*history\.perform"),
    ):
        soak_use_cases(7, math.inf, make)
