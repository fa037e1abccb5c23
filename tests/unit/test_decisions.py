"""What is decided after a takeover: every row of RULES §2.4, and a second reading of that table to compare with at random."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from domain import recovery
from domain.attempts import Attempt, FailureClass, Finality, Found, Manifest, Outcome, Stage, StoredPicture, Unknown, Usage
from domain.generations import Generation, GenerationState, Next
from domain.media import PictureFormat
from domain.moderation import Verdict
from tests.unit.generation_states import MINE, OTHER, OWNER, START, TIMING, after, asked, executed, not_executed

NOW = 1000.0
"""Seconds after START at which it is decided."""
NOT_YET = after(NOW + 60)
"""When an attempt that is not past will be."""


@dataclass(frozen=True)
class Call:
    """One attempt as the decider finds it. `says`: what its row says; `lies`: how many pictures lie at its keys; `promised`: how
    many its manifest names, if one lies there. `past`: as remembered from before the look."""

    says: str = "intended"
    past: bool = True
    lies: int = 0
    promised: int | None = None

    @property
    def perhaps_paid(self) -> bool:
        return self.says in ("intended", "unknown", "executed", "empty")


@dataclass(frozen=True)
class Case:
    calls: tuple[Call, ...]
    n: int = 2
    cancel: bool = False
    deadline_passed: bool = False
    gate_closed: bool = False


def build(case: Case) -> tuple[Generation, list[Found]]:
    """The generation under the lease MINE, and the look."""
    generation = asked(case.n)
    generation.state, generation.lease, generation.lease_until = GenerationState.RUNNING, MINE, after(NOW + 10)
    generation.cancel_requested_at = after(1) if case.cancel else None
    generation.deadline = after(NOW if case.deadline_passed else NOW + 1000)
    look = []
    for number, call in enumerate(case.calls, 1):
        attempt = Attempt(number, START, after(100) if call.past else NOT_YET, OWNER)
        _say(attempt, call.says)
        generation.attempts.append(attempt)
        lie = tuple(StoredPicture(index, PictureFormat.PNG, 8, 8, 9, "", has_alpha=False) for index in range(call.lies))
        named = lie + (lie or (StoredPicture(9, PictureFormat.PNG, 8, 8, 9, "", has_alpha=False),)) * case.n
        manifest = None if call.promised is None else Manifest(named[: call.promised], "req_m", Usage(), 123)
        look.append(Found(number, lie, manifest, call.past))
    return generation, look


def _say(attempt: Attempt, says: str) -> None:
    """As a recovery that decided before would have left it, or its own caller."""
    match says:
        case "unknown" | "executed":
            attempt.outcome, attempt.decided_at = Outcome(says), after(2)
        case "empty":
            attempt.record(executed(0), after(2))
        case "refused" | "final" | "retryable":
            attempt.record(not_executed(Finality(says)), after(2))


def decide(*calls: Call, **flags: bool) -> Generation:
    case = Case(calls, **flags)
    return decided(case)[1]


def decided(case: Case) -> tuple[Next, Generation]:
    generation, look = build(case)
    said = recovery.decide(generation, MINE, look, after(NOW), TIMING, owner=99, gate_closed=case.gate_closed)
    return said, generation


def story(said: Next, generation: Generation) -> str:
    """What was decided, in a word or two."""
    booked = [attempt.number for attempt in generation.attempts if attempt.booked]
    if said is Next.CALL:
        last = generation.attempts[-1]
        assert (generation.state, generation.lease) == (GenerationState.RUNNING, MINE), "a call needs the lease"
        assert (last.outcome, last.owner, last.started_at) == (Outcome.INTENDED, 99, after(NOW))
        assert last.act_until == after(NOW) + TIMING.act
        return "call"
    assert generation.lease is None
    if said is Next.ENDED:
        if generation.state is GenerationState.SUCCEEDED:
            return f"deliver {generation.delivered} of attempt {booked}"
        assert generation.failure
        assert not booked
        capacity = "capacity, " * (generation.failure.failure_class is FailureClass.CAPACITY)
        return f"{generation.state}: {capacity}{generation.failure.code}"
    assert generation.resume_at
    if generation.state is GenerationState.QUEUED:
        return "queue"
    return f"park {(generation.resume_at - after(NOW)).total_seconds():g}"


# Row by row. Row 1, a storage that does not answer, never comes this far: see test_paid_call.


def test_row_2_all_pictures_of_one_attempt_are_delivered_whatever_else_is_open() -> None:
    for flags in ({}, {"cancel": True}, {"deadline_passed": True}, {"gate_closed": True}):
        generation = decide(Call("unknown", lies=1), Call("intended", past=False, lies=2), **flags)
        assert story(Next.ENDED, generation) == "deliver 2 of attempt [2]"
        assert generation.attempts[1].outcome is Outcome.EXECUTED
    assert story(Next.ENDED, decide(Call("unknown", lies=2), Call("unknown", lies=2))) == "deliver 2 of attempt [1]"


def test_row_2_a_manifest_with_all_its_pictures_is_as_good_and_brings_the_cost() -> None:
    generation = decide(Call("intended", past=False, lies=1, promised=1))
    assert story(Next.ENDED, generation) == "deliver 1 of attempt [1]"
    assert (generation.attempts[0].cost, generation.attempts[0].request_id) == (123, "req_m")


def test_row_3_fewer_are_delivered_once_nothing_more_can_come() -> None:
    assert story(*decided(Case((Call("unknown", lies=1), Call("unknown", lies=2)), n=3))) == "deliver 2 of attempt [2]"
    assert story(*decided(Case((Call("unknown", lies=1), Call("unknown", lies=1)), n=3))) == "deliver 1 of attempt [1]"


BAD = Verdict("violence").refusal(Stage.OUTPUT)


@pytest.mark.parametrize("calls", [(Call("intended", past=False, lies=2),), (Call("unknown", lies=1), Call("unknown"))])
def test_rows_2_and_3_what_our_check_refuses_is_paid_by_us_whoever_heard_of_it(calls: tuple[Call, ...]) -> None:
    for told in ("the look", "the row"):
        generation, look = build(Case(calls))
        if told == "the look":
            look = [replace(found, refusal=BAD) for found in look]
        else:
            generation.attempts[0].record(replace(executed(2), failure=BAD), after(3))
        said = recovery.decide(generation, MINE, look, after(NOW), TIMING, owner=99)
        whole = replace(BAD, request_id=generation.attempts[0].request_id)
        assert (said, generation.state, generation.failure) == (Next.ENDED, GenerationState.REFUSED, whole), told
        assert [attempt.booked for attempt in generation.attempts] == [True] + [False] * (len(calls) - 1)
        assert generation.attempts[0].outcome is Outcome.EXECUTED


def test_another_look_never_waits_past_the_attempts_time() -> None:
    generation, look = build(Case((Call("intended", past=False),)))
    late = generation.attempts[0].act_until - timedelta(seconds=4)
    recovery.decide(generation, MINE, look, late, TIMING, owner=99)
    assert generation.resume_at == generation.attempts[0].act_until


def test_row_4_fewer_wait_while_more_may_come() -> None:
    assert story(*decided(Case((Call("intended", past=False, lies=1),)))) == "park 30"
    assert story(*decided(Case((Call("unknown", lies=1), Call("intended", past=False))))) == "park 30"


def test_row_5_a_losers_refusal_ends_it_even_while_another_call_is_out() -> None:
    for says, end in (("refused", "refused: safety"), ("final", "failed: bad")):
        assert story(*decided(Case((Call(says),)))) == end
        assert story(*decided(Case((Call(says), Call("intended", past=False))))) == end


def test_row_6_what_was_executed_and_left_nothing_is_never_bought_again() -> None:
    assert story(*decided(Case((Call("executed"),)))) == "failed: not_stored"
    assert story(*decided(Case((Call("empty"),)))) == "failed: empty"
    assert story(*decided(Case((Call("empty"), Call("retryable"))))) == "failed: empty"


def test_row_7_a_last_call_that_was_not_made_goes_back_to_the_queue() -> None:
    assert story(*decided(Case((Call("retryable"),)))) == "queue"
    assert story(*decided(Case((Call("unknown"), Call("retryable"))))) == "queue"
    assert story(*decided(Case((Call("retryable"),), cancel=True))) == "cancelled: cancelled"
    assert story(*decided(Case((Call("retryable"),) * 4))) == "failed: capacity, busy"


def test_row_8_an_open_call_that_may_still_bring_something_is_uncertain_and_waited_for() -> None:
    for flags in ({}, {"cancel": True}, {"deadline_passed": True}):
        generation = decide(Call("intended", past=False), **flags)
        assert story(Next.WAIT, generation) == "park 30"
        assert generation.uncertain_since == after(NOW)


def test_row_9_a_cancelled_one_is_cancelled() -> None:
    generation = decide(Call("intended"), cancel=True)
    assert story(Next.ENDED, generation) == "cancelled: refunded"
    assert generation.attempts[0].outcome is Outcome.UNKNOWN


def test_row_10_no_call_follows_the_deadline_two_perhaps_paid_calls_or_the_limit_of_attempts() -> None:
    for case in (
        Case((Call("intended"),), deadline_passed=True),
        Case((Call("unknown"), Call("intended"))),
        Case((*[Call("retryable")] * 3, Call("intended"))),
    ):
        assert story(*decided(case)) == "failed: unknown_outcome"


def test_row_11_nothing_is_bought_while_too_many_calls_end_unknown() -> None:
    said, generation = decided(Case((Call("intended"),), gate_closed=True))
    assert story(said, generation) == "park 5"
    assert generation.attempts[0].outcome is Outcome.UNKNOWN


def test_row_12_otherwise_a_second_call_is_written_down() -> None:
    said, generation = decided(Case((Call("intended"),)))
    assert story(said, generation) == "call"
    assert [attempt.outcome for attempt in generation.attempts] == [Outcome.UNKNOWN, Outcome.INTENDED]


def test_what_became_past_since_the_look_began_is_looked_at_again_at_once() -> None:
    """Its caller spoke, or its time ran out, while the look went on: nothing may be bought on that look (R25)."""
    for lies in (0, 1):
        spoke, look = build(Case((Call("intended", past=False, lies=lies),)))
        spoke.attempts[0].record(Unknown("reset"), after(NOW - 1))
        assert story(recovery.decide(spoke, MINE, look, after(NOW), TIMING, owner=99), spoke) == "park 0"
        over, look = build(Case((Call("intended", past=False, lies=lies),)))
        over.attempts[0].act_until = after(NOW)
        assert story(recovery.decide(over, MINE, look, after(NOW), TIMING, owner=99), over) == "park 0"


def test_only_the_holder_of_the_lease_decides() -> None:
    generation, look = build(Case((Call("intended"),)))
    generation.lease = OTHER
    with pytest.raises(Exception, match="lease"):
        recovery.decide(generation, MINE, look, after(NOW), TIMING, owner=99)


# The table read a second time, and compared


def oracle(case: Case) -> str:
    """RULES §2.4, line by line, over nothing but the case."""
    calls = list(enumerate(case.calls, 1))
    whole = [number for number, c in calls if c.lies >= case.n or (c.lies and c.promised == c.lies)]
    some = sorted((-c.lies, number) for number, c in calls if c.lies)
    all_past = all(c.past for _, c in calls if c.perhaps_paid)
    paid = [c for _, c in calls if c.perhaps_paid]
    said = [c.says for _, c in calls]
    known = [word for word in said if word in ("refused", "final")]
    done = [word for word in said if word in ("executed", "empty")]
    rows: list[tuple[bool, Callable[[], str]]] = [
        (bool(whole), lambda: f"deliver {case.calls[whole[0] - 1].lies} of attempt [{whole[0]}]"),
        (bool(some) and all_past, lambda: f"deliver {-some[0][0]} of attempt [{some[0][1]}]"),
        (bool(some), lambda: "park 30"),
        (bool(known), lambda: "refused: safety" if known[0] == "refused" else "failed: bad"),
        (not all_past, lambda: "park 30"),
        (bool(done), lambda: "failed: empty" if done[0] == "empty" else "failed: not_stored"),
        (said[-1] == "retryable" and case.cancel, lambda: "cancelled: refunded" if "unknown" in said else "cancelled: cancelled"),
        (said[-1] == "retryable" and len(said) >= 4, lambda: "failed: capacity, busy"),
        (said[-1] == "retryable", lambda: "queue"),
        (case.cancel, lambda: "cancelled: refunded"),
        (case.deadline_passed or len(paid) >= 2 or len(said) >= 4, lambda: "failed: unknown_outcome"),
        (case.gate_closed, lambda: "park 5"),
        (True, lambda: "call"),
    ]
    return next(answer() for fits, answer in rows if fits)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    n = draw(st.integers(1, 3))
    calls: list[Call] = []
    for place in range(length := draw(st.integers(1, 4))):
        free = ["retryable", "refused", "final"]
        paid = [] if sum(call.perhaps_paid for call in calls) == 2 else ["unknown", "executed", "empty"]
        says = draw(st.sampled_from(free[:1] * 3 + free + paid * 2 + (["intended"] * 6 if paid and place == length - 1 else [])))
        call = Call(says, past=says in (*free, "empty") or draw(st.booleans()))
        if call.perhaps_paid and says != "empty":
            lies = draw(st.integers(0, n))
            call = replace(call, lies=lies, promised=draw(st.none() | st.integers(lies, n)))
        calls.append(call)
    return Case(tuple(calls), n, *(draw(st.booleans()) for _ in range(3)))


@settings(max_examples=600, deadline=None)
@given(cases())
def test_every_decision_is_the_first_row_of_the_table_that_fits(case: Case) -> None:
    said, generation = decided(case)
    told = story(said, generation)
    note(told)
    assert told == oracle(case)
    assert len(generation.perhaps_paid()) <= 2
    assert sum(attempt.booked for attempt in generation.attempts) == (generation.state is GenerationState.SUCCEEDED)
    assert all(attempt.outcome is not Outcome.INTENDED for attempt in generation.attempts[:-1])
    if said is Next.CALL:
        assert all(call.past for call in case.calls), "bought while something may still come"
        assert after(NOW) + TIMING.act <= generation.hold_expires_at
    for was, is_now in zip(case.calls, generation.attempts, strict=False):
        if not was.perhaps_paid:
            assert is_now.outcome is Outcome.NOT_EXECUTED
        elif not was.lies:
            assert is_now.outcome is not Outcome.NOT_EXECUTED, "never guessed by recovery"
    assert timedelta() <= (generation.resume_at or after(NOW)) - after(NOW) <= timedelta(seconds=60)
