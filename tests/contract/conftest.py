"""What many tests share: a service that runs, started once, and a provider of pictures."""

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest

from adapters.intake import PillowIntake
from adapters.picture_pool import PicturePool, picture_pool
from adapters.postgres.embedded import EmbeddedPostgres
from tests.clusters import new_database
from tests.http_house import House, house
from tests.openai_bench import Bench, bench
from tests.provider import Provider, provider
from tests.service import Customer
from tests.weed import Weed, weed

if TYPE_CHECKING:
    from tests.sdks import Sdk


@pytest.fixture(scope="session")
def served(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One API process and one worker. Each test has customers of its own."""
    with house(new_database(postgres), tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture(scope="session")
def s3() -> Iterator[Weed]:
    """A real S3. Whoever uses it is marked with ON_S3, so that one process of many starts one."""
    with weed() as running:
        yield running


@pytest.fixture(scope="session")
def picture_workers() -> Iterator[PicturePool]:
    """Two, as in a service; they may be killed, and are replaced."""
    pool = picture_pool(2)
    yield pool
    pool.stop()


@pytest.fixture
def intake(picture_workers: PicturePool) -> PillowIntake:
    return PillowIntake(picture_workers)


@pytest.fixture
def buyer(served: House) -> Customer:
    return served.customer()


@pytest.fixture(scope="module")
def openai(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """A provider that is asked for nothing it does not know how to do."""
    with provider(tmp_path_factory.mktemp("openai")) as running:
        yield running
        assert not running.complaints()


@pytest.fixture
async def at(openai: Provider) -> AsyncIterator[Bench]:
    async with bench(openai) as ready:
        yield ready


@pytest.fixture
def sdk() -> Iterator["Sdk"]:
    """Clients of OpenAI's for one test."""
    from tests.sdks import Sdk  # a second, and most tests do without

    made = Sdk()
    with made.opened:
        yield made
