"""`POST /v1/images/generations` of the service as it ships, beside the same request to the provider itself, who answers at once.

All that a picture goes through is in the way: key, rates, hold, wake-up, lease, intent, what the moderator says of prompt and
picture, the call, the signature, the object and its manifest, the capture, the answer. Settings are the default ones, but for
rates and open generations, and objects are files; then the same with no moderator. Thumbnails are made meanwhile, of what was
answered before. Memory is resident pages of the process itself at most, less those at rest.
"""

import asyncio
import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

from bench.books import BooksWrong, audit_whole
from bench.customers import seed
from bench.figures import Figure, Promise, percentile
from bench.gauges import cpu_seconds, resident, tree_cpu_seconds, yardstick
from bench.stage import durable_postgres, postmaster, running, wait_until_ready
from bench.sync_client import Order, Tally
from bench.sync_provider import LARGE, USUAL, picture, upstream
from domain.accounts import Mode
from tests.processes import until
from tests.service import free_port

CUSTOMERS = 64
CONNECTIONS = (1, 8, 64)
LARGE_CONNECTIONS = 4
REST_SECONDS = 3
ADDED, ANSWERS = Promise(25, 12, at_most=True), Promise(40, 100)
PROMPT = "A lighthouse keeper's kitchen at dawn, copper pans above a blue tiled stove, rain on the window"

_SIGNED = "SELECT count(*) FROM assets WHERE kind = 'output' AND marking = 'signed'"
_CAPTURED = "SELECT count(*) FROM holds WHERE state = 'captured'"
_SKETCHED = "SELECT count(*) FROM assets WHERE thumbnail = 'made'"
_UNSKETCHED = "SELECT count(*) FROM assets WHERE thumbnail IS NULL"


@dataclass(frozen=True, slots=True)
class Round:
    """One stretch of one kind. CPU in milliseconds per answer, by process; memory in megabytes, at rest and at most."""

    p50: float
    p99: float
    per_second: float
    size: int
    cpu: Mapping[str, float]
    sketched: float
    memory: Mapping[str, tuple[float, float]]


@dataclass(slots=True)
class Traffic:
    """The service under measurement, the provider behind it, and all that was asked of both."""

    service: int
    provider: int
    pids: Mapping[str, int]
    keys: Sequence[str]
    database_url: str
    judgements: int
    answered: int = 0

    def ask(self, connections: int, seconds: float, size: str = USUAL, *, direct: bool = False, least: int = 1) -> Round:
        body = {"model": "gpt-image-2", "prompt": PROMPT, "n": 1, "size": size, "quality": "low", "output_format": "png"}
        port = self.provider if direct else self.service
        order = Order(port, list(self.keys), json.dumps(body), connections, seconds, least)
        before, sketched = self._cpu(), self._sketched()
        rest = self.memory()
        with _most({name: self.pids[name] for name in rest}) as most:
            tally = _call(order)
        grown = {name: (rest[name], most[name]) for name in rest}
        after, times = self._cpu(), sorted(tally.milliseconds)
        if tally.odd:
            raise BooksWrong(f"not every answer was 200: {tally.odd}")
        count = len(times)
        self.answered += 0 if direct else count
        cpu = {name: (after[name] - before[name]) / count * 1000 for name in before}
        sketched = (self._sketched() - sketched) / count
        return Round(percentile(times, 50), percentile(times, 99), count / tally.seconds, tally.size, cpu, sketched, grown)

    def _cpu(self) -> dict[str, float]:
        """Seconds so far. Picture workers are children of the worker's; the API has some of its own, who have nothing to do."""
        worker = self.pids["worker"]
        own = cpu_seconds(worker)
        return {
            "API": cpu_seconds(self.pids["API"]),
            "worker": own,
            "picture workers": tree_cpu_seconds(worker) - own,
            "Postgres": tree_cpu_seconds(self.pids["Postgres"]),
            "provider": cpu_seconds(self.pids["provider"]),
        }

    def rest(self) -> None:
        """Until all thumbnails are there, and a little longer: whoever asks next has the machine to himself."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            until(lambda: not _number(connection, _UNSKETCHED), "the thumbnails", 120)
        time.sleep(REST_SECONDS)

    def memory(self) -> dict[str, float]:
        return {name: resident(self.pids[name]) for name in ("API", "worker")}

    @property
    def judged(self) -> int:
        """So far, whoever asked."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.provider}/counts", timeout=10) as answer:
            return int(json.load(answer)["judged"])

    def _sketched(self) -> float:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return _number(connection, _SKETCHED)


def measure(folder: Path, rounds: int, seconds: float) -> list[Figure]:
    pictures = {size: folder / f"{size}.png" for size in (USUAL, LARGE)}
    for size, file in pictures.items():
        file.write_bytes(picture(size))
    with upstream(pictures) as provider:
        with _service(folder / "judged", provider) as traffic:
            figures = _measure(traffic, rounds, seconds)
        with _service(folder / "unjudged", provider, MODERATION="off", MODERATE_OUTPUTS="off") as traffic:
            ours, theirs = _rounds(traffic, (1, 8), rounds, seconds)
    return [*figures, *_unjudged(ours, theirs)]


@contextmanager
def _service(folder: Path, provider: tuple[int, int], **settings: str) -> Iterator[Traffic]:
    """A service of its own; what was written is checked at the end."""
    folder.mkdir(mode=0o711)
    with durable_postgres(folder / "postgres") as postgres, ExitStack() as stack:
        customers = asyncio.run(seed(postgres.url, CUSTOMERS, Mode.LIVE))
        port = free_port()
        said = {
            "PORT": str(port),
            "OPEN_GENERATIONS": str(10**9),
            "OPENAI_API_KEY": "sk-bench",
            "OPENAI_BASE_URL": f"http://127.0.0.1:{provider[0]}/v1",
            **settings,
        }
        api = stack.enter_context(running("api", folder / "service", postgres.url, **said))
        worker = stack.enter_context(running("worker", folder / "service", postgres.url, **said))
        wait_until_ready(api, port)
        pids = {"API": api.process.pid, "worker": worker.process.pid, "Postgres": postmaster(postgres), "provider": provider[1]}
        keys = [customer.secret for customer in customers]
        traffic = Traffic(port, provider[0], pids, keys, postgres.url, 0 if settings else 2)
        before = traffic.judged
        traffic.ask(8, 2)
        yield traffic
        api.stop()
        worker.stop()
        _check(traffic, traffic.judged - before)
        lines, _ = asyncio.run(audit_whole(postgres.url))
    judged = "judged twice" if traffic.judgements else "not judged"
    print(f"{traffic.answered:,} answers, each of one call, {judged}, signed and captured in full;")
    print(f"the audit found nothing wrong in {lines:,} lines of the books.")


Rounds = Mapping[int, Sequence[Round]]
"""By connections."""


def _measure(traffic: Traffic, rounds: int, seconds: float) -> list[Figure]:
    yardsticks = [yardstick()]
    ours, theirs = _rounds(traffic, CONNECTIONS, rounds, seconds)
    yardsticks.append(yardstick())
    large = traffic.ask(LARGE_CONNECTIONS, 0, LARGE, least=2)
    return [
        *_figures(ours, theirs),
        *_memory(ours[64], 64),
        *_memory([large], LARGE_CONNECTIONS),
        Figure("yardstick: CPU of a fixed piece of Python", yardsticks, "ms"),
    ]


def _rounds(traffic: Traffic, connections: Sequence[int], rounds: int, seconds: float) -> tuple[Rounds, Rounds]:
    """Ours, and the direct call's, one after the other."""
    ours, theirs = dict[int, list[Round]](), dict[int, list[Round]]()
    for _ in range(rounds):
        for c in connections:
            theirs.setdefault(c, []).append(traffic.ask(c, seconds / 2, direct=True))
            traffic.rest()
            ours.setdefault(c, []).append(traffic.ask(c, seconds))
            traffic.rest()
    return ours, theirs


def _figures(ours: Rounds, theirs: Rounds) -> list[Figure]:
    added = {c: _added(ours[c], theirs[c]) for c in ours}
    rate = {c: [each.per_second for each in rounds] for c, rounds in ours.items()}
    size = f"{ours[1][0].size / 1e6:.2f} million bytes each; judged twice, signed, in files"
    figures = [
        Figure("synchronous answer beside the direct call, added p50, c = 1", added[1], "ms", ADDED, size),
        Figure("synchronous answers, c = 8", rate[8], "/s", ANSWERS),
    ]
    for c, rounds in ours.items():
        figures += [
            *([Figure(f"  added p50, c = {c}", added[c], "ms")] if c > 1 else []),
            *([Figure(f"  answers, c = {c}", rate[c], "/s")] if c != 8 else []),
            Figure(f"  p50, c = {c}", [each.p50 for each in rounds], "ms", note=_of_direct(rounds, theirs[c])),
            Figure(f"  CPU of an answer, c = {c}", [sum(each.cpu.values()) for each in rounds], "ms", note=_shares(rounds)),
        ]
    return figures


def _unjudged(ours: Rounds, theirs: Rounds) -> list[Figure]:
    cpu = [sum(each.cpu.values()) for each in ours[8]]
    return [
        Figure("synchronous answer that nobody judges, added p50, c = 1", _added(ours[1], theirs[1]), "ms"),
        Figure("synchronous answers that nobody judges, c = 8", [each.per_second for each in ours[8]], "/s"),
        Figure("  CPU of an answer that nobody judges, c = 8", cpu, "ms", note=_shares(ours[8])),
    ]


def _added(ours: Sequence[Round], theirs: Sequence[Round]) -> list[float]:
    return [a.p50 - b.p50 for a, b in zip(ours, theirs, strict=True)]


def _of_direct(rounds: Sequence[Round], direct: Sequence[Round]) -> str:
    p99 = ", ".join(f"{each.p99:.0f}" for each in rounds)
    floor = ", ".join(f"{each.p50:.1f} ms at {each.per_second:.0f}/s" for each in direct)
    return f"p99 {p99} ms; the direct call {floor}"


def _shares(rounds: Sequence[Round]) -> str:
    """Of the median round, by process, without the client's."""
    middle = sorted(rounds, key=lambda each: sum(each.cpu.values()))[len(rounds) // 2]
    said = ", ".join(f"{name} {spent:.1f}" for name, spent in middle.cpu.items())
    return f"{said}; {middle.sketched:.2f} thumbnails meanwhile"


def _memory(rounds: Sequence[Round], in_flight: int) -> list[Figure]:
    """Of the first round, before whose burst nothing was kept for the next one."""
    size, first = rounds[0].size, rounds[0].memory
    return [
        Figure(
            f"memory growth of the {name} ÷ JSON in flight, {in_flight} times {size / 1e6:.1f} million bytes",
            [(most - rest) * 2**20 / (in_flight * size)],
            "",
            Promise(2, 2, at_most=True),
            f"{rest:.0f} MB at rest, {most:.0f} MB at most",
        )
        for name, (rest, most) in first.items()
    ]


def _call(order: Order) -> Tally:
    patience = order.seconds + 120
    command = [sys.executable, "-m", "bench.sync_client"]
    done = subprocess.run(command, input=json.dumps(asdict(order)), capture_output=True, text=True, check=False, timeout=patience)
    if done.returncode:
        raise RuntimeError(f"the client failed: {done.stderr[-1500:]}")
    return Tally(**json.loads(done.stdout))


@contextmanager
def _most(pids: Mapping[str, int]) -> Iterator[dict[str, float]]:
    """Megabytes resident at most while the block lasts."""
    seen, over = dict.fromkeys(pids, 0.0), threading.Event()

    def look() -> None:
        while not over.wait(0.005):
            for name, pid in pids.items():
                seen[name] = max(seen[name], resident(pid))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()


def _check(traffic: Traffic, judged: int) -> None:
    """Raises BooksWrong."""
    with psycopg.connect(traffic.database_url) as connection:
        found = {"signed": _number(connection, _SIGNED), "captured": _number(connection, _CAPTURED)}
    if {*found.values()} != {traffic.answered} or judged != traffic.judgements * traffic.answered:
        raise BooksWrong(f"{traffic.answered} answers, but {found}, and judged {judged} times")


def _number(connection: "psycopg.Connection[tuple[int]]", statement: str) -> int:
    row = connection.execute(statement.encode()).fetchone()
    assert row
    return row[0]
