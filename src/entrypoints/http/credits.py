"""Credits over HTTP: the wallet now, the wallet at a past instant, and the statement."""

from typing import Annotated
from uuid import UUID

from dishka.integrations.litestar import FromDishka, inject
from litestar import get
from litestar.params import QueryParameter

from application.ports import CursorSigner
from application.queries import LotRow, Queries, TransferFilter, TransferRow
from domain.accounts import Scope
from domain.commands import Command
from domain.errors import InvalidRequest
from entrypoints.http import shapes
from entrypoints.http.auth import Authed
from entrypoints.http.bounds import NO_BODY
from entrypoints.http.cursors import Cursors
from entrypoints.http.parameters import PAGE, After, Instant, Limit, instant

KINDS = sorted({object.__new__(command).kind for command in Command.__subclasses__()})
"""What a line of the statement can be: the commands a wallet knows. A command knows its kind before it says anything."""


@get("/v1/credits", operation_id="getCredits", tags=["credits"], opt={"access": Scope.BILLING, "bounds": NO_BODY})
@inject
async def show_credits(
    request: Authed, queries: FromDishka[Queries], as_of: Instant = None
) -> shapes.Credits | shapes.PastCredits:
    """The wallet of this key's mode, with its lots; or, with `as_of`, how it stood at any instant that has passed."""
    caller = request.auth
    if at := instant("as_of", as_of):
        past = await queries.balance(caller.wallet_id, at)
        return shapes.PastCredits(caller.mode, at, past.available, past.held, past.debt, past.provisional)
    now = await queries.credits(caller.wallet_id)
    return shapes.Credits(now.mode, now.available, now.held, now.debt, [_lot(lot) for lot in now.lots])


@get("/v1/credits/transfers", operation_id="listTransfers", tags=["credits"], opt={"access": Scope.BILLING, "bounds": NO_BODY})
@inject
async def list_transfers(
    request: Authed,
    queries: FromDishka[Queries],
    signer: FromDishka[CursorSigner],
    generation: Annotated[UUID | None, QueryParameter()] = None,
    kind: Annotated[str | None, QueryParameter(schema_extra={"enum": KINDS})] = None,
    created_after: Instant = None,
    created_before: Instant = None,
    limit: Limit = PAGE,
    after: After = None,
) -> shapes.Transfers:
    """The statement, newest first: each change, why, which lot, and the balances after it."""
    if kind is not None and kind not in KINDS:
        raise InvalidRequest("there is no such kind of transfer", field="kind", allowed=KINDS)
    matching = TransferFilter(
        generation, kind, instant("created_after", created_after), instant("created_before", created_before)
    )
    cursors = Cursors(signer, "transfers", request.auth, matching)
    found = await queries.transfers(request.auth.wallet_id, matching, cursors.version(after), limit + 1)
    page = found[:limit]
    return shapes.Transfers(
        data=[_transfer(row) for row in page],
        next=cursors.at_version(page[-1].version) if len(found) > limit else None,
    )


def _lot(lot: LotRow) -> shapes.Lot:
    return shapes.Lot(lot.id, lot.source, lot.granted, lot.remaining, lot.held, lot.priority, lot.expires_at)


def _transfer(row: TransferRow) -> shapes.Transfer:
    return shapes.Transfer(
        version=row.version,
        created_at=row.at,
        kind=row.kind,
        debit=row.debit,
        credit=row.credit,
        amount=row.amount,
        lot=row.lot_id,
        generation=row.generation_id,
        available_after=row.available_after,
        held_after=row.held_after,
        debt_after=row.debt_after,
    )
