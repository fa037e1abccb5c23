"""The scripted world of the paid call with somebody who judges, does not answer, or is not there."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from application.attempts import PerformGeneration
from application.moderation import Moderator, ModeratorUnavailable
from application.quarantine import HashList, Quarantine, QuarantineStore, QuarantineTransaction, Seize
from application.screening import ScreenInput, ScreenOutputs
from application.store import Store, Transaction
from domain.accounts import Mode
from domain.generations import Generation
from domain.media import Likeness
from domain.moderation import CLEAN, Verdict
from domain.quarantine import Impounded, ImpoundedId, Match
from tests.contract.harnesses import StoreHarness
from tests.contract.store_contract import a_request, queued, uploaded
from tests.protocol import QUICK, ScriptedIntake, World


@dataclass(slots=True)
class ScriptedModerator(Moderator):
    """`bad`: words and pictures that are flagged. `down`: it does not answer. `reached`: set by who asks, and never answered,
    where a test stops somebody there."""

    bad: set[str | bytes] = field(default_factory=set)
    down: bool = False
    reached: asyncio.Event | None = None
    asked: list[tuple[str, tuple[bytes, ...]]] = field(default_factory=list)

    async def judge(self, words: str, pictures: Sequence[bytes]) -> Verdict:
        self.asked.append((words, tuple(pictures)))
        if self.reached:
            self.reached.set()
            await asyncio.get_running_loop().create_future()
        if self.down:
            raise ModeratorUnavailable
        return Verdict("violence") if self.bad.intersection((words, *pictures)) else CLEAN


class ScriptedHashes(HashList):
    """Knows the pictures whose bytes were listed."""

    def __init__(self) -> None:
        self.listed: set[bytes] = set()

    async def match(self, variants: Sequence[str]) -> Match | None:
        return next((Match(variant, 3) for variant in variants if bytes.fromhex(variant) in self.listed), None)


class LikenessIntake(ScriptedIntake):
    """What a picture looks like is its bytes."""

    async def likeness(self, content: bytes) -> Likeness:
        return Likeness(content.hex(), 100, (b"turned".hex(), content.hex()))


@dataclass(slots=True)
class QuarantinedStore(QuarantineStore, Quarantine):
    """A store that keeps what is in quarantine beside it."""

    store: Store
    rows: dict[ImpoundedId, Impounded] = field(default_factory=dict)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[QuarantineTransaction]:
        async with self.store.transaction() as tx:
            yield _Beside(tx, self)

    async def add(self, impounded: Impounded) -> None:
        self.rows.setdefault(impounded.id, impounded)

    async def lock(self, impounded: ImpoundedId) -> Impounded:
        return self.rows[impounded]

    async def save(self, impounded: Impounded) -> None:
        self.rows[impounded.id] = impounded


@dataclass(slots=True)
class _Beside:
    tx: Transaction
    quarantine: Quarantine

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tx, name)


class JudgedWorld(World):
    """Requests are judged by `moderator`, words alone by `local` while it is down, and pictures by `viewer`; what `hashes` knows
    goes into `quarantine`."""

    def __init__(self, harness: StoreHarness) -> None:
        super().__init__(harness, QUICK)
        self.moderator, self.local, self.viewer = ScriptedModerator(), ScriptedModerator(), ScriptedModerator()
        self.hashes, self.quarantine, self.logged = ScriptedHashes(), QuarantinedStore(harness.store), list[str]()

    async def worker(self, owner: int = 1, store: Store | None = None) -> PerformGeneration:
        made = await super().worker(owner, store)
        log = lambda event, **fields: self.logged.append(f"{event} {fields}")  # noqa: E731 - as a logger is called
        seize = Seize(self.quarantine, self.storage, LikenessIntake(), self.hashes, log)
        screen = ScreenInput(dict.fromkeys(Mode, self.moderator), self.local, seize)
        outputs = ScreenOutputs(dict.fromkeys(Mode, self.viewer), self.storage, seize)
        return replace(made, call_model=replace(made.call_model, screen=screen), screen_outputs=outputs)

    async def edit(self, content: bytes = b"a photograph", n: int = 1) -> Generation:
        """Waiting, with one uploaded reference of these bytes."""
        caller = await self.customer()
        reference = await uploaded(self.store, caller)
        await self.storage.put(reference.key, content, "image/png")
        generation = await queued(self.store, caller, request=a_request(n, references=(reference.id,)))
        self.generations.append(generation)
        return generation
