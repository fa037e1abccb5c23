"""kill -9 of worker and API at the points that matter most; all recorded points, and any moment, are `make soak SUITE=crash`."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from adapters.postgres.embedded import EmbeddedPostgres
from domain.attempts import Finality, Outcome
from domain.generations import GenerationState
from entrypoints.settings import Settings
from tests.clusters import new_database
from tests.kill_ends import Answer, End, Left, UnstatedEnd, end_of
from tests.kill_matrix import NAMED, Run
from tests.kill_requests import REQUESTS, Repeated, Request
from tests.kill_stage import Counted, Lane, lane, shared_pictures, together
from tests.processes import SHORT, forks
from tests.provider import provider

pytestmark = pytest.mark.anyio
LANES = 6
SUCCEEDED, REFUSED, CANCELLED, FAILED = (
    GenerationState.SUCCEEDED,
    GenerationState.REFUSED,
    GenerationState.CANCELLED,
    GenerationState.FAILED,
)
PRODUCTION = SHORT | {
    setting.name.upper(): str(setting.default)
    for setting in fields(Settings)
    if setting.name.endswith("_seconds") and setting.name.upper() in SHORT
}


@dataclass
class Stage:
    """`idle`: places for one kill at a time; `served`: one where a worker may be."""

    idle: list[Lane]
    served: Lane


@pytest.fixture(scope="module")
async def stage(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("kills")
    with provider(folder / "provider") as openai:
        async with AsyncExitStack() as stack:
            pictures, counted = await stack.enter_async_context(shared_pictures()), Counted(openai)
            *idle, served = [
                await stack.enter_async_context(lane(forks(), new_database(postgres), folder / f"{number}", pictures, counted))
                for number in range(LANES + 1)
            ]
            yield Stage(idle, served)
            for each in (*idle, served):
                await each.check_books()


ENDS = (
    ("generate", "Store.commit#1:before", End(SUCCEEDED, 1, calls=1, paid=1)),
    ("generate", "Store.commit#1:after", End(SUCCEEDED, 1, calls=1, paid=2)),
    ("generate", "ImageModel.make#1:after", End(SUCCEEDED, 1, calls=2, paid=2)),
    ("generate", "ObjectStorage.put#1:after", End(SUCCEEDED, 1, calls=1, paid=1)),
    ("generate", "ObjectStorage.put#2:after", End(SUCCEEDED, 1, calls=1, paid=1)),
    ("generate", "Wallets.open#1:after", End(SUCCEEDED, 1, calls=1, paid=1)),
    ("two pictures", "ObjectStorage.put#3:after", End(SUCCEEDED, 2, calls=1, paid=1)),
    ("edit", "ObjectStorage.get#1:after", End(SUCCEEDED, 1, calls=1, paid=2)),
    ("refused", "ImageModel.make#1:after", End(REFUSED, 0, calls=2, paid=1)),
    ("rate limited", "ImageModel.make#2:before", End(SUCCEEDED, 1, calls=2, paid=2)),
    ("answer lost", "ImageModel.make#2:after", End(FAILED, 0, calls=2, paid=2)),
    ("cancelled", "ImageModel.make#1:after", End(CANCELLED, 0, calls=1, paid=1)),
    ("cancelled", "ObjectStorage.put#2:after", End(SUCCEEDED, 1, calls=1, paid=1)),
    ("heir of a call", "ImageModel.make#1:after", End(FAILED, 0, calls=2, paid=2)),
    ("heir of pictures", "Wallets.open#1:after", End(SUCCEEDED, 2, calls=1, paid=1)),
    ("request judged", "Moderator.judge#1:after", End(REFUSED, 0, calls=0, paid=1)),
    ("pictures judged", "Moderator.judge#2:after", End(REFUSED, 0, calls=1, paid=1)),
    ("watched", "ObjectStorage.put#2:after", End(SUCCEEDED, 1, calls=2, paid=2)),
    ("painted", "ImageModel.make#1:after", End(SUCCEEDED, 1, calls=2, paid=2)),
)


async def test_a_killed_worker_loses_no_picture_and_no_credit(stage: Stage) -> None:
    """Each killed at its point, several at once."""
    waiting = list(ENDS)

    async def kill(on: Lane) -> None:
        while waiting:
            scenario, point, end = waiting.pop()
            killed = await Run(on, NAMED[scenario], point)()
            print(killed.row)
            assert killed.died, f"{killed.row}: the worker did not die where it was told to"
            assert killed.end == end, f"{killed.row}, and not {end}"

    await together(*(kill(on) for on in stage.idle))


async def test_with_the_times_of_production_a_killed_worker_is_replaced_within_45_seconds_and_one_call(stage: Stage) -> None:
    killed = await Run(stage.idle[0], NAMED["generate"], "ImageModel.make#1:after", times=PRODUCTION)()
    print(killed.row)
    assert killed.died
    assert killed.end == End(SUCCEEDED, 1, calls=2, paid=2)
    assert killed.seconds <= 45 + 1


async def test_a_request_whose_answer_was_lost_in_a_kill_is_asked_again_and_happens_once(stage: Stage, tmp_path: Path) -> None:
    async def kill(request: Request, point: str) -> None:
        print((await Repeated(stage.idle[0] if request.queued else stage.served, request, point)()).row)

    points = ("Wallets.open#1:after", "Store.commit#1:before", "Store.commit#1:after")
    worker = stage.served.worker(tmp_path / "points")
    try:
        await together(*(kill(request, point) for request in REQUESTS if not request.cancel for point in points))
        await together(*(kill(request, point) for request in REQUESTS if request.cancel for point in points[1:]))
    finally:
        worker.kill()


@pytest.mark.parametrize(
    "left",
    [
        {"state": GenerationState.RUNNING, "attempts": ()},
        {"state": GenerationState.QUEUED, "attempts": ((Outcome.UNKNOWN, None),)},
        {"attempts": ((Outcome.INTENDED, None),), "manifests": frozenset({1})},
    ],
    ids=["nobody's", "queued though perhaps paid", "a manifest of nothing"],
)
async def test_a_point_whose_outcome_nobody_stated_fails(left: dict[str, Any]) -> None:
    usual: dict[str, Any] = {
        "state": GenerationState.RUNNING,
        "n": 1,
        "pictures": {},
        "manifests": frozenset(),
        "cancelled": False,
    }
    with pytest.raises(UnstatedEnd):
        end_of(Left(**(usual | {"delivered": 0} | left)), 0, [Answer.PICTURES])


async def test_the_stated_outcomes_never_buy_a_third_time() -> None:
    tried = ((Outcome.UNKNOWN, None), (Outcome.NOT_EXECUTED, Finality.RETRYABLE), (Outcome.INTENDED, None))
    left = Left(GenerationState.RUNNING, 1, tried, {}, frozenset(), False, 0)
    assert end_of(left, 2, [Answer.PICTURES]) == End(FAILED, 0, calls=2, paid=2)
