"""One Postgres per test process, one migrated template in it, one fresh database per test that asks."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.postgres import migrations
from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.pool import open_pool
from adapters.postgres.session import Pool

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    home = Path(tempfile.mkdtemp(prefix="gpt-image-test-"))
    with EmbeddedPostgres(home, settings=FAST) as running:
        running.create_database("template_migrated")
        migrations.upgrade(running.url_for("template_migrated"))
        yield running
    shutil.rmtree(running.data.parent, ignore_errors=True)  # as root its place may be outside the home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> str:
    """A fresh database with the whole schema and nothing in it."""
    name = f"test_{uuid4().hex}"
    postgres.create_database(name, template="template_migrated")
    return postgres.url_for(name)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, size=8) as pool:
        yield pool
