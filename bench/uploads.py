"""A photograph of 12 megapixels brought in: how long, and with how much memory; and what 32 of them at once do to the event loop.

How long is a ratio: over what Pillow alone takes here, in one process, to decode such a photograph, turn it and write it anew.
Memory is what the kernel says was the most (VmHWM) of the API and of its picture workers. The event loop is timed in a second API
process: see bench/watched.py.
"""

import asyncio
import io
import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from bench.books import BooksWrong
from bench.figures import Figure, Promise, percentile
from bench.stage import durable_postgres
from tests.hostile import exif
from tests.hostile_files import BOUNDARY, form
from tests.processes import until
from tests.service import Customer, customer
from tests.shipped import Shipped, shipped_api
from tests.upload_line import Answer, Line
from tests.world import world

SIDES = 4_000, 3_000
ALONE = 5
"""Uploads one after the other, in each round."""
AT_ONCE = 32
POOL_MB = 1_024
"""What a picture worker may have."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A running API, and who uploads to it."""

    api: Shipped
    who: Customer

    async def upload(self, content: bytes) -> tuple[Answer, float]:
        """The answer, and the seconds it took."""
        line = Line("127.0.0.1", self.api.port, self.who.key)
        try:
            began = time.perf_counter()
            answer = await line.upload(form(content), BOUNDARY)
            return answer, time.perf_counter() - began
        finally:
            await line.close()

    async def taken(self, content: bytes) -> float:
        answer, seconds = await self.upload(content)
        if answer.status != 201 or set(answer.told["changed"]) != {"oriented", "metadata_removed"}:
            raise BooksWrong(f"a photograph was answered {answer.status}: {answer.body[:300]!r}")
        return seconds

    async def burst(self, content: bytes) -> float:
        """Seconds until all of them are answered."""
        began = time.perf_counter()
        await asyncio.gather(*(self.taken(content) for _ in range(AT_ONCE)))
        return time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class Refused:
    """Milliseconds from the death of a worker, or the end of its time, to the answer."""

    killed: float
    frozen: float


def photograph() -> bytes:
    """As a telephone makes them: a scene with noise, turned by its EXIF, with a position."""
    width, height = SIDES
    chance = np.random.default_rng(12)
    across, down = np.meshgrid(np.linspace(0, 9, width, dtype=np.float32), np.linspace(0, 7, height, dtype=np.float32))
    scene = np.stack([np.sin(across * pace) + np.cos(down * pace) for pace in (1.0, 1.7, 2.3)], axis=-1) * 50 + 128
    noisy = scene + chance.normal(0, 14, scene.shape).astype(np.float32)
    buffer = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90, exif=exif(6))
    return buffer.getvalue()


def measure(folder: Path, rounds: int, share: float) -> list[Figure]:
    content = photograph()
    with durable_postgres(folder / "postgres") as postgres:
        return asyncio.run(_measure(folder, postgres.url, content, max(1, round(rounds * share))))


async def _measure(folder: Path, database_url: str, content: bytes, rounds: int) -> list[Figure]:
    async with world(database_url, folder / "service") as service:
        who = await customer(service, 0)
    home = folder / "service"
    with shipped_api(database_url, home) as api:
        scene = Scene(api, who)
        await scene.taken(content)
        floors, times = list[float](), list[float]()
        for _ in range(rounds):
            alone = sorted([await scene.taken(content) for _ in range(ALONE)])
            times.append(percentile(alone, 50))
            floors.append(percentile(sorted(_by_hand(content) for _ in range(ALONE)), 50))
        at_most = {"API": _most(api.pid), "worker": max(map(_most, scene.api.picture_workers))}
        before = at_most["API"]
        seconds = await scene.burst(content)
        burst = _most(api.pid)
        refused = await _refused(scene, content)
    report = folder / "watched.json"
    with shipped_api(database_url, home, "bench.watched", "api", str(report)) as api:
        scene = Scene(api, who)
        await scene.taken(content)
        os.kill(api.pid, signal.SIGUSR1)
        await scene.burst(content)
        os.kill(api.pid, signal.SIGUSR2)
        await asyncio.to_thread(until, report.exists, "the report")
    size = f"{len(content) / 1e6:.1f} million bytes"
    return [
        Figure(
            "a 12 MP photograph ÷ what Pillow alone takes, p50",
            [upload / floor for upload, floor in zip(times, floors, strict=True)],
            "",
            Promise(2.5, 1.5, at_most=True),
            size,
        ),
        Figure("  a 12 MP photograph, p50", [each * 1000 for each in times], "ms"),
        Figure("  Pillow alone, p50", [each * 1000 for each in floors], "ms"),
        Figure("memory of the API at most, one at a time", [at_most["API"]], "MB"),
        Figure("memory of a picture worker at most", [at_most["worker"]], "MB", Promise(POOL_MB, POOL_MB, at_most=True)),
        Figure(
            f"memory growth of the API ÷ bytes of {AT_ONCE} uploads at once",
            [(burst - before) * 2**20 / (AT_ONCE * len(content))],
            "",
            Promise(3, 2, at_most=True),
            f"{before:.0f} MB before, {burst:.0f} MB at most; all answered in {seconds:.1f} s",
        ),
        Figure("answer after a worker's death", [refused.killed], "ms", Promise(1_000, 1_000, at_most=True)),
        Figure("answer after the end of a frozen worker's time", [refused.frozen], "ms", Promise(1_000, 1_000, at_most=True)),
        *_of_the_loop(json.loads(report.read_text())),
    ]


def _of_the_loop(report: Any) -> list[Figure]:
    longest = [seconds * 1000 for seconds, _ in report["longest"]]
    said = ", ".join(f"{seconds * 1000:.1f} ({whose})" for seconds, whose in report["longest"])
    print(f"Of the event loop: {report['callbacks']:,} callbacks, {report['seconds'] * 1000:.0f} ms; the longest, in ms: {said}.")
    parts = "; ".join(
        f"{name} {on * 1000:.0f} ms on it, {off * 1000:.0f} ms beside it" for name, (on, off) in report["parts"].items()
    )
    return [
        Figure(
            f"longest callback of the event loop, {AT_ONCE} uploads at once (CPU)",
            longest[:1],
            "ms",
            Promise(20, 20, at_most=True),
            parts,
        ),
        Figure("  by the clock, neighbours and other threads included", [report["clock"] * 1000], "ms"),
    ]


async def _refused(scene: Scene, content: bytes) -> Refused:
    """With both workers in hand, so that it is certain whose the upload is."""
    from adapters.intake import LEAST_SECONDS

    for worker in scene.api.picture_workers:
        os.kill(worker, signal.SIGSTOP)
    began = time.perf_counter()
    answers = [asyncio.create_task(scene.upload(content)) for _ in range(2)]
    await asyncio.sleep(1)
    victim, other = scene.api.picture_workers
    killed = time.perf_counter()
    os.kill(victim, signal.SIGKILL)
    done, frozen = await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
    after_death = time.perf_counter() - killed
    answer, seconds = await frozen.pop()
    after_time = seconds - max(LEAST_SECONDS, 20 * SIDES[0] * SIDES[1] / 50_000_000)
    with suppress(ProcessLookupError):
        os.kill(other, signal.SIGCONT)
    statuses = {answer.status, *(each.result()[0].status for each in done)}
    if statuses != {422} or time.perf_counter() - began > 30:
        raise BooksWrong(f"uploads without a worker were answered {statuses}")
    return Refused(after_death * 1000, after_time * 1000)


def _by_hand(content: bytes) -> float:
    """Seconds of the work that cannot be saved."""
    began = time.perf_counter()
    with Image.open(io.BytesIO(content)) as picture:
        ImageOps.exif_transpose(picture).save(io.BytesIO(), "JPEG", quality=95, subsampling=0)
    return time.perf_counter() - began


def _most(pid: int) -> float:
    """Megabytes resident at most so far."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024
