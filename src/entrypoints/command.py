"""`gpt-image`: the service as a whole (`up`), its parts alone, and the operator's commands."""

import sys
from collections.abc import Callable, Coroutine
from typing import Any

import click

from entrypoints import logs
from entrypoints.settings import Settings, SettingsInvalid


class _Lazily(click.Group):
    """`admin` and `doctor` take a second to import: only who asks for them waits."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted([*super().list_commands(context), "admin", "doctor"])

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name == "admin":
            from entrypoints.admin import admin

            return admin
        if name == "doctor":
            from entrypoints.doctor import doctor

            return doctor
        return super().get_command(context, name)


@click.group(cls=_Lazily, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """GPT Image 2: makes and edits pictures, and keeps the books."""


def _settings(*, database: bool = True) -> Settings:
    """Exit 2 with one line when a setting is wrong."""
    try:
        settings = Settings.read()
    except SettingsInvalid as error:
        raise click.UsageError(str(error)) from None
    if database and not settings.database_url:
        raise click.UsageError("DATABASE_URL is not set; `gpt-image up` brings a database of its own")
    return settings


def _run(process: str, act: Callable[[Settings], Coroutine[Any, Any, None]]) -> None:
    settings = _settings()
    logs.configure(process)
    import uvloop

    try:
        uvloop.run(act(settings))
    except SettingsInvalid as error:  # a file that a setting names
        raise click.UsageError(str(error)) from None


@main.command()
def up() -> None:
    """Run the whole service here: database, API, worker and painter, in one process tree."""
    from entrypoints.up import Up

    try:
        service = Up(_settings(database=False))
    except SettingsInvalid as error:
        raise click.UsageError(str(error)) from None
    sys.exit(service.run())


@main.command()
def api() -> None:
    """Serve HTTP."""
    from entrypoints.api import serve

    _run("api", serve)


@main.command()
def worker() -> None:
    """Perform generations and keep house."""
    from entrypoints.worker import work

    _run("worker", work)


if __name__ == "__main__":
    main()
