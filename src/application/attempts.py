"""The paid call: intent, bytes, book.

Claim with a fresh lease and write the attempt down; call once; put each picture, then the manifest; then one transaction, guarded
by the lease, ends the generation and resolves its hold. Whoever finds a call nobody watched to its end looks at the keys of all
attempts before it decides anything.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from application.calls import CallModel
from application.echoes import FindEchoes
from application.generations import resolve_hold
from application.leases import Held, Renewing
from application.marking import MarkPictures, logged
from application.moderation import ModeratorUnavailable
from application.outputs import asset_of, find, keep, keep_answer
from application.partials import ShowPartials
from application.ports import NewId, ObjectMissing, ObjectStorage, PictureIntake, StorageUnavailable
from application.screening import ScreenOutputs
from application.store import Store, StoreUnavailable, Transaction
from domain.accounts import Mode
from domain.attempts import ECHO, Attempt, CallResult, Executed, Failure, Found, StoredPicture, Timing
from domain.errors import IntakeBusy, LeaseLost
from domain.gates import GateRules
from domain.generations import Generation, Lease, Next
from domain.media import AssetId
from domain.moderation import look_again, refused_by_us
from domain.recovery import candidate, decide

Settle = Callable[[Held, Attempt, CallResult, Sequence[StoredPicture]], Awaitable[None]]
Wait = Callable[[Sequence[Attempt], datetime, Timing], timedelta]
_NOBODY_CAN_TELL = (StoreUnavailable, StorageUnavailable, ObjectMissing, IntakeBusy, ModeratorUnavailable)

Owner = Callable[[], int]
"""The advisory lock this process holds, its proof of life. Raises StoreUnavailable while it holds none: then no call starts."""


@dataclass(frozen=True, slots=True)
class PerformGeneration:
    """Act on one wake-up: take the fairest generation with work to do and bring it as far as it goes."""

    store: Store
    storage: ObjectStorage
    intake: PictureIntake
    call_model: CallModel
    find_echoes: FindEchoes
    timing: Timing
    gate_rules: GateRules
    owner: Owner
    new_id: NewId
    screen_outputs: ScreenOutputs | None = None
    mark: MarkPictures | None = None
    partials: ShowPartials | None = None

    async def __call__(self) -> bool:
        """False if there was nothing to do."""
        held = await self._take()
        if not held:
            return False
        call: Held | None = held
        if not held.attempt:
            try:
                call = await self._decide(held)
            except LeaseLost:  # it ended, or was taken over, while it was looked at
                call = None
        if call and call.attempt:
            await self._call(call, call.attempt)
        return True

    # Taking, looking, deciding

    async def _take(self) -> Held | None:
        until = self._until()
        owner, lease = self.owner(), Lease(self.new_id())
        async with self.store.transaction() as tx:
            now = await tx.now()
            generation = await tx.generations.lock_due(now)
            if not generation:
                return None
            attempt = generation.claim(lease, owner, now, self.timing)
            if not attempt and not generation.take_over(lease, now, self.timing):
                return None
            if attempt and not await self._pass_gate(tx, generation, now):
                return None
            tx.generations.save(generation)
        return Held(generation, lease, attempt, until)

    async def _decide(self, held: Held) -> Held | None:
        """After a takeover. The look is made before the transaction, and remembers what was past when it began."""
        async with self._renewing(held):
            gone, began = await self._look_begins(held.generation)
            try:
                look = [
                    await self._found(held.generation, attempt, attempt.is_past(began) or attempt.owner in gone)
                    for attempt in held.generation.attempts
                ]
                look = await self._judged_look(held.generation, look)
            except ModeratorUnavailable:
                await self._park(held, look_again)
                return None
            except (StorageUnavailable, ObjectMissing, IntakeBusy):  # nothing is known of what lies there
                await self._park(held)
                return None
            until, owner = self._until(), self.owner()
            async with self.store.transaction() as tx:
                generation = await tx.generations.lock(held.generation.id)
                now = await tx.now()
                closed = _is_gated(generation) and (await tx.gates.find(generation.model)).is_closed(now)
                decision = decide(generation, held.lease, look, now, self.timing, owner=owner, gate_closed=closed)
                if decision is Next.CALL:  # one too many, if the gate has closed meanwhile, does no harm
                    await self._pass_gate(tx, generation, now)
                found = next((f for f in look if generation.attempt(f.attempt).booked), None)
                await self._write(tx, generation, decision, found.attempt if found else 0, found.pictures if found else ())
        if decision is not Next.CALL:
            return None
        return Held(generation, held.lease, generation.attempts[-1], until)

    async def _found(self, generation: Generation, attempt: Attempt, was_past: bool) -> Found:
        """What lies at its keys and is a picture. What nobody can tell of a call that is over is the caller's picture."""
        found = await find(self.storage, self.intake, generation, attempt, was_past)
        found = await self.mark.looked_at(generation, found) if self.mark else found
        try:
            return found.without(await self.find_echoes(generation, attempt.number, found.pictures))
        except IntakeBusy:
            if was_past:
                return found
            raise

    async def _judged_look(self, generation: Generation, look: list[Found]) -> list[Found]:
        """With what our own check says of the pictures that would be delivered; what their caller has heard is not asked anew."""
        best = candidate(generation, look)
        if not best or not self.screen_outputs or refused_by_us(generation.attempt(best.attempt)):
            return look
        refusal = await self.screen_outputs.found(generation, best.attempt, best.pictures)
        return [replace(found, refusal=refusal) if found is best else found for found in look]

    async def _look_begins(self, generation: Generation) -> tuple[frozenset[int], datetime]:
        """Which callers are gone, and when that was known. One look is not enough: a database that was restarted has nobody's
        proof of life for a moment."""
        gone, now = await self._gone(generation)
        if gone:
            await asyncio.sleep(self.timing.come_back.total_seconds())
            still, now = await self._gone(generation)
            gone &= still
        return gone, now

    async def _gone(self, generation: Generation) -> tuple[frozenset[int], datetime]:
        """Of those whose call may still be out."""
        async with self.store.transaction() as tx:
            now = await tx.now()
            out = [a.owner for a in generation.attempts if a.outcome.perhaps_paid and not a.is_past(now)]
            return (await tx.generations.gone_owners(out) if out else frozenset()), now

    async def _park(self, held: Held, wait: Wait = lambda _, __, timing: timing.back_off) -> None:
        async with self.store.transaction() as tx:
            generation = await tx.generations.lock(held.generation.id)
            now = await tx.now()
            decision = generation.park(held.lease, now + wait(generation.attempts, now, self.timing))
            await self._write(tx, generation, decision, 0, ())

    # Calling

    async def _call(self, held: Held, attempt: Attempt) -> None:
        async with self._renewing(held):
            latest = held.until - (self.timing.act - self.timing.call).total_seconds()
            result = await self.call_model(held.generation, latest, self.partials.of(held) if self.partials else None)
            stored: Sequence[StoredPicture] = ()
            settle: Settle = self._settle
            if isinstance(result, Executed):
                async with self._judging(held, attempt, result) as judged:
                    result = await self.mark(held.generation, result, held.until) if self.mark else result
                    stored = await keep(self.storage, held.generation, attempt, result, until=held.until, pause=self._pause)
                    result, stored = await self._without_echoes(held, attempt, result, stored)
                    try:
                        refusal = await judged if stored else None
                    except (*_NOBODY_CAN_TELL, TimeoutError):
                        settle = self._put_aside
                    else:
                        result = replace(result, failure=refusal) if refusal else result
            await self._write_down(settle, held, attempt, result, stored)
        # What follows serves calls to come and support. Nobody's picture or refund waits for it.
        await self._tell_gate(held.generation, result)
        if result.answer:
            await keep_answer(self.storage, held.generation, attempt, result.answer)

    async def _without_echoes(
        self, held: Held, attempt: Attempt, result: Executed, stored: Sequence[StoredPicture]
    ) -> tuple[Executed, Sequence[StoredPicture]]:
        """Looked at once everything lies at its key. What nobody can tell in time is the caller's picture."""
        try:
            async with asyncio.timeout_at(held.until):
                echoes = await self.find_echoes(held.generation, attempt.number, stored)
        except (StoreUnavailable, StorageUnavailable, ObjectMissing, IntakeBusy, TimeoutError):
            return result, stored
        fresh = [picture for picture in stored if picture.index not in echoes]
        return (result if fresh or not stored else replace(result, pictures=(), failure=ECHO)), fresh

    @asynccontextmanager
    async def _judging(self, held: Held, attempt: Attempt, result: Executed) -> AsyncIterator["asyncio.Future[Failure | None]"]:
        """Why our own check refuses what came. It looks while the pictures are signed and put, which wait for nobody. The future
        raises what hinders the check, or TimeoutError once the attempt's time is over: then nobody settles it now, and whoever
        looks next asks again."""
        judging = asyncio.ensure_future(self._refusal(held, attempt, result))
        try:
            yield judging
        finally:
            judging.cancel()
            await asyncio.wait([judging])

    async def _refusal(self, held: Held, attempt: Attempt, result: Executed) -> Failure | None:
        if not self.screen_outputs:
            return None
        came = {index: picture.content for index, picture in enumerate(result.pictures[: held.generation.n])}
        async with asyncio.timeout_at(held.until):
            return await self.screen_outputs(held.generation, attempt.number, came)

    async def _write_down(
        self, settle: Settle, held: Held, attempt: Attempt, result: CallResult, stored: Sequence[StoredPicture]
    ) -> None:
        try:
            await self._until_written(lambda: settle(held, attempt, result, stored))
        except LeaseLost:
            await self._until_written(lambda: self._testify(held, attempt, result))

    # The gate of the model

    async def _pass_gate(self, tx: Transaction, generation: Generation, now: datetime) -> bool:
        """Whether the call about to be written down may start as far as its model is concerned."""
        if not _is_gated(generation):
            return True
        gate = await tx.gates.lock(generation.model)
        if passed := gate.take(now, self.gate_rules):
            tx.gates.save(gate)
        return passed

    async def _tell_gate(self, generation: Generation, result: CallResult) -> None:
        """In a transaction of its own: a gate is shared by all accounts, and nobody waits for a wallet while holding it. What an
        outage loses of this the next call learns anew."""
        if not _is_gated(generation):
            return
        with suppress(StoreUnavailable):
            async with self.store.transaction() as tx:
                gate = await tx.gates.lock(generation.model)
                gate.learn(result, await tx.now(), self.gate_rules)
                tx.gates.save(gate)

    # Writing

    async def _settle(self, held: Held, attempt: Attempt, result: CallResult, stored: Sequence[StoredPicture]) -> None:
        async with self.store.transaction() as tx:
            generation = await tx.generations.lock(held.generation.id)
            now = await tx.now()
            decision = generation.settle(held.lease, attempt.number, result, len(stored), now, self.timing)
            await self._write(tx, generation, decision, attempt.number, stored)

    async def _put_aside(self, held: Held, attempt: Attempt, result: CallResult, stored: Sequence[StoredPicture]) -> None:
        async with self.store.transaction() as tx:
            generation = await tx.generations.lock(held.generation.id)
            decision = generation.put_aside(held.lease, attempt.number, result, await tx.now(), self.timing)
            await self._write(tx, generation, decision, attempt.number, ())

    async def _testify(self, held: Held, attempt: Attempt, result: CallResult) -> None:
        """The lease was lost: write only how the call ended, for whoever decides."""
        async with self.store.transaction() as tx:
            generation = await tx.generations.lock(held.generation.id)
            generation.testify(attempt.number, result, await tx.now())
            tx.generations.save(generation)
            if generation.state.is_open:
                tx.wakeups.wake()

    async def _write(
        self, tx: Transaction, generation: Generation, decision: Next, attempt: int, pictures: Sequence[StoredPicture]
    ) -> None:
        """The generation with all that its new state asks for: assets and hold at an end, a wake-up while it waits."""
        if decision is Next.ENDED:
            await resolve_hold(tx, generation)  # first, as it reads: what is written so far would be sent before
            for picture in pictures[: generation.delivered]:
                asset = asset_of(AssetId(self.new_id()), generation, attempt, picture)
                tx.assets.add(asset)
                tx.provenance.record(logged(asset, generation.model))
        elif decision is Next.WAIT:
            tx.wakeups.wake(generation.resume_at)
        tx.generations.save(generation)

    async def _until_written(self, write: Callable[[], Awaitable[None]]) -> None:
        """Try again while the database is away: a commit whose answer was lost is seen at the next try, as a lost lease. Tries
        are counted, not seconds: a process that was frozen meanwhile finds its time over and its connections closed."""
        tries = max(2, round(self.timing.settle_margin.total_seconds() / self._pause))
        for _ in range(tries - 1):
            with suppress(StoreUnavailable):
                await write()
                return
            await asyncio.sleep(self._pause)
        await write()

    @property
    def _pause(self) -> float:
        return min(1.0, self.timing.back_off.total_seconds())

    def _renewing(self, held: Held) -> AbstractAsyncContextManager[None]:
        return Renewing(self.store, self.timing, self._pause)(held)

    def _until(self) -> float:
        """Taken before the intent is written, so that this worker's own limit falls before the one in the row."""
        return asyncio.get_running_loop().time() + self.timing.act.total_seconds()


def _is_gated(generation: Generation) -> bool:
    """Test mode calls the painter, which has no limits."""
    return generation.mode is Mode.LIVE
