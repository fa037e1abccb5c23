"""Deaths around the puts and deletes of pictures, on a real database and real files: the suite `media-kills` goes on."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.postgres.embedded import EmbeddedPostgres
from tests.clusters import new_database
from tests.kill_stage import shared_pictures
from tests.media_kills import ACTS, Dead, Mortal, files
from tests.soak_media_kills import die_often, learn, mortal

pytestmark = pytest.mark.anyio
DEATHS = 60


@pytest.fixture(scope="module")
async def doomed(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mortal]:
    async with shared_pictures() as pictures:
        where = new_database(postgres), tmp_path_factory.mktemp("doomed")
        async with mortal(*where, pictures, random.Random("media kills")) as made:
            await learn(made)
            yield made


async def test_after_deaths_and_one_sweep_rows_and_objects_agree(doomed: Mortal) -> None:
    idle = {act for act in ACTS if not any("ObjectStorage." in point for point in doomed.lengths[act])}
    assert not idle, f"{idle} put and delete nothing"
    counts = Counter[str]()
    await die_often(doomed, DEATHS, counts)
    deaths = {name.split(": ")[1] for name in counts if name.startswith("kill: ")}
    assert len(deaths) >= len(ACTS) / 2, deaths


async def test_the_dead_do_nothing_more(doomed: Mortal) -> None:
    doomed.fate.die_at(0)
    for act in ("uploads", "sweeps"):
        with pytest.raises(Dead):
            await getattr(doomed, act)()
    doomed.fate.live()


@pytest.mark.parametrize("harm", ["lost", "changed", "left over"])
async def test_a_single_thing_that_does_not_agree_is_seen(harm: str, doomed: Mortal) -> None:
    await doomed.uploads()
    await doomed.recovers()
    (hurt,) = [path for path in files(doomed.folder) if path.parent.name == str(doomed.pictures[-1]) and "uploads" in path.parts]
    content, stranger = hurt.read_bytes(), hurt.parent.with_name("0") / hurt.name
    if harm == "lost":
        hurt.unlink()
    elif harm == "changed":
        hurt.write_bytes(bytes(len(content)))
    else:
        stranger.parent.mkdir()
        stranger.write_bytes(content)
    with pytest.raises(AssertionError):
        await doomed.check()
    hurt.write_bytes(content)
    Path(stranger).unlink(missing_ok=True)
    await doomed.check()
