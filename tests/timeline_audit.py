"""What is checked of a timeline: what a single step may do (RULES §4, 9–11), and what must be true of the books at every line."""

from copy import deepcopy
from dataclasses import dataclass, field

from adapters.memory import MemoryStore
from domain.attempts import Failure, Outcome
from domain.commands import Recorded
from domain.generations import PAID_CALLS, Generation, GenerationId, GenerationState
from domain.ledger import WalletId
from tests.contract.harnesses import MemoryHarness
from tests.ledger_audit import Audit, Snapshot
from tests.protocol import key_of, manifest_of
from tests.timeline_stage import Stage

FINAL = ("state", "delivered", "failure", "finished_at", "hold_expires_at", "unit", "n")


@dataclass(slots=True)
class TimelineAudit:
    """Reads what is committed, without locks, after every step: at most one transaction commits in each."""

    stage: Stage
    seen: dict[GenerationId, Generation] = field(default_factory=dict)
    books: dict[WalletId, Audit] = field(default_factory=dict)

    @property
    def harness(self) -> MemoryHarness:
        assert isinstance(self.stage.world.harness, MemoryHarness), "only the store in memory can be read between two moments"
        return self.stage.world.harness

    def step(self) -> None:
        harness = self.harness
        for now in harness.store.tables.generations.values():
            before = self.seen.get(now.id)
            if before is None:
                self.stage.world.generations.append(now)
            if now is not before:
                self._changed(before or now, now)
                self.seen[now.id] = now
        for generation, number, what in self.stage.begun:
            assert harness.clock() < self.seen[generation].attempt(number).act_until, f"a {what} outlived its attempt's time"
        self.stage.begun.clear()
        for caller, _ in self.stage.world.callers:
            self._read_the_books(harness.store, caller.wallet_id)

    def _changed(self, before: Generation, now: Generation) -> None:
        if not before.state.is_open:
            for name in FINAL:
                assert _bones(getattr(now, name)) == _bones(getattr(before, name)), f"an end was not final: {name}"
            assert [a.booked for a in now.attempts] == [a.booked for a in before.attempts], "an end was not final: booked"
        assert now.lease is None or now.state is GenerationState.RUNNING
        assert now.lease or now.resume_at or now.state is not GenerationState.RUNNING, "parked for ever"
        assert len(now.perhaps_paid()) <= PAID_CALLS, "a third call that may have been paid"
        assert sum(attempt.booked for attempt in now.attempts) == (now.state is GenerationState.SUCCEEDED)
        for was, attempt in zip(before.attempts, now.attempts, strict=False):
            if was.outcome in (Outcome.EXECUTED, Outcome.NOT_EXECUTED):
                assert attempt.outcome is was.outcome, "a final word was taken back"
            if attempt.outcome is Outcome.NOT_EXECUTED and was.outcome is not Outcome.NOT_EXECUTED:
                assert attempt.written_by_caller, "not_executed was guessed"
        if now.resume_at and now.resume_at != before.resume_at:
            assert now.resume_at in self.harness.store.tables.tokens.values(), "nobody will wake it"
        if len(now.attempts) > len(before.attempts):
            self._planned_a_call(now)

    def _planned_a_call(self, now: Generation) -> None:
        assert len(now.attempts) - 1 == len(self.seen[now.id].attempts) if now.id in self.seen else True
        attempt = now.attempts[-1]
        assert now.cancel_requested_at is None, "a call was planned after a cancel"
        assert attempt.started_at < now.deadline, "a call was planned after the deadline"
        assert attempt.act_until <= now.hold_expires_at, "a call was planned that could outlive its hold"
        for earlier in now.attempts[:-1]:
            free = earlier.outcome is Outcome.NOT_EXECUTED
            past = earlier.is_past(attempt.started_at) or earlier.owner in self.stage.gone
            assert free or past, "a call was planned while an earlier one could still bring something"
            keys = [*(key_of(now, earlier.number, index) for index in range(now.n)), manifest_of(now, earlier.number)]
            lie = [str(key) for key in keys if str(key) in self.stage.world.storage.objects]
            assert not lie, "a call was planned over stored pictures"

    def _read_the_books(self, store: MemoryStore, wallet: WalletId) -> None:
        rows, row = store.tables, store.tables.wallets[wallet]
        audit = self.books.setdefault(wallet, Audit())
        if row.version == audit.lines:
            return
        lots = {lot.id: lot for lot in rows.lots_of(wallet)}
        holds = {hold.id: hold for (of, _), hold in rows.holds.items() if of == wallet}
        lines = list(rows.transfers_of(wallet))
        recorded: Recorded = rows.commands[lines[audit.lines].command_id]
        audit.read(Snapshot(row.available, row.held, row.debt, row.version, lots, holds, lines, []), recorded)
        promised = [g.price for g in rows.generations.values() if g.wallet_id == wallet and g.state.is_open]
        assert row.held == sum(promised), "what is held is not the price of what is open"

    def end(self) -> None:
        """Everyone has gone home: nothing is open, and no object lies there of which no row speaks."""
        world = self.stage.world
        assets = [asset for asset in self.harness.store.tables.assets.values() if asset]
        spoken_of = {str(asset.key) for asset in assets}
        manifests = {
            str(manifest_of(deepcopy(g), a.attempt or 0)) for g in world.generations for a in assets if a.generation_id == g.id
        }
        lying = set(world.storage.objects)
        assert lying >= spoken_of, "a row without its object"
        assert lying <= spoken_of | manifests, "an orphan stays"


def _bones(value: object) -> object:
    """A failure without its words, which go when their owner erases them."""
    return value.without_words() if isinstance(value, Failure) else value
