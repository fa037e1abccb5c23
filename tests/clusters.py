"""Postgres clusters for tests: fast rather than durable, with the whole schema as a template."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from adapters.postgres import migrations
from adapters.postgres.embedded import EmbeddedPostgres

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}
TEMPLATE = "template_migrated"


@contextmanager
def migrated_postgres(home: Path, **settings: str) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(home, settings=FAST | settings) as running:
        running.create_database(TEMPLATE)
        migrations.upgrade(running.url_for(TEMPLATE))
        with psycopg.connect(running.url_for(TEMPLATE), autocommit=True) as connection:
            _log_in_quickly(connection)
        yield running
    shutil.rmtree(running.data.parent, ignore_errors=True)  # as root its place may be outside the home


def _log_in_quickly(connection: psycopg.Connection[Any]) -> None:
    """A password is hashed 4,096 times at each end of each new connection, which is most of what one costs: here once."""
    password = connection.info.password.replace("'", "''")
    connection.execute("SET scram_iterations = 1")
    connection.execute(f"ALTER ROLE {connection.info.user} PASSWORD '{password}'".encode())


def new_database(postgres: EmbeddedPostgres) -> str:
    name = f"test_{uuid4().hex}"
    postgres.create_database(name, template=TEMPLATE)
    return postgres.url_for(name)


def empty(connection: psycopg.Connection[Any]) -> None:
    """Delete every row of ours, in autocommit."""
    tables = connection.execute(
        "SELECT relname FROM pg_class "
        "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'"
    ).fetchall()
    connection.execute("SET session_replication_role = replica")  # the triggers that keep the books from being emptied
    connection.execute(";".join(f"DELETE FROM {table}" for (table,) in tables).encode())
    connection.execute("RESET session_replication_role")
