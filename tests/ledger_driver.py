"""How a history of commands reaches a store of wallets, whichever it is; and the smallest such store, the domain itself."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Protocol
from uuid import UUID

from domain.commands import Command, Grant, Recorded
from domain.credits import Allocation, Hold, Wallet
from domain.errors import DomainError
from domain.ledger import CommandId, LedgerAccount, Lot, LotId, LotSource, WalletId
from tests.ledger_audit import Snapshot

Answer = Recorded | type[DomainError]


class Driver(Protocol):
    """A store as the ledger machine drives it. Wallets are numbered from 0 and exist from the start; each is empty at first."""

    @property
    def salt(self) -> int:
        """Below 2**32; part of every id of this history, so that histories may share one store."""

    def apply(self, wallet: int, command: Command) -> Answer:
        """Run the command in a transaction of its own: what is recorded of it, or the class of the refusal."""

    def state(self, wallet: int) -> Snapshot:
        """All rows of the wallet: every lot, hold, transfer and reversal it ever had."""

    def advance(self, seconds: float) -> None:
        """Move the clock the store reads, to the microsecond if it stands still otherwise. Negative: it is set back."""

    def now(self) -> datetime: ...

    def close(self) -> None:
        """The history is over."""


_START = datetime(2030, 1, 1, tzinfo=UTC)
_LOT = attrgetter(*Lot.__slots__)
_WALLET = ("available", "held", "debt", "version", "last_at", "closed_at", "open_holds")


class DomainDriver:
    """A store in a dictionary: loads a copy for each command and keeps of it only what the wallet says it touched.

    `frugal` loads the fewest lots that `Wallet` and `Command.about` allow, as a store with an index on open lots does; else all.
    """

    salt = 0

    def __init__(self, *, frugal: bool = False, load: Callable[[WalletId], Wallet] = Wallet) -> None:
        self._frugal, self._load = frugal, load
        self._now = _START
        self._wallets: dict[int, Wallet] = {}
        self._recorded: dict[CommandId, Recorded] = {}
        self._facts: dict[tuple[LotSource, str], LotId] = {}
        self._reversals: dict[int, list[tuple[LotId, int, datetime]]] = {}

    def apply(self, wallet: int, command: Command) -> Answer:
        kept = self._kept(wallet)
        loaded = self._loaded(kept, command)
        try:
            recorded = loaded.apply(command, self._now)
        except DomainError as refusal:
            lapsed = all(line.credit is LedgerAccount.EXPIRED for line in loaded.transfers)
            assert lapsed, "refused after it had begun"
            assert not loaded.reversals, "refused after it had begun"
            return type(refusal)
        if loaded.done is None:
            assert (loaded.transfers, loaded.touched, loaded.reversals) == ([], set(), []), "changed without doing anything"
        else:
            self._keep(wallet, loaded, command)
            self._recorded[recorded.id] = recorded
        return recorded

    def _kept(self, wallet: int) -> Wallet:
        if wallet not in self._wallets:
            self._wallets[wallet] = self._load(WalletId(UUID(int=wallet + 1)))
            self._reversals[wallet] = []
        return self._wallets[wallet]

    def _loaded(self, kept: Wallet, command: Command) -> Wallet:
        loaded = self._load(kept.id)
        for name in _WALLET:
            setattr(loaded, name, getattr(kept, name))
        about = command.about
        loaded.recorded = self._recorded.get(about.command)
        if about.fact is not None:
            loaded.granted = self._facts.get(about.fact)
        if about.hold is not None and (hold := kept.holds.get(about.hold)):
            shares = [Allocation(share.lot_id, share.amount, share.consumed) for share in hold.allocations]
            loaded.holds[hold.id] = Hold(hold.id, hold.amount, hold.expires_at, shares, hold.captured, hold.state)
        for lot in kept.lots.values():
            spent = not (lot.remaining or lot.held or lot.reversal or lot.repaid)
            if not (self._frugal and spent) or about.every_lot or about.lot == lot.id:
                loaded.lots[lot.id] = Lot(*_LOT(lot))
        return loaded

    def _keep(self, wallet: int, loaded: Wallet, command: Command) -> None:
        kept = self._wallets[wallet]
        for name in _WALLET:
            setattr(kept, name, getattr(loaded, name))
        for lot_id in loaded.touched:
            kept.lots[lot_id] = loaded.lots[lot_id]
        kept.holds.update(loaded.holds)
        kept.transfers += loaded.transfers
        assert loaded.last_at is not None
        self._reversals[wallet] += [(lot, reversal, loaded.last_at) for lot, reversal in loaded.reversals]
        if isinstance(command, Grant):
            self._facts[command.source, command.source_ref] = command.lot_id

    def state(self, wallet: int) -> Snapshot:
        kept = self._kept(wallet)
        numbers = (kept.available, kept.held, kept.debt, kept.version)
        return Snapshot(*numbers, kept.lots, kept.holds, kept.transfers, self._reversals[wallet])

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)

    def now(self) -> datetime:
        return self._now

    def close(self) -> None:
        """Nothing to give back."""
