"""What must be true of generations and their money at any moment (RULES §4, 9–11 and the books), read through the ports alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from application.queries import TransferFilter
from domain.attempts import Outcome, Stage
from domain.commands import About, command_id
from domain.credits import Hold, HoldState
from domain.generations import Generation, GenerationId, GenerationState
from domain.ledger import HoldId
from domain.media import Asset
from tests.contract.store_contract import numbers
from tests.protocol import World
from tests.receipts import check_receipt

End = tuple[object, ...]


@dataclass(slots=True)
class ProtocolAudit:
    """Remembers each end it has seen: ends are final."""

    world: World
    ends: dict[GenerationId, End] = field(default_factory=dict)

    async def __call__(self) -> None:
        spent, held = 0, 0
        for asked in self.world.generations:
            generation, hold, assets = await self._read(asked)
            _state(generation, hold, assets)
            self._objects(generation, assets)
            self._attempts(generation)
            self._end(generation, hold)
            await self._receipt(generation, hold)
            spent += hold.captured
            held += hold.amount if hold.state is HoldState.OPEN else 0
        wallets = [await numbers(self.world.harness.queries, caller.wallet_id) for caller, _ in self.world.callers]
        given = sum(credits for _, credits in self.world.callers)
        assert [sum(each) for each in zip(*wallets, strict=True)] == [given - spent - held, held, 0], "the books do not balance"

    async def _read(self, asked: Generation) -> tuple[Generation, Hold, Sequence[Asset]]:
        hold = HoldId(asked.id)
        async with self.world.store.transaction() as tx:
            generation = await tx.generations.lock(asked.id)
            opened = await tx.wallets.open(asked.wallet_id, About(command_id("look", hold), hold=hold))
            return generation, opened.wallet.holds[hold], await tx.assets.of_generation(asked.id)

    def _objects(self, generation: Generation, assets: Sequence[Asset]) -> None:
        for asset in assets:
            stored = self.world.storage.objects.get(str(asset.key))
            assert stored is not None, "a row without its object"
            assert len(stored) == asset.bytes

    def _attempts(self, generation: Generation) -> None:
        attempts = generation.attempts
        assert [attempt.number for attempt in attempts] == list(range(1, len(attempts) + 1))
        booked = [attempt for attempt in attempts if attempt.booked]
        assert len(booked) <= 1, "two attempts are booked"
        refused = generation.state is GenerationState.REFUSED and generation.failure and generation.failure.stage is Stage.OUTPUT
        assert bool(booked) == (generation.state is GenerationState.SUCCEEDED) or refused, "booked for what is no success"
        assert all(attempt.outcome is Outcome.EXECUTED for attempt in booked)
        assert len(generation.perhaps_paid()) <= 2, "a third call that may have been paid"
        assert all(attempt.outcome is not Outcome.INTENDED for attempt in attempts[:-1]), "a call was planned over an open one"
        calls = [out for out in self.world.model.calls if out.generation == generation.id]
        assert sum(out.paid for out in calls) <= 2, "the provider billed more than two calls"
        assert len({out.attempt for out in calls}) == len(calls), "one attempt called twice"
        for out in calls:
            outcome = generation.attempt(out.attempt).outcome
            assert not (out.paid and outcome is Outcome.NOT_EXECUTED), "not_executed is said of a paid call"

    async def _receipt(self, generation: Generation, hold: Hold) -> None:
        queries = self.world.harness.queries
        receipt = await queries.receipt(generation.id, generation.account_id, generation.mode)
        about = TransferFilter(generation=generation.id)
        lines = await queries.transfers(generation.wallet_id, about, None, 100)
        assert [line.kind for line in receipt.lines] == [line.kind for line in reversed(lines)]
        check_receipt(receipt, generation, hold, lines[::-1])

    def _end(self, generation: Generation, hold: Hold) -> None:
        if generation.state.is_open:
            assert generation.id not in self.ends, "an end was not final"
            return
        booked = [attempt.number for attempt in generation.attempts if attempt.booked]
        end = (
            generation.state,
            generation.delivered,
            generation.finished_at,
            generation.failure and generation.failure.code,
            hold.state,
            hold.captured,
            booked,
        )
        assert self.ends.setdefault(generation.id, end) == end, "an end was not final"


def _state(generation: Generation, hold: Hold, assets: Sequence[Asset]) -> None:
    """The table of states, RULES §2.1."""
    assert hold.amount == generation.price
    assert (hold.state is HoldState.OPEN) == generation.state.is_open, "a hold resolves only with its generation"
    assert generation.lease is None or generation.state is GenerationState.RUNNING
    assert (generation.lease is None) == (generation.lease_until is None)
    assert (generation.finished_at is None) == generation.state.is_open
    assert generation.lease or generation.resume_at or generation.state is not GenerationState.RUNNING, "parked for ever"
    if generation.state is GenerationState.SUCCEEDED:
        assert 1 <= generation.delivered <= generation.n
        assert (hold.state, hold.captured) == (HoldState.CAPTURED, generation.captured)
        assert generation.failure is None
        if generation.request:
            assert len(assets) == generation.delivered
            assert len({asset.attempt for asset in assets}) == 1
    else:
        assert (generation.delivered, hold.captured, list(assets)) == (0, 0, [])
    if not generation.state.is_open and generation.state is not GenerationState.SUCCEEDED:
        assert generation.failure
        late = generation.failure.code == "hold_expired"
        assert hold.state is (HoldState.EXPIRED if late else HoldState.RELEASED)
