"""The migrated database and the tables in the code are the same thing, and every column is classified."""

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from adapters.postgres import tables
from adapters.postgres.jobs import FOREIGN_COLUMNS
from domain.privacy import Classification

Columns = set[tuple[str, str]]

INSERT_TRIGGER = "procrastinate_jobs_notify_queue_job_inserted_v1"


def declared() -> dict[tuple[str, str], object]:
    """Every column the code knows, with its classification."""
    ours = {
        (table.name, column.name): column.info.get("privacy")
        for table in tables.metadata.tables.values()
        for column in table.columns
    }
    theirs = {(table, column): rule for table, (rule, columns) in FOREIGN_COLUMNS.items() for column in columns}
    return ours | theirs


def live(url: str) -> Columns:
    with psycopg.connect(url) as connection:
        return set(
            connection.execute(
                "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            ).fetchall()
        )


def test_every_column_of_the_live_database_is_classified(database_url: str) -> None:
    columns = live(database_url)
    assert columns
    assert columns == declared().keys()
    assert all(isinstance(rule, Classification) for rule in declared().values())


@pytest.mark.parametrize(
    "change",
    ["ALTER TABLE accounts ADD phone text", "CREATE TABLE hidden (id int)", "ALTER TABLE procrastinate_jobs ADD note text"],
)
def test_a_column_nobody_declared_is_found(new_database_url: str, change: str) -> None:
    with psycopg.connect(new_database_url) as connection:
        connection.execute(change.encode())
    assert live(new_database_url) - declared().keys()


def test_the_tables_in_the_code_are_what_the_migrations_make(database_url: str) -> None:
    engine = create_engine("postgresql+psycopg://" + database_url.split("://", 1)[1])
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": False})
        differences = [str(d) for d in compare_metadata(context, tables.metadata) if "procrastinate" not in str(d)]
    engine.dispose()
    assert differences == []


def test_the_engine_notifies_nobody_inside_a_transaction(database_url: str) -> None:
    """An upgrade of the engine can bring its trigger back, and halve what the database can take."""
    with psycopg.connect(database_url) as connection:
        triggers = {name for (name,) in connection.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal").fetchall()}
    assert "procrastinate_jobs_notify_queue_job_aborted_v1" in triggers
    assert INSERT_TRIGGER not in triggers


@pytest.mark.parametrize("table", ["transfers", "wallet_commands", "lot_reversals", "audit_records"])
@pytest.mark.parametrize("change", ["DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_the_books_only_grow(database_url: str, table: str, change: str) -> None:
    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute(change.format(table).encode())
