"""What the tests of the whole service share: one that runs, started once."""

from collections.abc import Iterator

import pytest

from adapters.postgres.embedded import EmbeddedPostgres
from tests.clusters import new_database
from tests.http_house import House, house
from tests.service import Customer


@pytest.fixture(scope="session")
def served(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One API process and one worker. Each test has customers of its own."""
    with house(new_database(postgres), tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture
def buyer(served: House) -> Customer:
    return served.customer()
