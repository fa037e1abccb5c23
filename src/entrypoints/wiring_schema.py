"""The database's schema, for the commands that look at it or change it. It brings Alembic along, which serving does without."""

from adapters.postgres.migrations import upgrade as upgrade
from adapters.postgres.schema import OLDEST_SERVER as OLDEST_SERVER
from adapters.postgres.schema import NoDatabaseUrl as NoDatabaseUrl
from adapters.postgres.schema import inspect as inspect
from adapters.postgres.schema import pending as pending
