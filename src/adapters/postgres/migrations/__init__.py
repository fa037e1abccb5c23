"""The schema, step by step. Applied by `gpt-image admin db upgrade` and by `gpt-image up`."""

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files(__name__)))
    config.attributes["url"] = _driver(url)
    return config


def _driver(url: str) -> str:
    return "postgresql+psycopg://" + url.split("://", 1)[1]


def upgrade(url: str) -> None:
    """Bring the database to the newest version. Two at once wait for each other."""
    command.upgrade(_config(url), "head")


def pending(url: str) -> list[str]:
    """The versions that have not been applied, oldest first."""
    engine = create_engine(_driver(url))
    try:
        with engine.connect() as connection:
            applied = MigrationContext.configure(connection).get_current_heads()
    finally:
        engine.dispose()
    scripts = ScriptDirectory.from_config(_config(url))
    return [script.revision for script in reversed(list(scripts.iterate_revisions("head", applied or "base")))]
