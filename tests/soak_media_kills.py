"""The media-kills suite: deaths around puts and deletes, most of them in this process at a named call, some of real processes."""

import asyncio
import random
import signal
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psycopg

from domain.accounts import Mode
from tests.clusters import migrated_postgres, new_database
from tests.forks import Fork, Forks, zygote
from tests.hostile_files import BOUNDARY, form
from tests.kill_stage import OnePool, shared_pictures, together
from tests.media_kills import ACTS, PICTURES, Fate, Fated, Mortal
from tests.service import Customer, customer
from tests.soak_uploads import quick_folder
from tests.upload_line import Line, LineLost
from tests.world import world

LANES = 3
BATCH = 60
"""Acts between two looks at what is left."""
PAINTED = 3
LINES = 6
ENDING_SECONDS = 8.0


async def soak_media_kills(seed: int, deadline: float, folder: Path) -> dict[str, int]:
    """Deaths by act and point. Raises AssertionError naming the seed."""
    counts = Counter[str]()
    with quick_folder(folder) as home, migrated_postgres(home / "postgres") as postgres, zygote(home) as forks:
        async with shared_pictures() as pictures:
            killing = [
                die_at_calls(new_database(postgres), home / f"called-{lane}", pictures, f"{seed} {lane}", deadline, counts)
                for lane in range(LANES)
            ]
            killing += [die_at_moments(forks, new_database(postgres), home / "killed", pictures, seed, deadline, counts)]
            try:
                await together(*killing)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}: {error}") from error
    return counts


@asynccontextmanager
async def mortal(url: str, folder: Path, pictures: OnePool, draw: random.Random) -> AsyncIterator[Mortal]:
    fate = Fate()
    folder.mkdir(exist_ok=True)
    async with (
        world(url, folder, pictures, Fated(fate), database_connections=4, open_generations=1_000) as service,
        await psycopg.AsyncConnection.connect(url, autocommit=True) as connection,
    ):
        caller = await service.caller(credits=1_000_000)
        yield Mortal(service, caller, fate, draw, folder, connection)


async def die_at_calls(url: str, folder: Path, pictures: OnePool, seed: str, deadline: float, counts: Counter[str]) -> None:
    async with mortal(url, folder, pictures, random.Random(seed)) as doomed:
        await learn(doomed)
        while time.monotonic() < deadline:
            await die_often(doomed, BATCH, counts)


async def learn(doomed: Mortal) -> None:
    """Which calls each act makes."""
    for act in ACTS:
        await doomed.paints(1)
        for _ in range(2):
            await doomed.uploads()
        await doomed.does(act, Counter(), dies=False)


async def die_often(doomed: Mortal, acts: int, counts: Counter[str]) -> None:
    await doomed.paints(PAINTED)
    for act in doomed.draw.choices(list(ACTS), list(ACTS.values()), k=acts):
        await doomed.does(act, counts)
    await doomed.recovers()
    await doomed.check()
    counts["looks at what was left"] += 1


class Traffic:
    """Callers who bring pictures in, have copies made, have them packed and delete them, whoever answers."""

    def __init__(self, port: int, who: Customer, draw: random.Random) -> None:
        self._port, self._who, self.draw = port, who, draw
        self.over = asyncio.Event()
        self._kept = list[str]()
        self.answers = Counter[int]()

    async def until(self, deadline: float) -> None:
        await together(*(self._one(Line("127.0.0.1", self._port, self._who.key), deadline) for _ in range(LINES)))
        self.over.set()

    async def _one(self, line: Line, deadline: float) -> None:
        try:
            while time.monotonic() < deadline:
                with suppress(LineLost, ConnectionError):
                    await self._ask(line)
        finally:
            await line.close()

    async def _ask(self, line: Line) -> None:
        what = self.draw.random()
        if what < 0.5 or not self._kept:
            answer = await line.upload(form(self.draw.choice(PICTURES)), BOUNDARY)
            if answer.status == 201:
                self._kept.append(answer.told["id"])
        elif what < 0.85:
            answer = await line.ask(f"DELETE /v1/media/{self._kept.pop()}".encode())
        elif what < 0.95:
            answer = await line.ask(f"GET /v1/media/{self.draw.choice(self._kept)}/content?format=webp".encode())
        else:
            body = b'{"assets":["%s"]}' % self.draw.choice(self._kept).encode()
            headers = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            answer = await line.ask(b"POST /v1/media/archive", headers, body)
        assert answer.status < 500 or answer.status == 503, f"{answer.status}: {answer.body[:300]!r}"
        self.answers[answer.status] += 1


async def die_at_moments(
    forks: Forks, url: str, folder: Path, pictures: OnePool, seed: int, deadline: float, counts: Counter[str]
) -> None:
    """kill -9 of API and worker while they are asked for much; then others heal it."""
    draw = random.Random(f"{seed} moments")
    async with mortal(url, folder, pictures, draw) as heir:
        who = await customer(heir.service, 0, Mode.TEST)
        stop = max(deadline - ENDING_SECONDS, time.monotonic() + 10)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            traffic = Traffic(listener.getsockname()[1], who, draw)
            await together(traffic.until(stop), _kill(forks, url, folder, listener, traffic, stop, counts))
        assert traffic.answers[201] > 5, f"hardly anything was taken in: {traffic.answers}"
        await heir.recovers()
        await heir.check()
        counts["looks at what was left"] += 1
        counts["answers while processes died"] += traffic.answers.total()


async def _kill(
    forks: Forks, url: str, folder: Path, listener: socket.socket, traffic: Traffic, stop: float, counts: Counter[str]
) -> None:
    draw, said = traffic.draw, {"DATABASE_URL": url, "PICTURE_WORKERS": "1", "DATABASE_CONNECTIONS": "4"}

    def start(name: str) -> Fork:
        return forks.start(name, folder, said, listener if name == "api" else None)

    running = {name: start(name) for name in ("api", "worker")}
    try:
        while time.monotonic() < stop:
            name = draw.choice(("api", "api", "worker"))
            await asyncio.sleep(draw.uniform(0.6, 1.6))
            running[name].signal(signal.SIGKILL)
            counts[f"kill -9: {name}"] += 1
            running[name].kill()
            running[name] = start(name)
        await traffic.over.wait()  # the last API answers whoever still waits
    finally:
        for each in running.values():
            each.kill()
