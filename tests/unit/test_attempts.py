"""The record of one call: who may say what of it, and what lies at its keys."""

from dataclasses import replace
from itertools import product

import pytest

from domain.attempts import Attempt, CallResult, Finality, Found, Manifest, Outcome, StoredPicture, Unknown, Usage
from domain.media import PictureFormat
from tests.unit.generation_states import OWNER, START, TIMING, after, executed, not_executed

RESULTS: dict[Outcome, CallResult] = {
    Outcome.EXECUTED: executed(1),
    Outcome.NOT_EXECUTED: not_executed(Finality.RETRYABLE),
    Outcome.UNKNOWN: Unknown("reset", "req_2"),
}
FINAL = (Outcome.EXECUTED, Outcome.NOT_EXECUTED)
PICTURE = StoredPicture(0, PictureFormat.WEBP, 64, 32, 999, "ab" * 32, has_alpha=True)


def an_attempt(outcome: Outcome = Outcome.INTENDED) -> Attempt:
    return Attempt(1, START, after(100), OWNER, outcome)


@pytest.mark.parametrize(("was", "said"), list(product(Outcome, RESULTS)))
def test_a_final_word_stays_and_any_other_gives_way(was: Outcome, said: Outcome) -> None:
    attempt = an_attempt(was)
    before = replace(attempt)
    attempt.record(RESULTS[said], after(5))
    if was in FINAL:
        assert replace(attempt, cost=None, usage=None, request_id=None) == before
        assert (attempt.cost is not None) == (was is said is Outcome.EXECUTED), "what it cost is known to its caller alone"
    else:
        assert (attempt.outcome, attempt.decided_at, attempt.written_by_caller) == (said, after(5), True)


def test_its_caller_says_what_it_knows() -> None:
    executed_one, refused, empty, unknown = (an_attempt() for _ in range(4))
    executed_one.record(executed(1, cost=77), START)
    assert (executed_one.cost, executed_one.request_id, executed_one.failure, executed_one.booked) == (77, "req_1", None, False)
    empty.record(executed(0), START)
    assert empty.failure
    assert (empty.failure.code, empty.outcome) == ("empty", Outcome.EXECUTED)
    refused.record(not_executed(Finality.RETRYABLE), START)
    assert refused.failure
    assert (refused.finality, refused.request_id, refused.failure.code) == (Finality.RETRYABLE, "req_3", "busy")
    unknown.record(RESULTS[Outcome.UNKNOWN], START)
    assert (unknown.request_id, unknown.failure) == ("req_2", None)


def test_only_a_call_that_was_surely_not_made_is_free() -> None:
    assert [outcome for outcome in Outcome if not outcome.perhaps_paid] == [Outcome.NOT_EXECUTED]


def test_an_attempt_is_past_once_its_time_is_over_or_its_caller_has_spoken() -> None:
    attempt = an_attempt()
    assert not attempt.is_past(after(99.9))
    assert attempt.is_past(after(100))
    attempt.outcome = Outcome.UNKNOWN
    assert not attempt.is_past(after(99.9)), "what another decided says nothing of its puts"
    attempt.record(Unknown("reset"), after(3))
    assert attempt.is_past(after(3))


def test_a_hold_outlives_two_calls_begun_at_the_deadline() -> None:
    assert TIMING.hold_expiry(START) > START + 2 * TIMING.act


def test_a_manifest_reads_as_it_was_written() -> None:
    manifest = Manifest((PICTURE, replace(PICTURE, index=3)), "req_1", Usage(5, 6), 40_000)
    assert Manifest.read(manifest.write()) == manifest
    assert Manifest.read(Manifest((), None, Usage(), 0).write()) == Manifest((), None, Usage(), 0)


def test_only_all_that_a_manifest_promises_is_whole() -> None:
    both = (PICTURE, replace(PICTURE, index=1))
    manifest = Manifest(both, None, Usage(), 0)
    assert Found(1, both, manifest, was_past=False).is_whole
    assert not Found(1, both[:1], manifest, was_past=True).is_whole
    assert not Found(1, both, None, was_past=True).is_whole
    assert not Found(1, (), Manifest((), None, Usage(), 0), was_past=True).is_whole
