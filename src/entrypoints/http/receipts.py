"""The receipt of a generation: for programs, and as a page to read and to print."""

from collections.abc import Mapping
from typing import cast
from uuid import UUID

from dishka.integrations.litestar import FromDishka, inject
from litestar import Response, get
from litestar.params import FromPath

from application.queries import Queries
from domain.accounts import Scope
from domain.attempts import Attempt
from domain.catalogue import Catalogue
from domain.credits import Allocation
from domain.generations import GenerationId
from domain.receipts import Line, Receipt, breakdown
from entrypoints.http import receipt_shapes as shapes
from entrypoints.http.auth import Authed
from entrypoints.http.bounds import NO_BODY
from entrypoints.http.pages import AS_PAGES, page

_VARIES = {"Vary": "Accept"}


@get(
    "/v1/generations/{generation_id:uuid}/receipt",
    operation_id="getReceipt",
    tags=["generations"],
    opt={"access": Scope.READ, "bounds": NO_BODY, "refusals": (404,), "page": True},
    exception_handlers=AS_PAGES,
)
@inject
async def show_receipt(
    request: Authed, generation_id: FromPath[UUID], queries: FromDishka[Queries], catalogue: FromDishka[Catalogue]
) -> Response[shapes.Receipt]:
    """What a generation cost: price, hold, each call, and what was charged and given back, line by line. As a page to print, if
    `Accept` prefers text/html. A deleted generation keeps its receipt."""
    caller = request.auth
    found = await queries.receipt(GenerationId(generation_id), caller.account_id, caller.mode)
    told = _shown(found, breakdown(found.generation, catalogue), balances=Scope.BILLING in caller.scopes)
    if request.accept.best_match(["application/json", "text/html"]) == "text/html":
        shown = page("receipt", receipt=told)
        shown.headers.update(_VARIES)
        return cast(Response[shapes.Receipt], shown)
    return Response(told, headers=_VARIES)


def _shown(receipt: Receipt, parts: Mapping[str, int] | None, *, balances: bool) -> shapes.Receipt:
    generation, hold = receipt.generation, receipt.hold
    return shapes.Receipt(
        generation=generation.id,
        mode=generation.mode,
        model=generation.model,
        state=generation.state,
        created_at=generation.created_at,
        finished_at=generation.finished_at,
        says=receipt.summary(),
        price=shapes.ReceiptPrice(
            unit=generation.unit,
            n=generation.n,
            credits=generation.price,
            breakdown=dict(parts) if parts else None,
            says=receipt.says_of_price(),
        ),
        hold=shapes.ReceiptHold(
            id=hold.id,
            amount=hold.amount,
            placed_at=receipt.placed_at,
            lots=[_lot(receipt, part) for part in hold.allocations],
            says=receipt.says_of_hold(),
        ),
        attempts=[_attempt(receipt, attempt) for attempt in generation.attempts],
        settlement=shapes.ReceiptSettlement(
            held=receipt.held,
            captured=receipt.captured,
            released=receipt.released,
            delivered=generation.delivered,
            transfers=[_transfer(receipt, line, balances=balances) for line in receipt.lines],
            says=receipt.says_of_settlement(),
        ),
    )


def _lot(receipt: Receipt, part: Allocation) -> shapes.ReceiptLot:
    origin = receipt.origin(part.lot_id)
    return shapes.ReceiptLot(origin.id, origin.source, origin.expires_at, part.amount, part.consumed)


def _attempt(receipt: Receipt, attempt: Attempt) -> shapes.ReceiptAttempt:
    failure = attempt.failure
    return shapes.ReceiptAttempt(
        number=attempt.number,
        started_at=attempt.started_at,
        outcome=attempt.outcome,
        perhaps_paid=attempt.outcome.perhaps_paid,
        charged=receipt.charged(attempt),
        failure=shapes.ReceiptFailure(failure.failure_class, failure.stage, failure.code) if failure else None,
        request_id=attempt.request_id,
        says=receipt.says_of(attempt),
    )


def _transfer(receipt: Receipt, line: Line, *, balances: bool) -> shapes.ReceiptTransfer:
    return shapes.ReceiptTransfer(
        version=line.version,
        created_at=line.at,
        kind=line.kind,
        debit=line.debit,
        credit=line.credit,
        amount=line.amount,
        lot=line.lot_id,
        available_after=line.available_after if balances else None,
        held_after=line.held_after if balances else None,
        debt_after=line.debt_after if balances else None,
        says=receipt.says_of_line(line),
    )
