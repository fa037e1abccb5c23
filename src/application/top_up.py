"""Top-ups as accounts ask for them, and the watch of credits that buys them and writes to who runs low."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from application.billing import ConvergePurchase
from application.notices import tell
from application.payments import PaymentDeclined, PaymentRefused, Payments, PaymentsUnavailable
from application.ports import NewId
from application.store import Store, Transaction
from domain.accounts import Account, AccountId
from domain.billing import CustomerId, PurchaseRef, PurchaseState
from domain.buying_errors import NothingBought
from domain.catalogue import Catalogue
from domain.errors import AccountClosed, InvalidRequest
from domain.notices import Facts, NoticeKind
from domain.top_up import TopUp, TopUpAttempt, TopUpId, TopUpOutcome, month_begins, spent
from domain.webhook_endpoints import WebhookEvent, WebhookEventKind

FAILED = "provider_failed"
"""The code of an attempt at which the provider failed by its own word."""


@dataclass(frozen=True, slots=True)
class TopUpNow:
    """What an account said of top-ups, what this month bears of them, and the one begun last."""

    said: TopUp
    spent: int
    last: TopUpAttempt | None


async def _now(tx: Transaction, account: AccountId) -> TopUpNow:
    now = await tx.now()
    attempts = await tx.top_ups.attempts(account, month_begins(now))
    return TopUpNow(await tx.top_ups.of_account(account), spent(attempts, now), await tx.top_ups.last(account))


@dataclass(frozen=True, slots=True)
class ShowTopUp:
    store: Store

    async def __call__(self, account: AccountId) -> TopUpNow:
        async with self.store.transaction() as tx:
            return await _now(tx, account)


@dataclass(frozen=True, slots=True)
class ChangeTopUp:
    """An account says when a pack is bought for it, and how much a month may cost. Nobody is present then, so it must have bought
    something before: the card of that is used."""

    store: Store
    catalogue: Catalogue

    async def __call__(self, asked: TopUp) -> TopUpNow:
        """What else is known of it is kept. Raises InvalidRequest; to enable it, AccountFrozen, AccountClosed, NothingBought."""
        self._must_make_sense(asked)
        async with self.store.transaction() as tx:
            account = await tx.accounts.lock(asked.account_id)
            if asked.enabled:
                await self._must_be_able(tx, account)
            before, last = await tx.top_ups.of_account(account.id), await tx.top_ups.last(account.id)
            is_open = last is not None and last.outcome is None
            resume_at = before.resume_at if is_open else None
            tx.top_ups.save(replace(asked, is_low=before.is_low, resume_at=resume_at, said_at=await tx.now()))
            return await _now(tx, account.id)

    def _must_make_sense(self, asked: TopUp) -> None:
        packs = self.catalogue.packs
        if (asked.enabled or asked.pack is not None) and asked.pack not in packs:
            raise InvalidRequest("there is no such pack", field="pack", allowed=sorted(packs))
        if asked.enabled and asked.pack and asked.monthly_cap < packs[asked.pack].price:
            price = packs[asked.pack].price
            raise InvalidRequest("the cap must allow the pack once a month", field="monthly_cap", required=price)

    async def _must_be_able(self, tx: Transaction, account: Account) -> None:
        account.may_spend()
        if await tx.top_ups.available(account.id, await tx.now()) is None:
            raise AccountClosed
        if not await tx.top_ups.has_bought(account.id):
            raise NothingBought("buy a pack first: top-ups are paid with the card on file")


@dataclass(frozen=True, slots=True)
class _Try:
    """What is to be done outside of transactions: to say an attempt, again perhaps, or else to look what became of it."""

    attempt: TopUpAttempt
    customer: CustomerId
    says: bool


@dataclass(frozen=True, slots=True)
class WatchCredits:
    """Look at customers whose credits run low: write to them once a fall, and buy the pack they asked for.

    A top-up is a paid call. The attempt is written down before it and closed when the credits are in the wallet; as long as it is
    open there is no other. Its id is the key of the payment: saying it again pays nothing twice. Any number may run at once.
    """

    store: Store
    payments: Payments
    catalogue: Catalogue
    converge_purchase: ConvergePurchase
    new_id: NewId
    batch: int = 1_000

    async def __call__(self) -> Mapping[str, int]:
        """How many top-ups were paid, declined, given up (refused: how many of these for a fault that the operator must mend) and
        put off, and how many accounts were told that credits run low.

        While the provider does not answer one, no other is tried, and accounts are told all the same.
        """
        ends = Counter({**dict.fromkeys(map(str, TopUpOutcome), 0), "put_off": 0, "refused": 0, "told": 0})
        last: AccountId | None = None
        is_away = False
        while True:
            async with self.store.transaction() as tx:
                page = await tx.top_ups.watch(last, await tx.now(), self.batch)
            for account in page.concerned:
                tried = await self._look(account, ends, buys=not is_away)
                if tried:
                    ended = await self._carry_out(tried, ends)
                    ends[ended or "put_off"] += 1
                    is_away = ended is None
            if page.last is None:
                return ends
            last = page.last

    async def _look(self, id: AccountId, ends: Counter[str], *, buys: bool) -> _Try | None:
        async with self.store.transaction() as tx:
            account, now = await tx.accounts.lock(id), await tx.now()
            before, available = await tx.top_ups.of_account(id), await tx.top_ups.available(id, now)
            top_up, tells = before.watched(available) if available is not None else (before, False)
            if tells:
                await tell(tx, self.new_id, id, NoticeKind.LOW_CREDITS, Facts(credits=available))
                tx.announcements.announce(
                    WebhookEvent.of(WebhookEventKind.CREDITS_LOW, f"{id}:{now.isoformat()}", id, now, "low")
                )
            tried = None
            if buys and (top_up.resume_at is None or top_up.resume_at <= now):
                top_up, tried = await self._next(tx, account, top_up, available, now)
            if top_up != before:
                tx.top_ups.save(top_up)
        ends["told"] += tells
        return tried

    async def _next(
        self, tx: Transaction, account: Account, top_up: TopUp, available: int | None, now: datetime
    ) -> tuple[TopUp, _Try | None]:
        attempts = await tx.top_ups.attempts(account.id, month_begins(now))
        customer = await tx.customers.of_account(account.id)
        if available is not None and top_up.is_wanted(available) and await tx.top_ups.went_back(account.id, top_up.said_at):
            top_up = top_up.stopped()
        is_wanted = available is not None and top_up.is_wanted(available)
        may_pay = is_wanted and not account.frozen_at
        if not customer:
            return top_up, None
        for attempt in attempts:
            if attempt.outcome is None:
                others = [each for each in attempts if each != attempt]
                says = may_pay and top_up.may_repeat(attempt, others, now)
                return top_up.tried(now), _Try(attempt, customer, says)
        if not is_wanted:
            return top_up, None
        pack = self.catalogue.packs.get(top_up.pack or "")
        if not (may_pay and pack and top_up.may_buy(pack.price, attempts, now)):
            return top_up.put_off(now), None
        attempt = TopUpAttempt(TopUpId(self.new_id()), account.id, pack.id, pack.price, now)
        tx.top_ups.save_attempt(attempt)
        return top_up.tried(now), _Try(attempt, customer, says=True)

    async def _carry_out(self, tried: _Try, ends: Counter[str]) -> TopUpOutcome | None:
        """How it ended; None if nobody knows yet: it stays open and comes again. What the provider refuses, or failed at by its
        own word and would for a day, is no fault of the customer's: it is given up for now, and counted for the operator."""
        outcome, code = TopUpOutcome.GIVEN_UP, None
        try:
            try:
                ref = await self._say(tried)
            except (PaymentDeclined, PaymentRefused, PaymentsUnavailable) as no:
                if isinstance(no, PaymentsUnavailable) and not no.answered:
                    raise
                ref = await self._looked_up(tried)  # this try was in vain; one before it may have been paid
                outcome = TopUpOutcome.DECLINED if isinstance(no, PaymentDeclined) else TopUpOutcome.GIVEN_UP
                code = FAILED if isinstance(no, PaymentsUnavailable) else no.code
            if ref is None:
                ends["refused"] += outcome is TopUpOutcome.GIVEN_UP and code is not None
                return await self._end(tried.attempt, outcome, code)
            await self.converge_purchase(ref)
        except (PaymentsUnavailable, PaymentRefused):
            return None  # what waits there could not be withdrawn, if it was refused: it may have just been paid
        return await self._end(tried.attempt, TopUpOutcome.PAID) if await self._is_settled(ref) else None

    async def _say(self, tried: _Try) -> PurchaseRef | None:
        if tried.says:
            key, most = str(tried.attempt.id), tried.attempt.price
            return await self.payments.top_up(tried.customer, tried.attempt.pack, key=key, most=most)
        return await self._looked_up(tried)

    async def _looked_up(self, tried: _Try) -> PurchaseRef | None:
        return await self.payments.topped_up(tried.customer, key=str(tried.attempt.id))

    async def _is_settled(self, ref: PurchaseRef) -> bool:
        """While a bank decides, its credits are still to come: another one now would be a second for the same fall."""
        async with self.store.transaction() as tx:
            known = await tx.purchases.find(ref)
        return known is not None and known.state not in (None, PurchaseState.PENDING)

    async def _end(self, attempt: TopUpAttempt, outcome: TopUpOutcome, code: str | None = None) -> TopUpOutcome:
        async with self.store.transaction() as tx:
            account, now = await tx.accounts.lock(attempt.account_id), await tx.now()
            top_up, attempts = await tx.top_ups.of_account(account.id), await tx.top_ups.attempts(account.id, now)
            if attempt in attempts:  # or else somebody else has closed it
                ended = attempt.ended(outcome, now, code)
                tx.top_ups.save_attempt(ended)
                tx.top_ups.save(top_up.after(ended))
                if outcome is TopUpOutcome.DECLINED:
                    await tell(tx, self.new_id, account.id, NoticeKind.TOP_UP_FAILED, Facts(price=attempt.price))
        return outcome
