"""The scripted world of the paid call with somebody who judges, does not answer, or is not there."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from application.attempts import PerformGeneration
from application.moderation import Moderator, ModeratorUnavailable
from application.screening import ScreenInput, ScreenOutputs
from application.store import Store
from domain.accounts import Mode
from domain.generations import Generation
from domain.moderation import CLEAN, Verdict
from tests.contract.harnesses import StoreHarness
from tests.contract.store_contract import a_request, queued, uploaded
from tests.protocol import QUICK, World


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


class JudgedWorld(World):
    """Requests are judged by `moderator`, words alone by `local` while it is down, and pictures by `viewer`."""

    def __init__(self, harness: StoreHarness) -> None:
        super().__init__(harness, QUICK)
        self.moderator, self.local, self.viewer = ScriptedModerator(), ScriptedModerator(), ScriptedModerator()

    async def worker(self, owner: int = 1, store: Store | None = None) -> PerformGeneration:
        made = await super().worker(owner, store)
        screen = ScreenInput(dict.fromkeys(Mode, self.moderator), self.local)
        outputs = ScreenOutputs(dict.fromkeys(Mode, self.viewer), self.storage)
        return replace(made, call_model=replace(made.call_model, screen=screen), screen_outputs=outputs)

    async def edit(self, content: bytes = b"a photograph", n: int = 1) -> Generation:
        """Waiting, with one uploaded reference of these bytes."""
        caller = await self.customer()
        reference = await uploaded(self.store, caller)
        await self.storage.put(reference.key, content, "image/png")
        generation = await queued(self.store, caller, request=a_request(n, references=(reference.id,)))
        self.generations.append(generation)
        return generation
