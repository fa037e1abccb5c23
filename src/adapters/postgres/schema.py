"""Whether a database is one this program can work with: reachable, new enough, and shaped as the tables say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from alembic.script.revision import RevisionError
from alembic.util.exc import CommandError
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError

from adapters.postgres import migrations
from adapters.postgres.jobs import FOREIGN_COLUMNS
from adapters.postgres.tables import metadata
from application.store import StoreUnavailable

OLDEST_SERVER = 15
CONNECT_SECONDS = 5
INSERT_TRIGGER = "procrastinate_jobs_notify_queue_job_inserted_v1"
BOOKS_THAT_ONLY_GROW = ("transfers", "wallet_commands", "lot_reversals", "audit_records")

_LIVE = "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'"
_CONSTRAINTS = "SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND convalidated"
_INDEXES = "SELECT c.relname FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid WHERE i.indisvalid"
_TRIGGERS = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')"


class NoDatabaseUrl(ValueError):
    """What was given as an address of Postgres is none."""


@dataclass(frozen=True, slots=True)
class DatabaseReport:
    """`server`: Postgres's major version. `pending`: versions of the schema still to be applied. `problems`: in words, where the
    live schema is not the declared one."""

    server: int
    pending: Sequence[str]
    problems: Sequence[str]


def reach(url: str) -> int:
    """Postgres's major version. Raises StoreUnavailable with the reason, or NoDatabaseUrl; neither repeats the password."""
    with _connected(url) as connection:
        return connection.info.server_version // 10_000


def pending(url: str) -> list[str]:
    """Versions of the schema still to be applied. Raises as `reach`; StoreUnavailable too if it is newer than this program."""
    reach(url)
    try:
        return migrations.pending(url)
    except SQLAlchemyError as error:
        raise StoreUnavailable(type(error).__name__) from error
    except (CommandError, RevisionError):
        raise StoreUnavailable("its schema is newer than this program") from None


def inspect(url: str) -> DatabaseReport:
    """Raises as `pending`."""
    server, missing = reach(url), pending(url)
    if missing:
        return DatabaseReport(server, missing, [])
    with _connected(url) as connection:

        def names(statement: str) -> set[str]:
            return {row[0] for row in connection.execute(statement.encode()).fetchall()}

        live, triggers = names(_LIVE), names(_TRIGGERS)
        problems = [f"column {name} is not declared" for name in sorted(live - _columns())]
        problems += [f"column {name} is missing" for name in sorted(_columns() - live)]
        problems += [f"constraint {name} is missing" for name in sorted(_constraints() - names(_CONSTRAINTS))]
        problems += [f"index {name} is missing" for name in sorted(_indexes() - names(_INDEXES))]
        problems += [f"trigger {name} is missing or disabled" for name in sorted(_guards() - triggers)]
        if INSERT_TRIGGER in triggers:
            problems.append(f"trigger {INSERT_TRIGGER} is back: it slows every request down")
    return DatabaseReport(server, [], problems)


def _connected(url: str) -> psycopg.Connection[Any]:
    try:
        return psycopg.connect(url, connect_timeout=CONNECT_SECONDS, autocommit=True)
    except psycopg.OperationalError as error:
        raise StoreUnavailable(str(error).strip().splitlines()[0]) from error
    except psycopg.ProgrammingError:
        raise NoDatabaseUrl("it is not of the form postgresql://user:password@host:port/database") from None


def _columns() -> set[str]:
    ours = {f"{table.name}.{column.name}" for table in metadata.tables.values() for column in table.columns}
    return ours | {f"{table}.{column}" for table, (_, columns) in FOREIGN_COLUMNS.items() for column in columns}


def _constraints() -> set[str]:
    dialect: Any = postgresql.dialect
    written = dialect().identifier_preparer  # knows the naming convention
    return {str(written.format_constraint(each)) for table in metadata.tables.values() for each in table.constraints}


def _indexes() -> set[str]:
    return {str(index.name) for table in metadata.tables.values() for index in table.indexes}


def _guards() -> set[str]:
    return {f"{table}_{guard}" for table in BOOKS_THAT_ONLY_GROW for guard in ("only_grow", "never_emptied")}
