"""What must be true after every use case (RULES §4): the books, all that is shown of them, each generation with its hold,
attempts, pictures and objects, and what a single step may change.
"""

from dataclasses import dataclass, field

from application.queries import GenerationFilter, Queries
from domain.accounts import Caller, Mode
from domain.commands import Recorded
from domain.credits import Hold
from domain.errors import Gone
from domain.generations import Generation, GenerationId
from domain.ledger import HoldId
from domain.media import Asset
from tests.ledger_audit import Snapshot
from tests.protocol import key_of, manifest_of
from tests.protocol_audit import ProtocolAudit, _state
from tests.receipts import check_receipt
from tests.use_cases_rules import check_changed
from tests.use_cases_stage import UseCaseStage
from tests.wallet_book import WalletBook


@dataclass(slots=True)
class UseCasesAudit:
    stage: UseCaseStage
    caller: Caller
    book: WalletBook = field(init=False)
    seen: dict[GenerationId, Generation] = field(default_factory=dict)
    assets: dict[GenerationId, list[Asset]] = field(default_factory=dict)
    steps: int = 0
    protocol: ProtocolAudit = field(init=False)

    def __post_init__(self) -> None:
        self.book = WalletBook(self.caller.wallet_id)
        self.protocol = ProtocolAudit(self.stage.world)

    @property
    def queries(self) -> Queries:
        return self.stage.harness.queries

    async def step(self) -> tuple[list[Recorded], list[Generation]]:
        """Look at everything: the commands that were done since the last look, and the generations that were made."""
        self.steps += 1
        rows = self.stage.read(self.caller.wallet_id)
        commands = self.book.read(rows)
        looks = self.book.looks
        some = looks[self.steps % len(looks) :: len(looks) // 3 + 1] if looks else []
        await self.book.check_shown(self.queries, rows, self.stage.now, some)
        made = await self._generations(rows.books)
        assert rows.books.holds.keys() == self.seen.keys(), "a hold without its generation"
        return commands, made

    async def _generations(self, books: Snapshot) -> list[Generation]:
        page = (await self.queries.generations(self.caller.account_id, Mode.TEST, GenerationFilter(), None, 100)).rows
        shown = {generation.id: (generation, list(assets)) for generation, assets in page}
        made = [generation for generation, _ in page if generation.id not in self.seen]
        asked = self.stage.world.generations
        asked += made
        for number, each in enumerate(asked):
            if each.id not in shown or (self.steps + number) % 4 == 0:
                kept = await self._kept(each, books)
                assert shown.get(each.id, kept) == kept, "another generation is shown than is kept"
                shown[each.id] = kept
            generation, assets = shown[each.id]
            self._generation(each, generation, books.holds[HoldId(each.id)], assets)
        listed = {g.id for g in self.seen.values() if g.request and not g.trashed_at}
        assert {generation.id for generation, _ in page} == listed
        return made

    async def _kept(self, asked: Generation, books: Snapshot) -> tuple[Generation, list[Asset]]:
        """As the ports have it, and as its owner is shown it by name."""
        async with self.stage.world.store.transaction() as tx:
            kept, assets = await tx.generations.lock(asked.id), list(await tx.assets.of_generation(asked.id))
        try:
            shown = await self.queries.generation(kept.id, kept.account_id, kept.mode)
        except Gone:
            assert kept.request is None, "it is gone and was not purged"
        else:
            assert (shown[0], list(shown[1])) == (kept, assets), "another generation is shown than is kept"
        lines = [line for line in books.transfers if line.hold_id == kept.id]
        receipt = await self.queries.receipt(kept.id, kept.account_id, kept.mode)
        check_receipt(receipt, kept, books.holds[HoldId(kept.id)], lines)
        return kept, assets

    def _generation(self, asked: Generation, now: Generation, hold: Hold, assets: list[Asset]) -> None:
        _state(now, hold, assets)
        self.protocol._objects(now, assets)
        self.protocol._attempts(now)
        self.protocol._end(now, hold)
        before = self.seen.get(now.id, asked)
        check_changed(before, now, self.stage.dead)
        if len(now.attempts) > len(before.attempts):
            earlier = {key for attempt in before.attempts for key in _keys(now, attempt.number)}
            assert not earlier & self.stage.world.storage.objects.keys(), "a call was planned over stored pictures"
        self.seen[now.id], self.assets[now.id] = now, assets

    def spoken_for(self) -> set[str]:
        """The keys a sweep must leave alone: of pictures with their manifests, and all that an open generation may speak of."""
        keys = set()
        for generation in self.seen.values():
            for asset in self.assets[generation.id]:
                keys |= {str(asset.key), str(manifest_of(generation, asset.attempt or 0))}
            if generation.state.is_open:
                keys |= {key for attempt in generation.attempts for key in _keys(generation, attempt.number)}
        return keys


def _keys(generation: Generation, attempt: int) -> set[str]:
    pictures = (key_of(generation, attempt, index) for index in range(generation.n))
    return {str(key) for key in (*pictures, manifest_of(generation, attempt))}
