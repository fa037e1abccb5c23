"""One customer's history of use cases on a store, each step checked against the law (`tests.use_cases_audit`) and against what
the rules say it answers.

Steps take plain numbers and find what they name by counting back from the newest, so a history stays meaningful when steps are
left out of it. `last`: the process dies after that many port calls; None: it lives.
"""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from application.credits import AdjustCredits, GrantCredits, Staff
from application.generations import (
    KEYS_KEPT,
    TRASH,
    CancelGeneration,
    DeleteGeneration,
    KeepHouse,
    RequestGeneration,
    SweepObjects,
)
from application.ports import IdempotencyKey, ObjectStorage, Store
from domain.accounts import Mode
from domain.commands import AdjustDown, Command, Grant, PlaceHold, Recorded, Reverse, command_id
from domain.errors import DomainError
from domain.generations import Generation, GenerationState
from domain.ledger import HoldId, LotId
from domain.media import ObjectKey
from domain.prices import Quote, quote
from domain.requests import Asked, normalise
from tests.contract.store_contract import TIMING, customer, new_id, say, statement
from tests.ledger_history import SOURCES, part
from tests.mortal import Died
from tests.offer import CATALOGUE, TODAY
from tests.use_cases_audit import UseCasesAudit
from tests.use_cases_rules import check_answered, is_due, result_of, why_overdue
from tests.use_cases_stage import UseCaseStage, Worker

OPEN_LIMIT = 3
QUALITIES = ("low", "medium")
Work = Callable[[Store, ObjectStorage], Coroutine[Any, Any, Any]]


class UseCaseHistory:
    def __init__(self, stage: UseCaseStage) -> None:
        self.stage, self.world = stage, stage.world
        self.caller = stage.run(customer(self.world.store, 0, Mode.TEST))
        self.staff = Staff(self.caller.account_id, "a test")
        self.world.callers.append((self.caller, 0))
        self.audit = UseCasesAudit(stage, self.caller)
        self.book = self.audit.book
        self.grants: list[Grant] = []
        self.keys: dict[str, tuple[str, Generation]] = {}
        """What each key made, and of which body."""
        self.ages = 0
        """Old keys are another age's once it is not known whether they are remembered."""

    def _look(self) -> tuple[list[Recorded], list[Generation]]:
        return self.stage.run(self.audit.step())

    def _known(self, which: int) -> Generation | None:
        """A generation as it was last seen."""
        known = self.world.generations
        return self.audit.seen[known[-1 - which % len(known)].id] if known else None

    @property
    def is_any_open(self) -> bool:
        return any(generation.state.is_open for generation in self.audit.seen.values())

    # Credits

    def grant(self, amount: int, source: int, lifetime: float | None, again: int, last: int | None) -> None:
        """A grant by staff: a new one, or one made before (`again`, if not 0), then perhaps of another amount."""
        number = len(self.grants)
        if again and number:
            grant = self.grants[-1 - again % number]
            grant = replace(grant, amount=amount) if again % 2 else grant
        else:
            name = f"{SOURCES[source]}:{number}"
            expires_at = None if lifetime is None else self.stage.now + timedelta(seconds=lifetime)
            ids = {"id": command_id("grant", name), "lot_id": LotId(command_id("lot", name)), "source_ref": str(number)}
            grant = Grant(**ids, amount=amount, source=SOURCES[source], priority=100 - number, expires_at=expires_at)  # type: ignore[arg-type]
            self.grants.append(grant)
        terms = {"source": grant.source, "expires_at": grant.expires_at, "priority": grant.priority}

        async def work(store: Store, _: ObjectStorage) -> Recorded:
            grant_credits = GrantCredits(store, new_id)
            return await grant_credits(self.staff, self.book.wallet, grant.amount, fact=grant.source_ref, **terms)  # type: ignore[arg-type]

        self._tell(grant, work, last)

    def adjust(self, which: int, tenths: int, last: int | None) -> None:
        if not self.book.model.lots:
            return
        lot = self.book.model.lots[-1 - which % len(self.book.model.lots)]
        lot_id, amount = LotId(lot.id), part(tenths, lot.credits.count("remaining"))
        adjust = AdjustDown(id=command_id("adjust", new_id()), lot_id=lot_id, amount=amount)
        self._tell(adjust, lambda store, _: AdjustCredits(store, new_id)(self.staff, self.book.wallet, lot_id, amount), last)

    def reverse(self, which: int, tenths: int, last: int | None) -> None:
        """A refund or a dispute, or the end of one."""
        if not self.book.model.lots:
            return
        lot = self.book.model.lots[-1 - which % len(self.book.model.lots)]
        reversal = part(tenths, len(lot.credits))
        reverse = Reverse(id=command_id("reverse", new_id()), lot_id=LotId(lot.id), reversal=reversal)
        self._tell(reverse, lambda store, _: say(store, self.book.wallet, reverse), last)

    def _tell(self, command: Command, work: Work, last: int | None) -> None:
        earlier = next((recorded for recorded in self.book.commands if recorded.id == command.id), None)
        if earlier:
            refusal = None if earlier.fingerprint == command.fingerprint else "CommandConflict"
        else:
            refusal = self.book.model.refusal(command, self.stage.now)
        answer = self.stage.do(work, last)
        commands, made = self._look()
        assert not made
        if isinstance(answer, Died):
            assert len(commands) <= (refusal is None and earlier is None)
        elif isinstance(answer, DomainError):
            assert (type(answer).__name__, commands) == (refusal, []), f"refused, the law says {refusal}"
        else:
            assert refusal is None, f"done, the law says {refusal}"
            assert commands == ([] if earlier else [answer]), "one command, one effect"
            assert answer == (earlier or answer), "said again, answered differently"

    # Asking

    def ask(self, n: int, quality: int, key: int, less: int, seconds: float | None, last: int | None) -> None:
        """`key`, if not 0: the caller's own. `less`: the price is that much above the caller's maximum. `seconds`: to the
        deadline."""
        asked = Asked(prompt="a red fox in snow", size="64x64", quality=QUALITIES[quality], n=n)
        model = CATALOGUE.default_model(TODAY)
        price = quote(normalise(asked, model, [], None, Mode.TEST), model)
        asked = replace(asked, max_credits=price.credits - less)
        deadline = None if seconds is None else self.stage.now + timedelta(seconds=seconds)
        named, body = f"{key} of {self.ages}", f"{asked} {seconds}"
        kept = self.keys.get(named) if key else None
        refusal = self._refusal(price.credits, less, deadline) if not kept else None if kept[0] == body else "IdempotencyMismatch"
        idempotency = (IdempotencyKey(self.caller.account_id, Mode.TEST, "generations", named), body) if key else None

        async def work(store: Store, _: ObjectStorage) -> Any:
            request = RequestGeneration(store, CATALOGUE, TIMING, new_id, lambda: TODAY, OPEN_LIMIT)
            return await request(self.caller, asked, deadline=deadline, idempotency=idempotency)

        answer = self.stage.do(work, last)
        commands, made = self._look()
        assert len(commands) == len(made) <= (refusal is None and kept is None)
        for generation in made:
            self._check_made(generation, n, price, deadline)
            if key:
                self.keys[named] = body, generation
        if isinstance(answer, DomainError):
            assert type(answer).__name__ == refusal, f"{answer}, the law says {refusal}"
        elif not isinstance(answer, Died):
            assert refusal is None, f"asked for, the law says {refusal}"
            assert answer[0] == (kept[1] if kept else made[0]).id, "asked again, answered differently"
            assert answer[1] == (None if kept else made[0])

    def _refusal(self, credits: int, less: int, deadline: datetime | None) -> str | None:
        now = self.stage.now
        if less > 0:
            return "PriceAboveMaximum"
        if deadline and deadline <= now:
            return "InvalidRequest"
        hold = PlaceHold(
            id=command_id("hold", ""), hold_id=HoldId(new_id()), amount=credits, expires_at=now, open_limit=OPEN_LIMIT
        )
        return self.book.model.refusal(hold, now)

    def _check_made(self, generation: Generation, n: int, price: Quote, deadline: datetime | None) -> None:
        latest = self.stage.now + TIMING.longest_queue
        due = min(deadline or latest, latest)
        assert (generation.state, generation.attempts) == (GenerationState.QUEUED, [])
        assert (generation.n, generation.unit, generation.price) == (n, price.unit, price.credits)
        assert (generation.created_at, generation.deadline) == (self.stage.now, due)
        assert generation.hold_expires_at == TIMING.hold_expiry(due)

    # Performing

    def perform(self, which: int, answer: str | None, last: int | None, last_after: int | None) -> bool:
        """One wake-up. The model answers at once, or (None) later; False if there was nothing to do."""
        before = dict(self.audit.seen)
        ended = self.stage.perform(which, last)
        self._look()
        touched = [g for g in before.values() if self.audit.seen[g.id] != g]
        assert len(touched) <= 1, "one wake-up, one generation"
        assert all(is_due(g, self.stage.now) for g in touched), "it was not its time"
        if isinstance(ended, Worker):
            ended.lease = self.audit.seen[ended.call.generation].lease
            assert ended.lease, "it calls without a lease"
            if answer is not None:
                self._answer(ended, answer, last_after)
        elif ended is not True and not isinstance(ended, Died):
            assert not any(is_due(g, self.stage.now) for g in self.audit.seen.values()), "there was something to do"
        return ended is not False

    def perform_blindly(self, which: int) -> None:
        """One wake-up while the object store does not answer: nothing is decided, and nothing bought again."""
        before, self.world.storage.down = dict(self.audit.seen), True
        self.perform(which, None, None, None)
        self.world.storage.down = False
        for was in before.values():
            now = self.audit.seen[was.id]
            if was.state is GenerationState.RUNNING and now != was:
                parked = replace(was, lease=None, lease_until=None, resume_at=self.stage.now + TIMING.back_off)
                assert now == parked, "decided without a look"

    def answer(self, which: int, answer: str, last: int | None) -> None:
        """The model's answer to a call that has been out for a while."""
        if self.stage.out:
            self._answer(self.stage.out[which % len(self.stage.out)], answer, last)

    def _answer(self, worker: Worker, answer: str, last: int | None) -> None:
        before = self.audit.seen[worker.call.generation]
        result, paid = result_of(answer, before.n)
        lives = self.stage.answer(worker, result, paid=paid, last=last)
        self._look()
        if lives:
            after = self.audit.seen[before.id]
            check_answered(before, after, worker.call.attempt, worker.lease, result, self.stage.now)

    def renew(self, which: int) -> None:
        """Someone whose call is out keeps the lease, if it is still its own."""
        if self.stage.out:
            worker = self.stage.out[which % len(self.stage.out)]
            generation, lease = self.audit.seen[worker.call.generation], worker.lease
            assert lease

            async def renew() -> bool:
                async with self.world.store.transaction() as tx:
                    return await tx.generations.renew(generation.id, lease, self.stage.now + TIMING.lease)

            assert self.stage.run(renew()) is (generation.lease == lease), "a lease is renewed by whoever has it"
            self._look()

    def kill(self, which: int) -> None:
        self.stage.kill(self.stage.owner(which))
        self._look()

    # What else a caller can do

    def cancel(self, which: int, last: int | None) -> None:
        if not (before := self._known(which)):
            return
        answer = self.stage.do(lambda store, _: CancelGeneration(store)(self.caller, before.id), last)
        self._look()
        after = self.audit.seen[before.id]
        if isinstance(answer, DomainError):
            assert (type(answer).__name__, before.request) == ("NotFound", None), answer
        elif not before.state.is_open:
            assert after == before, "an end was not final"
        elif not isinstance(answer, Died) and before.lease:
            flagged = replace(before, cancel_requested_at=before.cancel_requested_at or self.stage.now)
            assert after == flagged, "a call that is out goes on"
        elif not isinstance(answer, Died):
            assert (after.state, after.finished_at) == (GenerationState.CANCELLED, self.stage.now)

    def delete(self, which: int, purge: bool, last: int | None) -> None:
        if not (before := self._known(which)):
            return
        answer = self.stage.do(lambda store, storage: DeleteGeneration(store, storage)(self.caller, before.id, purge=purge), last)
        self._look()
        after = self.audit.seen[before.id]
        if isinstance(answer, DomainError):
            refusal = "NotFound" if before.request is None else "NotFinished" if before.state.is_open else None
            assert type(answer).__name__ == refusal, f"{answer}, the rules say {refusal}"
            assert after == before
        elif not isinstance(answer, Died):
            assert before.request, "deleted twice"
            if purge:
                self._check_purged(after)
            else:
                assert after == replace(before, trashed_at=before.trashed_at or self.stage.now)

    def _check_purged(self, generation: Generation) -> None:
        assert (generation.request, generation.metadata, self.audit.assets[generation.id]) == (None, {}, [])
        prefix = ObjectKey.outputs(generation.account_id, generation.id)
        assert not [key for key in self.world.storage.objects if key.startswith(prefix)], "purged, and its pictures lie there"

    # What is done for all

    def keep_house(self, last: int | None) -> None:
        now, before = self.stage.now, dict(self.audit.seen)
        overdue = {g.id: why for g in before.values() if (why := why_overdue(g, now))}
        trash = {g.id for g in before.values() if g.request and g.trashed_at and g.trashed_at < now - TRASH}
        old = [key for key, (_, made) in self.keys.items() if made.created_at < now - KEYS_KEPT]
        answer = self.stage.do(lambda store, storage: KeepHouse(store, storage)(), last)
        self._look()
        for generation in self.audit.seen.values():
            assert generation == before[generation.id] or generation.id in trash | overdue.keys(), "the housekeeper meddled"
        if isinstance(answer, Died):
            self.ages += bool(old)
            return
        assert not isinstance(answer, DomainError), answer
        done = (answer["expired"], answer["purged"], answer["keys_forgotten"], answer["failed"])
        assert done == (len(overdue), len(trash), len(old), 0), f"done {done}"
        self.keys = {key: kept for key, kept in self.keys.items() if key not in old}
        for generation_id, why in overdue.items():
            failure = self.audit.seen[generation_id].failure
            assert (failure.code if failure else None) == why
        for generation_id in trash:
            self._check_purged(self.audit.seen[generation_id])

    def sweep(self, last: int | None) -> None:
        objects = self.world.storage.objects
        before, kept = set(objects), self.audit.spoken_for()
        queries = self.stage.harness.queries
        answer = self.stage.do(lambda _, storage: SweepObjects(storage, queries)(), last)
        self._look()
        assert before & kept <= set(objects), "an object was swept that is spoken for"
        if not isinstance(answer, Died):
            assert (answer, set(objects)) == (len(before - kept), before & kept), "an orphan stays"

    def advance(self, seconds: float) -> None:
        if seconds <= 0:
            return
        now = self.stage.now
        self.book.look(now, now + timedelta(seconds=seconds))
        self.stage.run(self.stage.harness.advance(seconds))
        self._look()

    def advance_to(self, which: int, microseconds: int) -> None:
        """To the next-but-`which` instant at which anything is due, give or take microseconds."""
        now, dues = self.stage.now, {lot.expires_at for lot in self.book.model.lots}
        for generation in self.audit.seen.values():
            if generation.state.is_open:
                dues |= {generation.deadline, generation.hold_expires_at, generation.lease_until, generation.resume_at}
                dues |= {attempt.act_until for attempt in generation.attempts}
        ahead = sorted(due for due in dues if due is not None and due > now)
        if ahead:
            self.advance((ahead[which % len(ahead)] - now).total_seconds() + microseconds / 1_000_000)

    def finish(self) -> None:
        """The faults stop; then every generation ends, no orphan stays, and all that was ever shown is shown again."""
        for worker in list(self.stage.out):
            if worker in self.stage.out:
                self.stage.kill(worker.owner)
        for _ in range(60):
            self.keep_house(None)
            while self.perform(0, "all", None, None):
                pass
            if not self.is_any_open:
                break
            self.advance_to(0, 0)
        else:
            raise AssertionError("it does not end")
        self.sweep(None)
        rows = self.stage.read(self.book.wallet)
        self.stage.run(self.book.check_shown(self.stage.harness.queries, rows, self.stage.now, self.book.looks))
        live = self.stage.run(self.stage.harness.queries.wallet(self.caller.account_id, Mode.LIVE))
        assert self.stage.run(statement(self.stage.harness.queries, live)) == [], "test mode touched live credits"
