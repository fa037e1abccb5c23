"""The pages of the sandbox of payments: a checkout, receipts, and a portal where banks and time are played. They exist only where
no real provider is set up. Whoever has a page's address may use it, as at a real one; none asks for a card's number.
"""

from typing import Any

from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, Response, get, post
from litestar.params import FromPath

from application.payments import PaymentRefused
from domain.catalogue import Catalogue
from domain.errors import InvalidRequest, NotFound
from entrypoints.http.auth import PUBLIC
from entrypoints.http.bounds import NO_BODY, SMALL_BODY
from entrypoints.http.cookies import check_same_origin
from entrypoints.http.pages import AS_PAGES, form, led_to, money, page
from entrypoints.wiring_payments import CHECKOUT, PORTAL, RECEIPTS, Act, Card, Deliver, Outcome, SandboxPayments, sandbox_pages

CARDS = {
    Card.GOOD: "One that succeeds",
    Card.DECLINED: "One that is declined",
    Card.AUTHENTICATE: "One that asks for confirmation",
    Card.DISPUTED: "One that succeeds and is disputed a minute later",
    Card.DEBIT: "A bank account, whose bank takes days to decide",
}
ACTS = {
    Act.DISPUTE: "The bank disputes it",
    Act.WIN: "The dispute is won",
    Act.LOSE: "The dispute is lost",
    Act.FAIL_REFUNDS: "The refund does not arrive",
    Act.BANK_PAYS: "The bank pays",
    Act.BANK_REFUSES: "The bank does not pay",
    Act.CANCEL: "Cancel at the end of the period",
    Act.RESUME: "Do not cancel after all",
    Act.MONTH: "A month passes",
}
_NOTES = {
    Outcome.DECLINED: ("The bank has declined. Nothing was paid; choose another card.", 402),
    Outcome.NO_CODE: ("There is no such promotion code. SAVE20 takes 20 per cent off.", 400),
}
_SHOWN: dict[str, Any] = {"access": PUBLIC, "bounds": NO_BODY, "any_query": True}
_ANSWERED: dict[str, Any] = {"access": PUBLIC, "bounds": SMALL_BODY, "any_query": True}


@get(f"{CHECKOUT}/{{page_id:str}}", include_in_schema=False, opt=_SHOWN, exception_handlers=AS_PAGES)
@inject
async def show_checkout(page_id: FromPath[str], sandbox: FromDishka[SandboxPayments]) -> Response[bytes]:
    """What is bought, its price, and a choice of cards. Raises NotFound."""
    await sandbox.advance()
    return await _checkout(sandbox, page_id)


@post(f"{CHECKOUT}/{{page_id:str}}", status_code=303, include_in_schema=False, opt=_ANSWERED, exception_handlers=AS_PAGES)
@inject
async def answer_checkout(
    request: Request[Any, Any, Any], page_id: FromPath[str], sandbox: FromDishka[SandboxPayments], deliver: FromDishka[Deliver]
) -> Response[bytes]:
    """Back to the shop, paid or not; or the page again, saying why not."""
    check_same_origin(request)
    await sandbox.advance()
    said, wanted = await form(request, 10), sandbox_pages.checkout_page(await sandbox.reading(), page_id)
    if wanted is None:
        raise NotFound
    if said.get("answer") == "no" and wanted.cancel_url:
        return led_to(wanted.cancel_url)
    card, code = _card(said), said.get("code", "").strip()
    is_confirmed = said.get("answer") == "confirm"
    try:
        outcome = await sandbox.act(lambda here: sandbox_pages.pay(here, page_id, card, code, confirmed=is_confirmed))
    except PaymentRefused:
        return await _checkout(sandbox, page_id, status=409)
    if outcome is Outcome.DONE:
        await sandbox.deliver(deliver)
        return led_to(wanted.done_url)
    if outcome is Outcome.CONFIRM:
        return page("sandbox_confirm", card=card.value, code=code)
    note, status = _NOTES[outcome]
    return await _checkout(sandbox, page_id, note, status)


@get(f"{RECEIPTS}/{{page_id:str}}", include_in_schema=False, opt=_SHOWN, exception_handlers=AS_PAGES)
@inject
async def show_receipt(page_id: FromPath[str], sandbox: FromDishka[SandboxPayments]) -> Response[bytes]:
    """What was paid, and what of it went back. Raises NotFound."""
    receipt = sandbox_pages.receipt_page(await sandbox.reading(), page_id)
    if receipt is None:
        raise NotFound
    return page("sandbox_receipt", receipt=receipt, product=_name(sandbox.catalogue, receipt.product), money=money)


@get(f"{PORTAL}/{{page_id:str}}", include_in_schema=False, opt=_SHOWN, exception_handlers=AS_PAGES)
@inject
async def show_portal(page_id: FromPath[str], sandbox: FromDishka[SandboxPayments]) -> Response[bytes]:
    """Subscriptions, the card on file, receipts, and what can be played with them. Raises NotFound."""
    await sandbox.advance()
    return await _portal(sandbox, page_id)


@post(f"{PORTAL}/{{page_id:str}}", status_code=303, include_in_schema=False, opt=_ANSWERED, exception_handlers=AS_PAGES)
@inject
async def answer_portal(
    request: Request[Any, Any, Any], page_id: FromPath[str], sandbox: FromDishka[SandboxPayments], deliver: FromDishka[Deliver]
) -> Response[bytes]:
    """The page again, after what was played."""
    check_same_origin(request)
    said = await form(request, 10)
    try:
        if "card" in said:
            card = _card(said)
            await sandbox.act(lambda here: sandbox_pages.keep_card(here, page_id, card))
        else:
            act = _act(said)
            await sandbox.act(lambda here: sandbox_pages.play(here, page_id, act, said.get("id", "")))
    except PaymentRefused as refused:
        return await _portal(sandbox, page_id, f"Nothing was done: {refused.message}.", 409)
    await sandbox.deliver(deliver)
    return led_to(f"{PORTAL}/{page_id}")


PAGES = (show_checkout, answer_checkout, show_receipt, show_portal, answer_portal)


async def _checkout(sandbox: SandboxPayments, id: str, note: str = "", status: int = 200) -> Response[bytes]:
    wanted = sandbox_pages.checkout_page(await sandbox.reading(), id)
    if wanted is None:
        raise NotFound
    product = _name(sandbox.catalogue, wanted.product)
    return page("sandbox_checkout", status, wanted=wanted, product=product, money=money, cards=CARDS, note=note)


async def _portal(sandbox: SandboxPayments, id: str, note: str = "", status: int = 200) -> Response[bytes]:
    shown = sandbox_pages.portal_page(await sandbox.reading(), id, sandbox.clock())
    if shown is None:
        raise NotFound

    def named(product: str) -> str:
        return _name(sandbox.catalogue, product)

    return page("sandbox_portal", status, shown=shown, named=named, money=money, cards=CARDS, acts=ACTS, note=note)


def _card(said: dict[str, str]) -> Card:
    try:
        return Card(said.get("card", ""))
    except ValueError:
        raise InvalidRequest("choose one of the cards", field="card", allowed=[*Card]) from None


def _act(said: dict[str, str]) -> Act:
    try:
        return Act(said.get("act", ""))
    except ValueError:
        raise InvalidRequest("there is no such button", field="act", allowed=[*Act]) from None


def _name(catalogue: Catalogue, product: str) -> str:
    sold = catalogue.product(product)
    return sold.name if sold else product
