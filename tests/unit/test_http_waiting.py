"""`Prefer: wait=N`: an answer that waits for the picture, and never costs one."""

import asyncio
from time import monotonic
from typing import Any

import pytest

from application.events import LocalChanges
from application.store import StoreUnavailable
from domain.errors import Gone
from domain.generations import Generation, GenerationState
from domain.limits import LIMITS
from entrypoints.http import waiting
from entrypoints.http.waiting import Found, seconds_preferred, until_finished
from tests.http_stage import BEARER, NOW, Stage


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("wait=60", 60),
        ("WAIT = 5", 5),
        ('wait="7"', 7),
        ("respond-async, wait=10", 10),
        ("respond-async; wait=10", 10),
        ("wait=0", 0),
        ("wait=121", LIMITS["wait_seconds"]),
        ("wait=999999999", LIMITS["wait_seconds"]),
        ("wait=9999999999", 0),
        ("wait=-1", 0),
        ("wait=1.5", 0),
        ("await=5", 0),
        ("wait=²", 0),
        ("wait", 0),
    ],
)
def test_a_preference_that_is_not_understood_counts_for_nothing(prefer: str | None, seconds: int) -> None:
    assert seconds_preferred(prefer) == seconds


class Looks:
    """Each look sees the next of these; the last stays."""

    def __init__(self, *seen: Generation | Exception) -> None:
        self.seen, self.count = list(seen), 0

    async def __call__(self) -> Found:
        self.count += 1
        now = self.seen.pop(0) if len(self.seen) > 1 else self.seen[0]
        if isinstance(now, Exception):
            raise now
        return now, ()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_FIRST_LOOK", 0.001)
    monkeypatch.setattr(waiting, "_LONGEST_PAUSE", 0.002)


def wait(looks: Looks, seconds: float) -> Found:
    return asyncio.run(until_finished((Stage().has_generation(), ()), looks, seconds, LocalChanges()))


def test_waiting_ends_at_once_when_the_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_FIRST_LOOK", 3600)
    still, done, changes = Stage().has_generation(), Stage().has_generation(state=GenerationState.FAILED), LocalChanges()

    async def told() -> Found:
        waits = asyncio.create_task(until_finished((still, ()), Looks(still, done), 7200, changes))
        for _ in range(2):  # something happens, then the end
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            changes.tell([still.id])
        async with asyncio.timeout(30):
            return await waits

    assert asyncio.run(told())[0] is done


def test_waiting_ends_when_the_generation_does() -> None:
    still, done = Stage().has_generation(), Stage().has_generation(state=GenerationState.FAILED)
    looks = Looks(still, still, done)
    began = monotonic()
    assert wait(looks, 60)[0] is done
    assert looks.count == 3
    assert monotonic() - began < 30


def test_waiting_ends_when_the_time_is_over() -> None:
    assert wait(Looks(Stage().has_generation()), 0.02)[0].state is GenerationState.QUEUED


def test_an_outage_ends_the_waiting_and_nothing_else() -> None:
    still = Stage().has_generation()
    assert wait(Looks(still, StoreUnavailable()), 60)[0] is still


def test_what_is_purged_meanwhile_is_gone() -> None:
    with pytest.raises(Gone):
        wait(Looks(Gone()), 60)


def post(stage: Stage, prefer: str) -> Any:
    with stage.client() as client:
        return client.post("/v1/generations", headers=BEARER | {"Prefer": prefer}, json={"prompt": "a fox"})


def test_a_generation_that_finishes_in_time_is_answered_as_made() -> None:
    class Swift(Stage):
        def own(self, *named: Any) -> Generation:
            found = super().own(*named)
            found.cancel(NOW)
            return found

    answer = post(Swift(), "wait=30")
    assert (answer.status_code, answer.json()["state"]) == (201, "cancelled")
    assert answer.headers["preference-applied"] == "wait=30"
    assert answer.headers["location"].endswith(answer.json()["id"])


def test_one_that_does_not_is_answered_as_accepted() -> None:
    answer = post(Stage(), "wait=1")
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")


def test_nobody_waits_unasked() -> None:
    answer = post(Stage(), "respond-async")
    assert answer.status_code == 202
    assert "preference-applied" not in answer.headers
