"""kill -9 of the worker: before the attempt, during the call, after the manifest; the whole matrix runs in `make verify`."""

from pathlib import Path

import pytest

from tests.kill_matrix import SCENARIOS, run

pytestmark = pytest.mark.anyio

POINTS = {
    "before the attempt is written": "Store.commit#1:before",
    "after the call": "ImageModel.make#1:after",
    "after the picture": "ObjectStorage.put#1:after",
    "after the manifest": "ObjectStorage.put#2:after",
    "while the end is written": "Wallets.open#1:after",
}


@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS.keys())
async def test_a_killed_worker_loses_no_picture_and_no_credit(point: str, new_database_url: str, tmp_path: Path) -> None:
    end, passed = await run(SCENARIOS[0], new_database_url, tmp_path, point)
    print(end.row)
    assert passed[-1] == point, "the worker died where it was told to"
