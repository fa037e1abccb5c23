"""One Postgres per test process; in it one database that is emptied for each test, and new ones for tests that kill processes."""

import gc
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from _pytest.nodeid import NodeId

from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.pool import open_pool
from adapters.postgres.session import Pool
from tests.clusters import TEMPLATE, empty, migrated_postgres


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that share what a file makes once, or the house, or picture workers, run in one process: each of several would make
    it anew."""
    for item in items:
        if isinstance(item, pytest.Function) and (group := _group(item)) and getattr(config.option, "loadgroup", False):
            # So xdist tells its scheduler. It writes to a field that this pytest no longer reads.
            item._id = NodeId.parse(f"{item.nodeid}@{group}")


def _group(item: pytest.Function) -> str | None:
    if marked := item.get_closest_marker("xdist_group"):
        return str(marked.args[0])
    if shared := next((name for name in ("served", "picture_workers") if name in item.fixturenames), None):
        return shared
    made_once = any(found[-1].scope == "module" for found in item._fixtureinfo.name2fixturedefs.values())
    return item.path.stem if made_once else None


def pytest_configure() -> None:
    """Garbage is looked for less often than by default, which takes a tenth of the time of a process that makes so much."""
    gc.set_threshold(20_000, 10, 10)


def pytest_collection_finish() -> None:
    """What is loaded by now stays for good: no collection of garbage needs to look through its two million objects again."""
    gc.freeze()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    home = Path(tempfile.mkdtemp(prefix="gpt-image-test-"))
    with migrated_postgres(home) as running:
        yield running
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def broom(postgres: EmbeddedPostgres) -> Iterator[psycopg.Connection[Any]]:
    """A connection that stays open, to the database that is emptied for each test."""
    postgres.create_database("emptied", template=TEMPLATE)
    with psycopg.connect(postgres.url_for("emptied"), autocommit=True) as connection:
        yield connection


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, broom: psycopg.Connection[Any]) -> str:
    """A database with the whole schema and no rows. Emptying takes a millisecond, a new database a hundred times that."""
    empty(broom)
    return postgres.url_for("emptied")


@pytest.fixture
def new_database_url(postgres: EmbeddedPostgres) -> str:
    """A database of its own, for tests whose processes may still be dying when the next test begins."""
    name = f"test_{uuid4().hex}"
    postgres.create_database(name, template=TEMPLATE)
    return postgres.url_for(name)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, size=8) as pool:
        yield pool
