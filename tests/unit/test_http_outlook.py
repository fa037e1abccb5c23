"""What those who wait are told, and how seldom the database is asked for it."""

from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from application.store import StoreUnavailable
from domain.accounts import Mode
from domain.generations import GenerationId, GenerationState
from domain.requests import Quality, Size
from domain.waiting import Line, Place, Worked
from entrypoints.http.outlook import EXPERIENCE_SECONDS, LINE_SECONDS, Outlooks
from tests.http_stage import ACCOUNT, BEARER, STRANGER, Stage

CALLS = [Worked(Mode.TEST, "gpt-image-2", Size(1024, 1024), Quality.MEDIUM, seconds) for seconds in (8, 9, 10, 11, 12)]


def places(*ids: GenerationId) -> list[Place]:
    return [Place(False, 20, turn, id, ACCOUNT) for turn, id in enumerate(ids, 1)]


class StandingClock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(client: TestClient[Litestar]) -> StandingClock:
    clock = StandingClock()
    client.app.state.outlooks = Outlooks(clock=clock)
    return clock


def test_a_queued_generation_tells_its_place_and_when_it_may_be_finished(stage: Stage, client: TestClient[Litestar]) -> None:
    first, second = stage.has_generation(), stage.has_generation()
    stage.line, stage.worked = Line(places(first.id, second.id), {STRANGER: 4}), CALLS
    told = client.get(f"/v1/generations/{second.id}", headers=BEARER).json()["queue"]
    assert told == {"position": 2, "expected_seconds": {"p50": 5 + 10, "p90": 5 + 12}}
    listed = client.get("/v1/generations", headers=BEARER).json()["data"]
    assert [one["queue"]["position"] for one in listed] == [2, 1]


def test_one_asked_for_just_now_is_told_its_place_though_nobody_has_seen_it_in_the_line(
    stage: Stage, client: TestClient[Litestar]
) -> None:
    stage.line = Line(places(GenerationId(UUID(int=5)), GenerationId(UUID(int=6))), {})
    answer = client.post("/v1/generations", headers=BEARER, json={"prompt": "a fox"})
    assert answer.json()["queue"] == {"position": 3, "expected_seconds": None}


def test_nothing_is_told_of_a_place_too_far_back(stage: Stage, client: TestClient[Litestar]) -> None:
    stage.line, stage.worked = Line(places(GenerationId(UUID(int=5))), {}, cut=True), CALLS
    made = stage.has_generation()
    told = client.get(f"/v1/generations/{made.id}", headers=BEARER).json()["queue"]
    assert told == {"position": None, "expected_seconds": None}


@pytest.mark.parametrize("state", [state for state in GenerationState if state is not GenerationState.QUEUED])
def test_whoever_does_not_wait_has_no_place_and_costs_no_look(
    state: GenerationState, stage: Stage, client: TestClient[Litestar]
) -> None:
    made = stage.has_generation(state=state)
    assert client.get(f"/v1/generations/{made.id}", headers=BEARER).json()["queue"] is None
    assert not stage.asked


def test_the_line_is_read_once_a_second_and_recent_work_twice_a_minute(
    stage: Stage, client: TestClient[Litestar], clock: StandingClock
) -> None:
    made = stage.has_generation()
    for passed, line, worked in ((0, 1, 1), (LINE_SECONDS / 2, 1, 1), (LINE_SECONDS, 2, 1), (EXPERIENCE_SECONDS, 3, 2)):
        clock.now = 1_000 + passed
        for _ in range(3):
            client.get(f"/v1/generations/{made.id}", headers=BEARER)
        assert stage.asked == {"line": line, "worked": worked}


def test_a_database_that_is_away_costs_the_place_and_not_the_answer(
    stage: Stage, client: TestClient[Litestar], clock: StandingClock
) -> None:
    made = stage.has_generation()
    stage.outage = StoreUnavailable()
    answer = client.get(f"/v1/generations/{made.id}", headers=BEARER)
    assert (answer.status_code, answer.json()["queue"]) == (200, {"position": None, "expected_seconds": None})
    stage.outage, clock.now = None, clock.now + LINE_SECONDS
    assert client.get(f"/v1/generations/{made.id}", headers=BEARER).json()["queue"]["position"] == 1
