"""One customer's history of use cases on a store: the customer's part (`tests.use_cases_customer`), the workers', the
housekeeper's and the sweeper's; and how it must end once nothing goes wrong any more.
"""

from dataclasses import replace

from application.generations import CancelGeneration, DeleteGeneration
from application.housekeeping import KEYS_KEPT, TRASH, KeepHouse, SweepObjects
from domain.accounts import Mode
from domain.errors import DomainError
from domain.generations import Generation, GenerationState
from domain.objects import ObjectKey
from tests.contract.store_contract import TIMING, statement
from tests.mortal import Died
from tests.use_cases_customer import CustomerHistory
from tests.use_cases_rules import check_answered, is_due, result_of, why_overdue
from tests.use_cases_stage import Worker


class UseCaseHistory(CustomerHistory):
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
        prefixes = ObjectKey.of_generation(generation.account_id, generation.id)
        assert not [key for key in self.world.storage.objects if key.startswith(prefixes)], "purged, and its pictures lie there"

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
        self.keys = {key: kept for key, kept in self.keys.items() if key not in old}
        if isinstance(answer, Died):
            self.doubted, self.ages = self.doubted + len(old), self.ages + bool(old)
            return
        assert not isinstance(answer, DomainError), answer
        assert (answer["expired"], answer["purged"], answer["failed"]) == (len(overdue), len(trash), 0)
        assert len(old) <= answer["keys_forgotten"] <= len(old) + self.doubted
        self.doubted = 0
        for generation_id, why in overdue.items():
            failure = self.audit.seen[generation_id].failure
            assert (failure.code if failure else None) == why
        for generation_id in trash:
            self._check_purged(self.audit.seen[generation_id])

    def sweep(self, last: int | None) -> None:
        objects = self.world.storage.objects
        before, kept = set(objects), self.audit.spoken_for()
        queries = self.stage.harness.queries
        answer = self.stage.do(lambda store, storage: SweepObjects(store, storage, queries)(), last)
        self._look()
        assert before & kept <= set(objects), "an object was swept that is spoken for"
        if not isinstance(answer, Died):
            assert (answer, set(objects)) == (len(before - kept), before & kept), "an orphan stays"

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
        self.stage.run(self.book.check_picked(self.stage.harness.queries, rows))
        if self.stage.examine:
            report = self.stage.run(self.stage.examine())
            assert report.is_clean, report.findings
        live = self.stage.run(self.stage.harness.queries.wallet(self.caller.account_id, Mode.LIVE))
        assert self.stage.run(statement(self.stage.harness.queries, live)) == [], "test mode touched live credits"
