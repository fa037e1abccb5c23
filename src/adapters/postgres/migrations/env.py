"""Run by alembic: one transaction for all steps, under a lock that makes a second upgrade wait."""

from alembic import context
from sqlalchemy import create_engine, pool, text

from adapters.postgres import tables

ONE_UPGRADE_AT_A_TIME = 7_305_621_904

engine = create_engine(context.config.attributes["url"], poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=tables.metadata)
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ONE_UPGRADE_AT_A_TIME})
        context.run_migrations()
engine.dispose()
