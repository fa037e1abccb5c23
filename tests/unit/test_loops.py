"""What a worker does again and again, and what it tells its operator of it."""

from collections.abc import Mapping
from typing import cast

import pytest
from structlog.testing import capture_logs

from application.top_up import WatchCredits
from entrypoints.logs import LOG_FIELDS
from entrypoints.loops import until_asked, watch

pytestmark = pytest.mark.anyio


def ended(**ends: int) -> WatchCredits:
    async def act() -> Mapping[str, int]:
        return {"paid": 0, "declined": 0, "given_up": 0, "put_off": 0, "refused": 0, "told": 0, **ends}

    return cast(WatchCredits, act)


async def test_top_ups_that_the_provider_refused_are_an_error_for_the_operator() -> None:
    with capture_logs() as lines:
        done = await watch(ended(given_up=2, refused=2))
    assert lines == [{"event": "top_ups_refused", "log_level": "error", "times": 2}]
    assert done.keys() <= LOG_FIELDS
    with capture_logs() as lines:
        await watch(ended(given_up=1))
    assert lines == []


@pytest.mark.parametrize(("often", "pace", "seconds"), [(1, 600, 60), (1, 5, 1), (0.2, 5, 0.5), (1, 0.1, 0.1)])
async def test_a_worker_asks_some_times_a_pace_whether_it_is_its_turn(often: float, pace: float, seconds: float) -> None:
    assert until_asked(often, pace) == seconds
