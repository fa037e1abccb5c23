"""`admin billing`: prices at the provider, its events, what our books make of them, and money that goes back."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import click
from dishka import AsyncContainer

from application.billing_desk import CancelByHand, ReplayHints, SyncCatalogue
from application.hints import HandleHints
from application.ports import Clock
from application.queries import CreditsRow, Queries
from application.reconciliation import PollPayments, Reconciliation
from application.refunds import RefundPurchase
from application.staff_queries import HintFilter, HintRow, StaffQueries
from application.store import Store
from domain.accounts import AccountId, Act
from domain.billing import PurchaseRef, Subscription, SubscriptionId, WaitingHint
from domain.convergence import Remark
from domain.refunds import Refund, RefundState
from entrypoints.answers import Signature, answer, authorized, facts, run, signed, table, with_json

MOST_REPLAYED = 1_000
WHAT_TO_DO = {
    Remark.STRANGER: "a customer of no account here: is it another shop's? if not, refund it at the provider",
    Remark.UNSOLD: "a line of nothing we sell: refund it at the provider, or grant credits by hand",
    Remark.OTHER_CURRENCY: "not in the catalogue's currency: refund it, or grant credits by hand",
    Remark.LATE: "the credits had lapsed when they came: grant goodwill",
    Remark.CLOSED: "the account has left: the money goes back by itself; look again in an hour",
    Remark.SECOND: "two subscriptions of one account: ask which was meant, cancel the other and refund it",
    Remark.NO_LINE: "credits whose purchase the provider does not tell of: `credits statement`, then ask the provider",
}


class Ref(click.ParamType[PurchaseRef]):
    name = "purchase"

    def convert(self, value: str | PurchaseRef, param: click.Parameter | None, ctx: click.Context | None) -> PurchaseRef:
        try:
            return value if isinstance(value, PurchaseRef) else PurchaseRef.parse(value)
        except ValueError:
            self.fail("a purchase is invoice:in_… or checkout:cs_…, as `accounts show` prints it", param, ctx)


class Whose(click.ParamType["AccountId | SubscriptionId"]):
    """An account, or one subscription."""

    name = "account or subscription"

    def convert(
        self, value: "str | UUID", param: click.Parameter | None, ctx: click.Context | None
    ) -> "AccountId | SubscriptionId":
        try:
            return AccountId(value if isinstance(value, UUID) else UUID(value))
        except ValueError:
            return SubscriptionId(str(value))


@click.group()
def billing() -> None:
    """Sync prices, reconcile the books, look at events and replay them, refund purchases, cancel subscriptions."""


@billing.command()
@signed(Act.SYNC)
@with_json
def sync(signature: Signature, as_json: bool) -> None:
    """Make the provider's products and prices those of the catalogue. Again changes nothing."""

    async def work(parts: AsyncContainer) -> Sequence[str]:
        signer = await authorized(parts, signature)
        return await (await parts.get(SyncCatalogue))(signer)

    done = run(work)
    said = table("Done at the provider", ("what",), [(line,) for line in done]) if done else "all was as the catalogue says"
    answer(as_json, {"done": done}, said)


@billing.command()
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="From the beginning of this day (UTC).")
@click.option("--days", type=click.IntRange(1, 3_660), default=3, show_default=True, help="Or so many days back.")
@with_json
def reconcile(since: datetime | None, days: int, as_json: bool) -> None:
    """Compare every purchase with its credits, both ways, and heal what nobody told us of. Workers do the same by themselves.

    Exit code 1 when something could not be explained.
    """

    async def work(parts: AsyncContainer) -> Reconciliation:
        clock: Clock = await parts.get(Clock)
        start = since.replace(tzinfo=UTC) if since else clock() - timedelta(days=days)
        found: Reconciliation = await (await parts.get(PollPayments))(start)
        await (await parts.get(HandleHints))()  # as far as no worker has: subscriptions are brought up to date by their events
        return found

    found = run(work)
    unexplained = [{"about": each.about, "remark": each.remark, "to_do": WHAT_TO_DO[each.remark]} for each in found.unexplained]
    healed = [str(ref) for ref in found.healed]
    answer(
        as_json,
        {"explained": found.explained, "events": found.hints, "healed": healed, "unexplained": unexplained},
        *([table("Healed", ("purchase",), [(ref,) for ref in healed])] if healed else []),
        *(
            [table("Unexplained", ("about", "remark", "what to do"), [tuple(each.values()) for each in unexplained])]
            if unexplained
            else []
        ),
        f"{found.explained} purchases explained, {len(healed)} of them healed; {found.hints} events nobody had told us of; "
        f"{len(unexplained)} unexplained",
    )
    if unexplained:
        raise SystemExit(1)


@billing.command()
@click.option("--failed", "which", flag_value=HintFilter.FAILED.value, help="Only those whose last attempt failed.")
@click.option("--waiting", "which", flag_value=HintFilter.WAITING.value, help="Only those that are not handled.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True)
@with_json
def events(which: str | None, limit: int, as_json: bool) -> None:
    """What the provider told of, the newest first: that something happened to an object, never what."""

    async def work(parts: AsyncContainer) -> Sequence[HintRow]:
        queries: StaffQueries = await parts.get(StaffQueries)
        return await queries.hints(HintFilter(which or HintFilter.ALL), limit)

    found = run(work)
    columns = ("id", "type", "object", "received", "attempts", "error", "again at", "handled")
    rows = [
        (h.id, h.type, f"{h.object_kind} {h.object_id}", h.received_at, h.attempts, h.error, _again(h), h.handled_at)
        for h in found
    ]
    answer(as_json, {"events": found}, table(f"{len(found)} events", columns, rows))


def _again(hint: HintRow) -> datetime | None:
    return None if hint.handled_at else hint.resume_at


@billing.command()
@click.argument("hints", metavar="[EVENT]...", nargs=-1)
@click.option("--failed", is_flag=True, help="All whose last attempt failed.")
@signed(Act.REPLAY)
@with_json
def replay(hints: tuple[str, ...], failed: bool, signature: Signature, as_json: bool) -> None:
    """Follow EVENTs again, now. Nothing can be granted twice by it.

    Exit code 1 when one failed again.
    """
    if bool(hints) == failed:
        raise click.UsageError("name events, or say --failed")

    async def work(parts: AsyncContainer) -> Sequence[WaitingHint]:
        signer = await authorized(parts, signature)
        queries: StaffQueries = await parts.get(StaffQueries)
        named = hints or [each.id for each in await queries.hints(HintFilter.FAILED, MOST_REPLAYED)]
        return await (await parts.get(ReplayHints))(signer, named)

    done = run(work)
    rows = [{"id": each.hint.id, "handled": each.error is None, "error": each.error} for each in done]
    answer(as_json, {"events": rows}, table(f"{len(rows)} events", ("id", "handled", "error"), [tuple(r.values()) for r in rows]))
    if any(each.error for each in done):
        raise SystemExit(1)


@billing.command()
@click.argument("purchase", type=Ref())
@click.option(
    "--into-debt", is_flag=True, help="All that is left of the money, though it was spent: what was made of it is owed."
)
@signed(Act.REFUND)
@with_json
def refund(purchase: PurchaseRef, into_debt: bool, signature: Signature, as_json: bool) -> None:
    """Give back what the unspent credits of PURCHASE were paid with (invoice:in_… or checkout:cs_…), and take those credits.

    Exit code 1 when the provider refused; when it did not answer, workers finish it, and the exit code is 0.
    """

    async def work(parts: AsyncContainer) -> tuple[Refund, int, CreditsRow, str | None]:
        signer = await authorized(parts, signature)
        give_back, store, queries = await parts.get(RefundPurchase), await parts.get(Store), await parts.get(Queries)
        await give_back.converge(purchase)
        before = await _taken(store, purchase)
        made = await give_back(signer, purchase, into_debt=into_debt)
        async with store.transaction() as tx:
            known = await tx.purchases.lock(purchase)
        assert known.wallet_id, "it has just been refunded"
        taken = await _taken(store, purchase) - before
        return made, taken, await queries.credits(known.wallet_id), known.currency

    made, taken, wallet, currency = run(work)
    state = {
        RefundState.DONE: "is done",
        RefundState.INTENDED: "is decided; the provider does not answer, and a worker goes on",
        RefundState.REFUSED: f"was refused by the provider ({made.code}); nothing has changed",
    }[made.state]
    answer(
        as_json,
        {"refund": made.id, "purchase": str(purchase), "amount": made.amount, "currency": currency, "credits": taken}
        | {"state": made.state, "code": made.code, "wallet": wallet},
        facts("Refund", {"id": made.id, "purchase": purchase, "money": f"{made.amount} {currency}", "credits": taken}),
        f"the refund {state}; {wallet.available} credits are available, {wallet.debt} owed",
    )
    if made.state is RefundState.REFUSED:
        raise SystemExit(1)


async def _taken(store: Store, ref: PurchaseRef) -> int:
    """Credits of the purchase that were taken back so far."""
    async with store.transaction() as tx:
        known = await tx.purchases.find(ref)
        return sum(lot.reversal for lot in await tx.purchases.lots(ref, known.wallet_id)) if known and known.wallet_id else 0


@billing.command()
@click.argument("whose", type=Whose(), metavar="ACCOUNT|SUBSCRIPTION")
@click.option("--at-once", is_flag=True, help="Now, and without money back; else at the end of the period.")
@signed(Act.CANCEL)
@with_json
def cancel(whose: AccountId | SubscriptionId, at_once: bool, signature: Signature, as_json: bool) -> None:
    """Cancel one subscription, or all that an account has."""

    async def work(parts: AsyncContainer) -> Sequence[Subscription]:
        signer = await authorized(parts, signature)
        return await (await parts.get(CancelByHand))(signer, whose, at_once=at_once)

    done = run(work)
    rows = [{"id": s.id, "plan": s.plan, "state": s.state, "cancel_at": s.cancel_at} for s in done]
    answer(
        as_json,
        {"subscriptions": rows},
        table("Cancelled", ("id", "plan", "state", "ends"), [tuple(row.values()) for row in rows]),
    )
