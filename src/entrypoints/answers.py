"""How an operator's command runs and answers: a table or JSON when it is done, one line on standard error when it is refused."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import wraps
from typing import IO, Any, TypeVar
from uuid import UUID

import click
import msgspec
from dishka import AsyncContainer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from application.accounts import AuthorizeStaff
from application.payments import PaymentDeclined, PaymentRefused, PaymentsUnavailable
from application.ports import StorageUnavailable
from application.queries import Queries, TransferRow
from application.store import StoreUnavailable
from domain.accounts import AccountId, Act, Mode, Staff
from domain.buying_errors import NothingToRefund, RefundOpen
from domain.catalogue import CatalogueInvalid
from domain.errors import CommandConflict, DomainError, InvalidAmount, LastAdmin, NoSuchLot, NotFound, StaffOnly
from domain.ledger import WalletId
from domain.limits import MAX_INTEGER
from entrypoints.running import database_of
from entrypoints.settings import Settings, SettingsInvalid
from entrypoints.wiring import container
from entrypoints.wiring_schema import NoDatabaseUrl, pending

Result = TypeVar("Result")

COLUMNS_UNSEEN = 200
"""Width of a table that goes to a file or another program."""
AMOUNT = click.IntRange(1, MAX_INTEGER)

_WHAT_TO_DO: dict[type[Exception], str] = {
    NotFound: "check the id: `accounts find` looks for accounts",
    StaffOnly: "sign with --as of an account that has the role",
    LastAdmin: "make another account an admin first",
    CommandConflict: "the fact was used with other terms: name another --fact",
    NoSuchLot: "`credits statement` shows the wallet's lots",
    InvalidAmount: "name another amount",
    NothingToRefund: "what was spent goes back with --into-debt only",
    RefundOpen: "a worker finishes it; look again in a minute",
    PaymentsUnavailable: "nothing is known of what was asked: ask again, it is done once",
    PaymentRefused: "the audit record stays; `accounts show` tells how things stand",
    StoreUnavailable: "see that it runs, and that DATABASE_URL is right",
    StorageUnavailable: "see that DATA_DIR can be written",
    SettingsInvalid: "`gpt-image doctor` shows the settings",
}


_AWAY = (StoreUnavailable, StorageUnavailable)
_PAYMENT = (PaymentsUnavailable, PaymentRefused, PaymentDeclined)


class Refused(click.ClickException):
    """Exit code 1, one line."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"gpt-image: {' '.join(self.message.split())}", file=file or sys.stderr)


@contextmanager
def refusals() -> Iterator[None]:
    """What a rule, a setting or the database says no to becomes one line with what to do about it."""
    try:
        yield
    except (DomainError, SettingsInvalid, CatalogueInvalid, *_AWAY, *_PAYMENT, NoDatabaseUrl) as error:
        raise Refused(f"{_said(error)}; {_WHAT_TO_DO.get(type(error), 'nothing was changed')}") from error


def _said(error: Exception) -> str:
    match error:
        case DomainError():
            facts = ", ".join(f"{name} {value}" for name, value in error.facts.items() if value is not None)
            return f"{error.problem()}: {error.detail}" + (f" ({facts})" if facts else "")
        case StoreUnavailable():
            return f"the database does not answer: {error}"
        case StorageUnavailable():
            return f"object storage does not answer: {error}"
        case PaymentsUnavailable():
            return f"the payment provider does not answer: {error}"
        case PaymentRefused() | PaymentDeclined():
            return f"the payment provider says no: {error.code}: {error}"
        case NoDatabaseUrl():
            return f"DATABASE_URL is not valid: {error}"
        case _:
            return str(error)


def run(work: Callable[[AsyncContainer], Awaitable[Result]]) -> Result:
    """Do it with the service's own parts, started as they are asked for."""
    with refusals():
        settings = database_of(Settings.read())
        if missing := pending(settings.database_url):
            raise SettingsInvalid(f"the database lacks versions {', '.join(missing)}: run `gpt-image admin db upgrade`")
        return asyncio.run(_with_parts(settings, work))


async def _with_parts(settings: Settings, work: Callable[[AsyncContainer], Awaitable[Result]]) -> Result:
    async with container(replace(settings, database_connections=2)) as parts:
        return await work(parts)


# What commands have in common

with_json = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
with_mode = click.option("--mode", type=click.Choice([mode.value for mode in Mode]), default=Mode.LIVE.value, show_default=True)


@dataclass(frozen=True, slots=True)
class Signature:
    """Who wants to do what, and why, before it is known whether they may."""

    act: Act
    staff: AccountId
    reason: str


ACTS: dict[Callable[..., None], Act] = {}
"""What each signed command does."""


def signed(act: Act) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A change says who makes it and why; `act` says which role it takes. The command gets all of it as `signature`."""

    def declare(function: Callable[..., None]) -> Callable[..., None]:
        @click.option("--as", "staff", type=click.UUID, required=True, metavar="ID", help="Your staff account.")
        @click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the audit record.")
        @wraps(function)
        def command(*, staff: UUID, reason: str, **words: Any) -> None:
            function(signature=Signature(act, AccountId(staff), reason), **words)

        ACTS[command] = act
        return command

    return declare


async def authorized(parts: AsyncContainer, signature: Signature) -> Staff:
    return await (await parts.get(AuthorizeStaff))(signature.staff, signature.reason, signature.act)


async def wallet_of(parts: AsyncContainer, account: UUID, mode: str) -> WalletId:
    queries: Queries = await parts.get(Queries)
    return await queries.wallet(AccountId(account), Mode(mode))


# Answers


def answer(as_json: bool, thing: object, *shown: Table | str) -> None:
    """`thing` as JSON on standard output, or else what is shown of it."""
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(thing), indent=2).decode())
        return
    width = None if sys.stdout.isatty() else COLUMNS_UNSEEN
    console = Console(file=sys.stdout, width=width, markup=False, highlight=False, emoji=False)
    for each in shown:
        console.print(each)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Numbers stand to the right. Names and addresses come from customers: they are shown as plain text, whatever they hold."""
    found = [list(row) for row in rows]
    made = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        numbers = bool(found) and all(isinstance(row[place], int) and not isinstance(row[place], bool) for row in found)
        made.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in found:
        made.add_row(*(Text(plain(value)) for value in row))
    return made


def lines_table(lines: Sequence[TransferRow]) -> Table:
    """A statement: what moved, and what was left."""
    columns = ("version", "at", "command", "from", "to", "amount", "available", "held", "debt", "lot", "generation")
    return table(
        "Lines",
        columns,
        [
            (
                t.version,
                t.at,
                t.kind,
                t.debit,
                t.credit,
                t.amount,
                t.available_after,
                t.held_after,
                t.debt_after,
                t.lot_id,
                t.generation_id,
            )
            for t in lines
        ],
    )


def facts(title: str, thing: dict[str, object]) -> Table:
    return table(title, ("", ""), [(name, value) for name, value in thing.items() if value is not None])


def plain(value: object) -> str:
    """One line of printable characters: no escape sequence of a customer's reaches the operator's terminal."""
    if isinstance(value, datetime):
        return value.isoformat(" ", "milliseconds")
    words: dict[object, str] = {None: "-", True: "yes", False: "no"}
    text = words[value] if value is None or isinstance(value, bool) else str(value)
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
