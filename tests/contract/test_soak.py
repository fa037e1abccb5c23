"""The table of the random suites: it sums over runs, says what is still missing, and names the seed of what broke."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests import soak
from tests.documented import goes_on
from tests.soak_promises import BACK, DEPLOYED, FROZEN, PROMISES, RESTARTED, Broken, merged

Counts = Mapping[str, int]


def run(
    monkeypatch: pytest.MonkeyPatch, suite: str, *slices: Counts | Exception, verify: bool = False
) -> tuple[int, str, list[int]]:
    """Exit code, what was said, and the seeds played."""
    waiting, seeds = list(slices), list[int]()

    async def play(seed: int, _: float, __: Path, ___: Counts) -> dict[str, int]:
        seeds.append(seed)
        said = waiting.pop(0)
        if isinstance(said, Exception):
            raise said
        return dict(said)

    monkeypatch.setattr(soak, "SUITES", {suite: soak.Suite(play, 0.0)})
    told = CliRunner().invoke(soak.main, ["verify"] if verify else ["run", "all", "--minutes", "0"])
    return told.exit_code, told.output, seeds


@pytest.fixture(autouse=True)
def _somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def row(told: str, words: str) -> str:
    return next(line for line in told.splitlines() if words in line)


def test_sums_go_on_from_run_to_run_until_the_promise_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
    code, told, seeds = run(monkeypatch, "deploys", {"deploys": 60})
    assert (code, seeds) == (0, [1])
    assert "held, 60 of 100" in row(told, DEPLOYED)
    code, told, seeds = run(monkeypatch, "deploys", {"deploys": 45})
    assert (code, seeds) == (0, [2])
    assert "105" in row(told, DEPLOYED)
    assert "met" in row(told, DEPLOYED)


def test_a_broken_promise_is_told_with_its_seed_and_that_seed_comes_again_first(monkeypatch: pytest.MonkeyPatch) -> None:
    code, told, _ = run(monkeypatch, "restarts", Broken(BACK, "eleven seconds"))
    assert code == 1
    assert "BROKEN" in row(told, BACK)
    assert "BROKEN" not in row(told, RESTARTED)
    assert "eleven seconds" in told
    code, told, seeds = run(monkeypatch, "restarts", {"fast restarts": 1, "workers back": 1})
    assert (code, seeds) == (0, [1])
    assert "BROKEN" not in told


def test_a_failure_of_unknown_cause_breaks_all_promises_of_its_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    code, told, _ = run(monkeypatch, "restarts", AssertionError("lost"))
    assert code == 1
    assert all("BROKEN" in row(told, words) for words in (BACK, RESTARTED))


def test_verify_has_the_commit_for_its_seed_and_leaves_the_sums_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    code, told, seeds = run(monkeypatch, "stops", {"stops": 500}, verify=True)
    assert (code, len(seeds)) == (0, 1)
    assert "met" in row(told, FROZEN)
    assert not Path(".soak").exists()


def test_a_point_counts_as_often_as_it_was_died_at_least() -> None:
    killed = next(promise for promise in PROMISES["crash"] if promise.target == 50 and promise.done)
    counts = {"worker|generate|a": 60, "worker|edit|a": 1, "worker|generate|b": 49}
    assert killed.verdict(counts) == "held, 49 of 50"
    assert killed.verdict(counts | {"worker|edit|b": 1}) == "met"


def test_a_point_that_is_gone_from_the_code_is_forgotten_and_the_worst_is_no_sum() -> None:
    kept = {"worker|generate|old": 3, "worker|generate|a": 3, "api|ask|b": 2, "worst milliseconds": 7}
    new = {"worker|generate|a": 1, "worst milliseconds": 5}
    assert merged(kept, new) == {"worker|generate|a": 4, "api|ask|b": 2, "worst milliseconds": 7}


def test_every_suite_has_its_promises() -> None:
    assert set(PROMISES) == set(soak.SUITES)


@pytest.mark.parametrize(
    ("status", "code", "more", "fine"),
    [
        (503, "signature_pending", {"retry-after": ["5"]}, True),
        (504, "not_finished", {}, True),
        (503, "overloaded", {"x-should-retry": ["false"]}, False),
        (503, "unavailable", {"retry-after": ["5"]}, False),
        (504, "timeout", {"x-should-retry": ["false"]}, False),
        (500, "internal", {}, False),
    ],
)
def test_pictures_that_take_longer_are_no_fault_and_all_else_is(
    status: int, code: str, more: Mapping[str, list[str]], fine: bool
) -> None:
    said = f'{{"error":{{"message":"…","type":"server_error","code":"{code}","param":null}}}}'
    assert goes_on(status, {"x-generation-id": ["an id"], **more}, said) is fine
    assert not goes_on(status, more, said), "of no generation"
