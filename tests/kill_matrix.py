"""kill -9 at every point where the worker touches the outside: what must come of it is exact.

A recorded run of each scenario lists its points, so a call that is added to the code is covered by itself. At each point a worker
kills itself; what it left behind (rows, objects, calls the provider counted) decides which end there must be (`kill_ends`), and a
second worker has to bring it about: the calls, the charge and the time as well.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from application.generations import CancelGeneration
from domain.accounts import Mode
from domain.attempts import Outcome
from domain.generations import GenerationId
from tests.forks import Fork
from tests.kill_ends import Answer, End, end_of
from tests.kill_stage import LIVE_SIZE, TALL_SIZE, Lane, calls_begun, new_tag, points_of
from tests.kill_stage import a_png as a_png
from tests.processes import SHORT

RECOVERY_SECONDS = 15.0
"""After a death, besides its lease and the calls still to be made: 45 s with leases of 30."""
AFTERWARDS_SECONDS = 0.5
"""For the points that a worker passes once the end is written."""
ARRIVING_SECONDS = 0.3
"""What a process sent before it died is read by the provider within."""
LONG_MS = 1_500  # longer than a lease waits for its renewal


@dataclass(frozen=True, slots=True)
class Scenario:
    """`words`: to the pretended provider. `heir_of`: a point at which an earlier worker has died, whose work is taken over.
    `partials`: shown while the call is out, for nobody judges pictures then."""

    name: str
    n: int = 1
    edit: bool = False
    latency_ms: int = 0
    live: bool = True
    words: str = ""
    answers: tuple[Answer, ...] = (Answer.PICTURES,)
    cancel: bool = False
    heir_of: str = ""
    size: str = LIVE_SIZE
    partials: int = 0


SCENARIOS = (
    Scenario("generate"),
    Scenario("two pictures", n=2),
    Scenario("edit", edit=True),
    Scenario("long call", latency_ms=LONG_MS),
    Scenario("refused", words="[fault: moderation-input]", answers=(Answer.REFUSAL,)),
    Scenario(
        "rate limited",
        words="[fault: rate-limit-bare] [times: 1] [retry-after: 1]",
        answers=(Answer.LIMIT, Answer.PICTURES),
    ),
    Scenario("answer lost", words="[fault: reset] [times: 1]", answers=(Answer.SILENCE, Answer.PICTURES)),
    Scenario("cancelled", cancel=True, latency_ms=500),
    Scenario("heir of a call", heir_of="ImageModel.make#1:after"),
    Scenario("heir of pictures", n=2, heir_of="ObjectStorage.put#2:after"),
    Scenario("request judged", words="[words: violence]", answers=(Answer.NOT_ASKED,)),
    Scenario("pictures judged", n=2, size=TALL_SIZE, answers=(Answer.BAD_PICTURES,)),
    Scenario("watched", partials=2),
    Scenario("painted", live=False),
    Scenario("painted edit", live=False, edit=True, n=2),
)
NAMED = {scenario.name: scenario for scenario in SCENARIOS}


@dataclass(frozen=True, slots=True)
class Kill:
    """One run. `died`: whether the worker came to the point; `passed`: the points it passed; `seconds` to the end since then."""

    scenario: str
    point: str
    died: bool
    end: End
    passed: list[str]
    seconds: float

    @property
    def row(self) -> str:
        return f"{self.scenario:<18} {self.point or '(none)':<36} {self.end}, {self.seconds:.1f} s"


class Run:
    """One scenario in a lane, with one death (none if `crash_at` is empty)."""

    def __init__(self, lane: Lane, scenario: Scenario, crash_at: str = "", *, times: Mapping[str, str] = SHORT) -> None:
        self._lane, self._scenario, self._crash_at, self._times = lane, scenario, crash_at, times
        self._said = {**times, **({"MODERATE_OUTPUTS": "off"} if scenario.partials else {})}
        self._mode = Mode.LIVE if scenario.live else Mode.TEST
        self._tag = new_tag()
        self._points = lane.folder / f"points-{self._tag}"
        self._cancelled = asyncio.Event()
        self._id = GenerationId(UUID(int=0))

    async def __call__(self) -> Kill:
        """Raises AssertionError for an end that should not be."""
        lane, scenario = self._lane, self._scenario
        available, held = await lane.balance(self._mode)
        words = f"a boat [tag: {self._tag}] [latency: {scenario.latency_ms}] {scenario.words}"
        self._id = await lane.ask(
            self._mode,
            words,
            n=scenario.n,
            edit=scenario.edit,
            latency_ms=scenario.latency_ms,
            size=scenario.size,
            partials=scenario.partials,
        )
        unit = ((await lane.balance(self._mode))[1] - held) // scenario.n
        canceller = asyncio.create_task(self._cancel()) if scenario.cancel else None
        try:
            if scenario.heir_of:
                await self._die(scenario.heir_of)
            kill = await self._play()
        finally:
            if canceller:
                canceller.cancel()
        balance = await lane.balance(self._mode)
        charged = unit * kill.end.delivered
        assert balance == (available - charged, held), f"{kill.row}: {available - balance[0]} charged, {balance[1] - held} held"
        assert kill.seconds <= self._in_time, f"{kill.row}: not within {self._in_time:.1f} s"
        self._points.unlink(missing_ok=True)
        return kill

    @property
    def _in_time(self) -> float:
        return float(self._times["LEASE_SECONDS"]) + RECOVERY_SECONDS + 2 * self._scenario.latency_ms / 1000

    async def _play(self) -> Kill:
        doomed, died = await self._die(self._crash_at)
        since = time.monotonic()
        left = await self._lane.left(self._id)
        if left.attempts and left.attempts[-1][0] is Outcome.INTENDED:
            await asyncio.sleep(ARRIVING_SECONDS)
        calls = self._calls()
        if self._scenario.cancel and calls:
            await self._cancelled.wait()
            left = await self._lane.left(self._id)
        expected = end_of(left, calls, self._scenario.answers)
        if left.state.is_open:
            await self._end_by_heirs(f"{self._crash_at}: {left}")
        passed = points_of(self._points).get(doomed.pid, [])
        kill = Kill(self._scenario.name, self._crash_at, died, await self._end(), passed, time.monotonic() - since)
        assert kill.end == expected, f"{kill.row}, where {expected} must come of {left}"
        return kill

    async def _end_by_heirs(self, what: str) -> None:
        """One at a time. Who loses its proof of life, as on a machine that is busy for a second, leaves; its supervisor starts
        another."""
        until, heir = time.monotonic() + 2 * self._in_time, self._lane.worker(self._points, **self._said)
        try:
            while await self._lane.is_open(self._id):
                assert time.monotonic() < until, f"not ended after {2 * self._in_time:.0f} s: {what}\n{heir.last_words}"
                if heir.has_ended:
                    heir = self._lane.worker(self._points, **self._said)
                await asyncio.sleep(0.05)
        finally:
            heir.kill()

    async def _die(self, crash_at: str) -> tuple[Fork, bool]:
        """A worker that has died at `crash_at`, or has done all there was to do without coming there."""
        doomed = self._lane.worker(self._points, crash_at, **self._said)
        ended = asyncio.create_task(doomed.ended())
        until = time.monotonic() + 2 * self._in_time
        try:
            while not ended.done() and await self._lane.is_open(self._id):
                assert time.monotonic() < until, f"{self._scenario.name}, {crash_at}: nothing happens\n{doomed.last_words}"
                await asyncio.wait([ended], timeout=0.05)
            if crash_at:
                await asyncio.wait([ended], timeout=AFTERWARDS_SECONDS)
        finally:
            ended.cancel()
            doomed.kill()
        return doomed, points_of(self._points).get(doomed.pid, [""])[-1] == crash_at

    async def _cancel(self) -> None:
        """By the caller, as soon as the call has reached the provider."""
        while not self._calls():
            await asyncio.sleep(0.02)
        await (await self._lane.service.parts.get(CancelGeneration))(self._lane.callers[self._mode], self._id)
        self._cancelled.set()

    def _calls(self) -> int:
        provider = self._lane.provider
        return provider.calls(self._tag) if provider and self._scenario.live else calls_begun(points_of(self._points))

    async def _end(self) -> End:
        left = await self._lane.left(self._id)
        return End(left.state, left.delivered, self._calls(), left.paid)
