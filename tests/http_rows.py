"""Rows for the HTTP surface: whatever a test has put on the stage."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from application.events import Seen
from application.queries import (
    AssetFilter,
    BalanceRow,
    CreditsRow,
    GenerationFilter,
    GenerationPage,
    LotRow,
    Position,
    TransferFilter,
    TransferRow,
)
from domain.accounts import AccountId, Caller, Mode
from domain.errors import NotFound
from domain.gates import Gate
from domain.generations import Generation, GenerationId
from domain.ledger import LotSource, WalletId
from domain.media import Asset, AssetId
from domain.receipts import Receipt
from domain.waiting import Line, Worked

if TYPE_CHECKING:
    from tests.http_stage import Stage

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@dataclass
class Rows:
    """Queries, as far as HTTP asks."""

    stage: "Stage"
    callers: Mapping[bytes, Caller]

    async def caller(self, secret_hash: bytes) -> Caller | None:
        return self.callers.get(secret_hash)

    async def generation(self, generation: GenerationId, account: AccountId, mode: Mode) -> tuple[Generation, Sequence[Asset]]:
        pictures = [picture for picture in self.stage.pictures.values() if picture.generation_id == generation]
        return self.stage.own(generation, account, mode), pictures

    async def seen(self, generations: Sequence[GenerationId]) -> Mapping[GenerationId, Seen]:
        kept = {each: self.stage.kept[each] for each in generations if each in self.stage.kept}
        for row in kept.values():
            self.stage.looked(row)
        kept = {id: row for id, row in kept.items() if id in self.stage.kept}
        pictures = sorted(self.stage.pictures.values(), key=lambda each: each.index or 0)
        return {
            id: Seen(copy(row), [each for each in pictures if each.generation_id == id], self.stage.events.get(id, ()))
            for id, row in kept.items()
        }

    async def receipt(self, generation: GenerationId, account: AccountId, mode: Mode) -> Receipt:
        found = self.stage.receipts.get(generation)
        if not found or (found.generation.account_id, found.generation.mode) != (account, mode):
            raise NotFound
        return found

    async def generations(
        self, account: AccountId, mode: Mode, matching: GenerationFilter, after: Position | None, limit: int
    ) -> GenerationPage:
        self.stage.told = matching
        mine = [row for row in self.stage.kept.values() if (row.account_id, row.mode) == (account, mode)]
        newest = sorted(mine, key=lambda row: (row.created_at, row.id), reverse=True)
        older = [row for row in newest if after is None or (row.created_at, row.id) < after]
        more = (older[limit - 1].created_at, older[limit - 1].id) if len(older) > limit else None
        return GenerationPage([(row, ()) for row in older[:limit]], more)

    async def asset(self, asset: AssetId, account: AccountId, mode: Mode) -> Asset:
        found = self.stage.pictures.get(asset)
        if not found or (found.account_id, found.mode) != (account, mode):
            raise NotFound
        return found

    async def assets(
        self, account: AccountId, mode: Mode, matching: AssetFilter, after: Position | None, limit: int
    ) -> Sequence[Asset]:
        self.stage.told = matching
        mine = [row for row in self.stage.pictures.values() if row.account_id == account and matching.kind in (None, row.kind)]
        newest = sorted(mine, key=lambda row: (row.created_at, row.id), reverse=True)
        return [row for row in newest if after is None or (row.created_at, row.id) < after][:limit]

    async def line(self, limit: int) -> Line:
        self.stage.asked["line"] += 1
        if self.stage.outage:
            raise self.stage.outage
        return self.stage.line

    async def worked(self, limit: int) -> Sequence[Worked]:
        self.stage.asked["worked"] += 1
        return self.stage.worked

    async def gates(self) -> Sequence[Gate]:
        return self.stage.gates

    async def credits(self, wallet: WalletId) -> CreditsRow:
        lot = LotRow(UUID(int=7), LotSource.TRIAL, 50, 42, 8, 100, NOW)
        return CreditsRow(Mode.TEST, 42, 8, 0, [lot])

    async def balance(self, wallet: WalletId, at: datetime) -> BalanceRow:
        self.stage.told = at
        return BalanceRow(5, 0, 0, False)

    async def transfers(
        self, wallet: WalletId, matching: TransferFilter, after_version: int | None, limit: int
    ) -> Sequence[TransferRow]:
        self.stage.told = matching
        return [line for line in self.stage.lines if after_version is None or line.version < after_version][:limit]
