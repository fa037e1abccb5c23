"""Random traffic through the real store: what customers, workers, staff and refunds do to the books, in any order."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from adapters.postgres.store import PostgresStore
from application.credits import tell
from application.store import Transaction
from domain.accounts import Caller
from domain.attempts import (
    CallResult,
    Executed,
    Failure,
    FailureClass,
    Finality,
    Found,
    NotExecuted,
    Picture,
    Stage,
    Unknown,
    Usage,
)
from domain.commands import AdjustDown, Close, Reverse, Sweep, command_id
from domain.errors import DomainError
from domain.generations import Generation, GenerationId, GenerationState, Lease, Next
from domain.ledger import LotId, LotSource
from domain.media import PictureFormat
from domain.recovery import decide
from tests.contract.store_contract import TIMING, a_generation, a_grant, a_request, an_output, customer, new_id, place, say

_PICTURE = Picture(b"picture", PictureFormat.PNG, 8, 8, has_alpha=False)


@dataclass
class Traffic:
    """`store`'s clock runs ahead of the database's, further with each pause."""

    store: PostgresStore
    random: random.Random
    callers: list[Caller] = field(default_factory=list)
    lots: list[tuple[Caller, LotId]] = field(default_factory=list)
    running: list[tuple[GenerationId, Lease]] = field(default_factory=list)
    ended: list[GenerationId] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)

    async def run(self, accounts: int, steps: int) -> None:
        """Each act is refused now and then; then nothing was done."""
        for _ in range(accounts):
            self.callers.append(await customer(self.store))
        acts: dict[Callable[[], Awaitable[None]], float] = {
            self.grant: 6,
            self.ask: 14,
            self.claim: 12,
            self.settle: 10,
            self.decide: 4,
            self.cancel: 3,
            self.reverse: 6,
            self.adjust: 2,
            self.sweep: 1,
            self.pause: 4,
            self.expire: 3,
            self.purge: 2,
            self.close: 0.2,
        }
        for act in self.random.choices(list(acts), list(acts.values()), k=steps):
            try:
                await act()
                self.done[act.__name__] = self.done.get(act.__name__, 0) + 1
            except (DomainError, IndexError):
                continue

    async def grant(self) -> None:
        caller, source = self.random.choice(self.callers), self.random.choice(list(LotSource))
        lifetime = self.random.choice([None, 50, 500, 5_000])
        async with self.store.transaction() as tx:
            expires_at = None if lifetime is None else await tx.now() + timedelta(seconds=lifetime)
            amount = self.random.randint(1, 30)
            reversal = self.random.choice([0, 0, 0, amount // 2])
            priority = self.random.randint(1, 3)
            command = a_grant(amount, source=source, priority=priority, expires_at=expires_at, reversal=reversal)
            await tell(tx, caller.wallet_id, command)
        self.lots.append((caller, command.lot_id))

    async def ask(self) -> None:
        caller = self.random.choice(self.callers)
        async with self.store.transaction() as tx:
            queue = timedelta(seconds=self.random.choice([30, 3_600]))
            now = await tx.now()
            request = a_request(self.random.randint(1, 4))
            await place(tx, a_generation(caller, now, request=request, unit=self.random.randint(1, 4), deadline=now + queue))

    async def claim(self) -> None:
        lease = Lease(new_id())
        async with self.store.transaction() as tx:
            now = await tx.now()
            if not (generation := await tx.generations.lock_due(now)):
                return
            if generation.claim(lease, 1, now, TIMING) or generation.take_over(lease, now, TIMING):
                tx.generations.save(generation)
                self.running.append((generation.id, lease))

    def _held(self) -> tuple[GenerationId, Lease]:
        held = self.random.choice(self.running)
        self.running.remove(held)
        return held

    def _result(self, n: int) -> CallResult:
        failure = Failure(FailureClass.PROVIDER, Stage.CALL, "code", "message", "req")
        made, empty = (Executed(pictures, "req", Usage(), 40) for pictures in ((_PICTURE,) * n, ()))
        not_executed = NotExecuted(failure, self.random.choice(list(Finality)), 1)
        results: list[CallResult] = [made, made, made, made, empty, not_executed, Unknown("reset"), Unknown("reset")]
        return self.random.choice(results)

    async def settle(self) -> None:
        generation_id, lease = self._held()
        async with self.store.transaction() as tx:
            generation = await tx.generations.lock(generation_id)
            result = self._result(generation.n)
            stored = self.random.randint(0, generation.n) if isinstance(result, Executed) and result.pictures else 0
            number = generation.attempts[-1].number
            decision = generation.settle(lease, number, result, stored, await tx.now(), TIMING)
            await self._write(tx, generation, decision, number)

    async def decide(self) -> None:
        generation_id, lease = self._held()
        async with self.store.transaction() as tx:
            generation = await tx.generations.lock(generation_id)
            now = await tx.now()
            look = [Found(attempt.number, (), None, attempt.is_past(now)) for attempt in generation.attempts]
            decision = decide(generation, lease, look, now, TIMING, owner=2)
            await self._write(tx, generation, decision, 0)
            if decision is Next.CALL:
                self.running.append((generation_id, lease))

    async def _write(self, tx: Transaction, generation: Generation, decision: Next, number: int) -> None:
        if decision is Next.ENDED:
            if generation.state is GenerationState.SUCCEEDED:
                for index in range(generation.delivered):
                    tx.assets.add(an_output(generation, number, index))
            await tell(tx, generation.wallet_id, generation.hold_command())
            self.ended.append(generation.id)
        tx.generations.save(generation)

    async def cancel(self) -> None:
        async with self.store.transaction() as tx:
            generation = await tx.generations.lock_due(await tx.now())
            if generation and generation.cancel(await tx.now()) is Next.ENDED:
                await self._write(tx, generation, Next.ENDED, 0)

    async def expire(self) -> None:
        async with self.store.transaction() as tx:
            found = list(await tx.generations.past_deadline(await tx.now(), 10))
        async with self.store.transaction() as tx:
            generation = await tx.generations.lock(self.random.choice(found))
            if generation.expire(await tx.now()) is Next.ENDED:
                await self._write(tx, generation, Next.ENDED, 0)

    async def reverse(self) -> None:
        """A refund or a dispute, or one that was won."""
        caller, lot = self.random.choice(self.lots)
        await say(
            self.store, caller.wallet_id, Reverse(id=command_id("r", new_id()), lot_id=lot, reversal=self.random.randint(0, 8))
        )

    async def adjust(self) -> None:
        caller, lot = self.random.choice(self.lots)
        await say(
            self.store, caller.wallet_id, AdjustDown(id=command_id("a", new_id()), lot_id=lot, amount=self.random.randint(1, 4))
        )

    async def sweep(self) -> None:
        await say(self.store, self.random.choice(self.callers).wallet_id, Sweep(id=command_id("s", new_id())))

    async def close(self) -> None:
        """A customer leaves; refused while one of their generations is unfinished."""
        wallet = self.random.choice(self.callers).wallet_id
        await say(self.store, wallet, Close(id=command_id("c", new_id())))

    async def pause(self) -> None:
        self.store.offset += timedelta(seconds=self.random.choice([10, 40, 200, 4_000]))

    async def purge(self) -> None:
        async with self.store.transaction() as tx:
            generation = await tx.generations.lock(self.random.choice(self.ended))
            for asset in await tx.assets.of_generation(generation.id):
                await tx.assets.remove(asset)
            generation.erase()
            tx.generations.save(generation)
