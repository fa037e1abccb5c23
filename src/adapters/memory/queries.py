"""Reads of the store in memory: committed rows only, and copies of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from adapters.memory.store import MemoryStore, line_of
from adapters.memory.tables import Tables, WalletRow, copy_of_generation, copy_of_hold
from application.object_rows import ObjectRows, SpokenObject, Walk
from application.ports import StoredObject
from application.queries import (
    AssetFilter,
    BalanceRow,
    CreditsRow,
    GenerationFilter,
    GenerationPage,
    LotRow,
    Position,
    Queries,
    QueueRow,
    TransferFilter,
    TransferRow,
)
from domain.accounts import Account, AccountId, Caller, Mode
from domain.archives import Archive, ArchiveId, ArchiveState
from domain.errors import Gone, InvalidInstant, NotFound
from domain.gates import Gate
from domain.generations import Generation, GenerationId
from domain.ledger import HoldId, LedgerAccount, Transfer, WalletId
from domain.media import Asset, AssetId, Thumbnail
from domain.objects import ObjectClass, ObjectKey
from domain.receipts import Line as ReceiptLine
from domain.receipts import Origin, Receipt
from domain.waiting import Line, Worked

PROVISIONAL = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class MemoryQueries(Queries):
    store: MemoryStore

    @property
    def rows(self) -> Tables:
        return self.store.tables

    async def caller(self, secret_hash: bytes) -> Caller | None:
        key = self.rows.keys.get(secret_hash)
        if not key:
            return None
        account, wallet = self.rows.accounts[key.account_id], await self.wallet(key.account_id, key.mode)
        capped, frozen = key.spend_cap is not None, account.frozen_at is not None
        return Caller(account.id, key.id, key.mode, key.scopes, account.plan, wallet, capped, frozen)

    async def wallet(self, account: AccountId, mode: Mode) -> WalletId:
        if (account, mode) not in self.rows.wallet_ids:
            raise NotFound("there is no such account", account=str(account))
        return self.rows.wallet_ids[account, mode]

    async def credits(self, wallet: WalletId) -> CreditsRow:
        row, now = self._wallet(wallet), self.store.clock()
        lots = sorted(self.rows.lots_of(wallet), key=lambda lot: lot.draw_order)
        shown = [
            LotRow(lot.id, lot.source, lot.granted, remaining, lot.held, lot.priority, lot.expires_at)
            for lot in lots
            if (remaining := 0 if lot.is_lapsed(now) else lot.remaining) or lot.held
        ]
        lapsed = sum(lot.remaining for lot in lots if lot.is_lapsed(now))
        return CreditsRow(row.mode, row.available - lapsed, row.held, row.debt, shown)

    async def balance(self, wallet: WalletId, at: datetime) -> BalanceRow:
        now = self.store.clock()
        self._wallet(wallet)
        if at > now:
            raise InvalidInstant("this instant has not come yet", field="as_of")
        lines = [line for line in self.rows.transfers_of(wallet) if line.at <= at]
        last = lines[-1] if lines else None
        available, held, debt = (last.available_after, last.held_after, last.debt_after) if last else (0, 0, 0)
        lapsed = {lot.id for lot in self.rows.lots_of(wallet) if lot.is_lapsed(at)}
        unswept = sum(_remaining_moved(line) for line in lines if line.lot_id in lapsed)
        return BalanceRow(available - unswept, held, debt, at > now - PROVISIONAL)

    async def transfers(
        self, wallet: WalletId, matching: TransferFilter, after_version: int | None, limit: int
    ) -> Sequence[TransferRow]:
        below = after_version or self._wallet(wallet).version + 1
        lines = [
            row
            for line in self.rows.transfers_of(wallet)
            if line.version < below and _matches(row := self._transfer_row(line), matching)
        ]
        return lines[::-1][:limit]

    def _transfer_row(self, line: Transfer) -> TransferRow:
        kind = self.rows.commands[line.command_id].kind
        moved = (line.debit, line.credit, line.amount, line.lot_id, line.hold_id)
        return TransferRow(line.version, line.at, kind, *moved, line.available_after, line.held_after, line.debt_after)

    async def generation(self, generation: GenerationId, account: AccountId, mode: Mode) -> tuple[Generation, Sequence[Asset]]:
        found = self.rows.generations.get(generation)
        if not found or (found.account_id, found.mode) != (account, mode):
            raise NotFound("there is no such generation", generation=str(generation))
        if found.request is None:
            raise Gone(generation=str(generation))
        return copy_of_generation(found), self.rows.assets_of(generation)

    async def receipt(self, generation: GenerationId, account: AccountId, mode: Mode) -> Receipt:
        found = self.rows.generations.get(generation)
        if not found or (found.account_id, found.mode) != (account, mode):
            raise NotFound("there is no such generation", generation=str(generation))
        wallet, hold = found.wallet_id, HoldId(generation)
        lines = [line for line in self.rows.transfers_of(wallet) if line.hold_id == hold]
        lots = [self.rows.lots[wallet, lot] for lot in dict.fromkeys(line.lot_id for line in lines)]
        return Receipt(
            copy_of_generation(found),
            copy_of_hold(self.rows.holds[wallet, hold]),
            tuple(Origin(lot.id, lot.source, lot.expires_at) for lot in sorted(lots, key=lambda lot: lot.id)),
            tuple(self._receipt_line(line) for line in lines),
        )

    def _receipt_line(self, line: Transfer) -> ReceiptLine:
        kind = self.rows.commands[line.command_id].kind
        moved = (line.debit, line.credit, line.amount, line.lot_id)
        return ReceiptLine(line.version, line.at, kind, *moved, line.available_after, line.held_after, line.debt_after)

    async def generations(
        self, account: AccountId, mode: Mode, matching: GenerationFilter, after: Position | None, limit: int
    ) -> GenerationPage:
        mine = [g for g in self.rows.generations.values() if (g.account_id, g.mode) == (account, mode) and _fits(g, matching)]
        mine.sort(key=lambda g: (g.created_at, g.id), reverse=True)
        fitting = [g for g in mine if after is None or (g.created_at, g.id) < after]
        page = fitting[:limit]
        more = (page[-1].created_at, page[-1].id) if len(fitting) > limit else None
        return GenerationPage([(copy_of_generation(g), self.rows.assets_of(g.id)) for g in page], more)

    async def asset(self, asset: AssetId, account: AccountId, mode: Mode) -> Asset:
        found = self.rows.assets.get(asset)
        if not found or (found.account_id, found.mode) != (account, mode):
            raise NotFound("there is no such asset", asset=str(asset))
        return found

    async def assets(
        self, account: AccountId, mode: Mode, matching: AssetFilter, after: Position | None, limit: int
    ) -> Sequence[Asset]:
        kept = [a for a in self.rows.assets.values() if a and (a.account_id, a.mode) == (account, mode) and _shown(a, matching)]
        kept.sort(key=lambda a: (a.created_at, a.id), reverse=True)
        return [a for a in kept if after is None or (a.created_at, a.id) < after][:limit]

    async def archive(self, archive: ArchiveId, account: AccountId, mode: Mode) -> Archive:
        found = self.rows.archives.get(archive)
        if not found or (found.account_id, found.mode) != (account, mode):
            raise NotFound("there is no such archive", archive=str(archive))
        if found.expires_at and found.expires_at <= self.store.clock():
            raise NotFound("there is no such archive", archive=str(archive))
        return replace(found)

    async def orphans(self, found: Sequence[StoredObject]) -> Sequence[ObjectKey]:
        swept, now = [thing for thing in found if thing.key.is_swept], self.store.clock()
        spoken_of = self.spoken_of([thing.key for thing in swept])
        return [thing.key for thing in swept if not thing.stays(now, spoken_of=thing.key in spoken_of)]

    def spoken_of(self, keys: Collection[ObjectKey]) -> set[ObjectKey]:
        assets = [asset for asset in self.rows.assets.values() if asset]
        archives = [a for a in self.rows.archives.values() if a and a.state in (ArchiveState.RUNNING, ArchiveState.READY)]
        known = {a.key for a in assets} | {ObjectKey.thumbnail(a.account_id, a.id) for a in assets}
        known |= {a.key for a in archives} | {_manifest(asset) for asset in assets if asset.generation_id}
        return {key for key in keys if key in known or self._may_be_spoken_of(key)}

    def _may_be_spoken_of(self, key: ObjectKey) -> bool:
        """Whether a row can still come that speaks of it, or it is kept with its generation."""
        generation = self.rows.generations.get(GenerationId(key.owner))
        if key.object_class in (ObjectClass.ANSWERS, ObjectClass.PARTIALS):
            return generation is not None and generation.request is not None
        return key.object_class is ObjectClass.OUTPUTS and generation is not None and generation.state.is_open

    async def accounts(self, matching: str, limit: int) -> Sequence[Account]:
        said = matching.lower()
        texts = ((a, (str(a.id), (a.email or "").lower(), (a.name or "").lower())) for a in self.rows.accounts.values())
        return [a for a, (id, *parts) in texts if said == id or any(said in part for part in parts)][:limit]

    async def account(self, account: AccountId) -> Account:
        if account not in self.rows.accounts:
            raise NotFound
        return self.rows.accounts[account]

    async def line(self, limit: int) -> Line:
        line = line_of(self.rows, self.store.clock())
        return Line(line.places[:limit], line.running, cut=len(line.places) > limit)

    async def worked(self, limit: int) -> Sequence[Worked]:
        ended = sorted((g for g in self.rows.generations.values() if not g.state.is_open), key=lambda g: g.id, reverse=True)
        return [worked for generation in ended[:limit] if (worked := _worked(generation))]

    async def gates(self) -> Sequence[Gate]:
        return [replace(gate) for gate in self.rows.gates.values()]

    async def queues(self) -> Sequence[QueueRow]:
        tokens, now = self.rows.tokens.values(), self.store.clock()
        oldest = max((now - at for at in tokens if at <= now), default=timedelta())
        return [QueueRow("generations", len(tokens), 0, 0, oldest.total_seconds())]

    def _wallet(self, wallet: WalletId) -> WalletRow:
        if wallet not in self.rows.wallets:
            raise NotFound("there is no such wallet", wallet=str(wallet))
        return self.rows.wallets[wallet]


def _worked(generation: Generation) -> Worked | None:
    attempt = next((attempt for attempt in generation.attempts if attempt.booked), None)
    if not attempt or not generation.finished_at:
        return None
    request, seconds = generation.request, (generation.finished_at - attempt.started_at).total_seconds()
    size, quality = (request.size, request.quality) if request else (None, None)
    return Worked(generation.mode, generation.model, size, quality, seconds)


def _manifest(asset: Asset) -> ObjectKey:
    """It stays as long as a picture that it speaks of."""
    if asset.generation_id is None or asset.attempt is None:
        raise AssertionError("an upload has no manifest")
    return ObjectKey.manifest(asset.account_id, asset.generation_id, asset.attempt)


def _remaining_moved(line: Transfer) -> int:
    if line.credit is LedgerAccount.AVAILABLE:
        return line.amount
    return -line.amount if line.debit is LedgerAccount.AVAILABLE else 0


def _matches(row: TransferRow, matching: TransferFilter) -> bool:
    return (
        matching.generation in (None, row.generation_id)
        and matching.kind in (None, row.kind)
        and (matching.after is None or row.at > matching.after)
        and (matching.before is None or row.at < matching.before)
    )


def _shown(asset: Asset, matching: AssetFilter) -> bool:
    return (
        matching.kind in (None, asset.kind)
        and (matching.created_after is None or asset.created_at > matching.created_after)
        and (matching.created_before is None or asset.created_at < matching.created_before)
    )


def _fits(generation: Generation, matching: GenerationFilter) -> bool:
    """Collections are kept nowhere in memory."""
    return (
        generation.request is not None
        and (generation.trashed_at is not None) == bool(matching.trashed)
        and matching.collection is None
        and matching.favourite in (None, generation.favourite)
        and (matching.wanted is None or matching.wanted.fits(generation.request.prompt))
        and (not matching.states or generation.state in matching.states)
        and matching.model in (None, generation.model)
        and matching.kind in (None, generation.kind)
        and (matching.created_after is None or generation.created_at > matching.created_after)
        and (matching.created_before is None or generation.created_at < matching.created_before)
    )


@dataclass(frozen=True, slots=True)
class MemoryObjectRows(ObjectRows):
    queries: MemoryQueries

    async def walk(self, walk: Walk, after: str, limit: int) -> Sequence[SpokenObject]:
        rows = self.queries.rows
        assets = [asset for asset in rows.assets.values() if asset]
        drawn = [a for a in assets if a.thumbnail is Thumbnail.MADE]
        ready = [a for a in rows.archives.values() if a and a.state is ArchiveState.READY]
        every: dict[Walk, list[SpokenObject]] = {
            Walk.PICTURES: [SpokenObject.of(asset) for asset in assets],
            Walk.THUMBNAILS: [SpokenObject(ObjectKey.thumbnail(a.account_id, a.id), None, None, str(a.id)) for a in drawn],
            Walk.RENDITIONS: [],
            Walk.ARCHIVES: [SpokenObject(a.key, a.bytes, None, str(a.id)) for a in ready],
            Walk.QUARANTINE: [],
        }
        return sorted((each for each in every[walk] if each.place > after), key=lambda each: each.place)[:limit]

    async def count(self) -> int:
        return sum([len(await self.walk(walk, "", 1_000_000)) for walk in Walk])

    async def spoken_of(self, keys: Collection[ObjectKey]) -> Collection[ObjectKey]:
        return self.queries.spoken_of(keys)
