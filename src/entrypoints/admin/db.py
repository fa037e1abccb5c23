"""`admin db`: bring the schema up to date, and see that it is what the program declares."""

import re

import click
from dishka import AsyncContainer

from application.first_admin import OpenFirstAdmin
from domain.catalogue import Catalogue
from domain.errors import DomainError
from domain.limits import text
from entrypoints.answers import answer, facts, refusals, run, table, with_json
from entrypoints.running import database_of
from entrypoints.settings import Settings
from entrypoints.wiring_schema import inspect, pending, upgrade


class Email(click.ParamType[str]):
    name = "e-mail"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            text("e-mail", value, 254)
        except DomainError as error:
            self.fail(error.detail, param, ctx)
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", value):
            self.fail("this is not an e-mail address", param, ctx)
        return value


@click.group()
def db() -> None:
    """Upgrade and check the database."""


@db.command(name="upgrade")
@click.option("--first-admin", type=Email(), metavar="E-MAIL", help="Also make an admin account, if there is none yet.")
@with_json
def upgrade_(first_admin: str | None, as_json: bool) -> None:
    """Bring the schema to this program's version. Two at once wait for each other; nothing is lost."""
    with refusals():
        url = database_of(Settings.read()).database_url
        applied = pending(url)
        upgrade(url)

    async def work(parts: AsyncContainer) -> str:
        plan = (await parts.get(Catalogue)).default_plan
        return str(await (await parts.get(OpenFirstAdmin))(first_admin or "", plan))

    if not as_json:
        answer(False, None, f"applied {', '.join(applied)}" if applied else "the schema was up to date")
    admin = run(work) if first_admin else None
    answer(as_json, {"applied": applied, "admin": admin}, *([f"admin account: {admin}"] if admin else []))


@db.command()
@with_json
def check(as_json: bool) -> None:
    """Compare the live schema with the declared one: versions, columns, constraints, indexes, triggers."""
    with refusals():
        report = inspect(database_of(Settings.read()).database_url)
    is_sound = not (report.pending or report.problems)
    answer(
        as_json,
        {"sound": is_sound, "postgres": report.server, "pending": report.pending, "problems": report.problems},
        facts("Database", {"Postgres": report.server, "pending versions": ", ".join(report.pending) or "none"}),
        *([table("Problems", ("what",), [(problem,) for problem in report.problems])] if report.problems else []),
        "the schema is as declared" if is_sound else "run `gpt-image admin db upgrade`" if report.pending else "it differs",
    )
    if not is_sound:
        raise SystemExit(1)
