"""What the random suites promise, how often each is to be kept before it counts as met, and the table that says how far it is."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

A_NAME, A_PAIR = 50, 10
"""How often a process dies at points of one name, and at one point of one scenario."""
MOMENTS, ENOUGH_MOMENTS = "kills at any moment", 1_000
WORKER_KILLED = "worker killed at a point: the exact end, calls, charge, in time"
API_KILLED = "API killed at a point, asked again: one generation, hold, charge"
ANY_MOMENT = "workers killed at any moment: all end, ≤ 2 perhaps paid, books clean"
FOLLOWER_KILLED = "worker killed at a point while it follows hints: the same ledger"
HEARER_KILLED = "API killed at a point of a webhook, told again: the same ledger"
WEBHOOKS_KILLED = "worker killed around a send: every committed webhook arrives, under one id"
FROZEN = "frozen past its lease, another finishes, wakes: 0 stale writes"
RESTARTED = "Postgres restarted under load: no fact lost or doubled"
BACK = "workers back ≤ 10 s after their last open call"
DEPLOYED = "rolling restart with long jobs: 0 aborted, 0 repeated calls"
API_GONE = "API killed under the SDK's calls: as many generations and charges as intents"
CLIENT_GONE = "client killed mid-call: its picture is in the history, charged once"
LIBRARY = "libraries, whatever is done in whatever order: exactly the right set"
Counts = Mapping[str, int]


class Broken(AssertionError):
    """A promise was broken; `promise` is its name."""

    def __init__(self, promise: str, what: str) -> None:
        super().__init__(what)
        self.promise = promise


@contextmanager
def promised(words: str) -> Iterator[None]:
    """What fails inside breaks this promise and no other."""
    try:
        yield
    except Broken:
        raise
    except (AssertionError, TimeoutError) as error:
        raise Broken(words, str(error) or repr(error)) from error


@dataclass(frozen=True, slots=True)
class Promise:
    """`runs` so far and, where there is a target, how much of it is `done`; `figures` are shown beside."""

    words: str
    runs: Callable[[Counts], int]
    target: int | None = None
    done: Callable[[Counts], int] | None = None
    figures: Callable[[Counts], str] = lambda _: ""

    def verdict(self, counts: Counts) -> str:
        if self.target is None:
            return "held"
        done = (self.done or self.runs)(counts)
        return "met" if done >= self.target else f"held, {done:,} of {self.target:,}"


def of(*names: str) -> Callable[[Counts], int]:
    return lambda counts: sum(counts.get(name, 0) for name in names)


def said(*names: str) -> Callable[[Counts], str]:
    return lambda counts: ", ".join(f"{counts[name]:,} {name}" for name in names if counts.get(name))


def beginning(start: str) -> Callable[[Counts], int]:
    return lambda counts: sum(count for name, count in counts.items() if name.startswith(start))


def files_sent(counts: Counts) -> int:
    """Of the suite `uploads`, which counts by class and ending."""
    return sum(count for name, count in counts.items() if ": " in name)


def points(role: str, counts: Counts) -> tuple[Counter[str], Counter[str]]:
    """Deaths by the point's name, and by the point of one scenario."""
    names, pairs = Counter[str](), Counter[str]()
    for key, count in counts.items():
        if key.startswith(f"{role}|"):
            _, scenario, point = key.split("|")
            names[point] += count
            pairs[f"{scenario}: {point}"] += count
    return names, pairs


def least(role: str) -> Callable[[Counts], int]:
    return lambda counts: min(points(role, counts)[0].values(), default=0)


def least_pair(role: str) -> Callable[[Counts], int]:
    return lambda counts: min(points(role, counts)[1].values(), default=0)


def points_said(role: str, *more: str) -> Callable[[Counts], str]:
    def figures(counts: Counts) -> str:
        names, pairs = points(role, counts)
        if not pairs:
            return ""
        rest = said(*more)(counts)
        fewest = f"{len(names)} points, each ≥ {min(names.values())}; {len(pairs)} by scenario, each ≥ {min(pairs.values())}"
        return f"{fewest}; {rest}" if rest else fewest

    return figures


PROMISES: dict[str, tuple[Promise, ...]] = {
    "ledger": (Promise("the books hold after every command", of("commands"), figures=said("histories")),),
    "store": (Promise("and in Postgres", of("commands"), figures=said("histories")),),
    "use-cases": (Promise("customers, staff, workers, housekeeper: dying anywhere", of("steps"), figures=said("histories")),),
    "timelines": (Promise("the paid call, in any order of events", of("steps"), figures=said("timelines")),),
    "hints": (Promise("in any order, twice, late or never: one ledger", of("lives"), 10_000, figures=said("hints")),),
    "library": (Promise(LIBRARY, of("libraries"), 1_000, figures=said("generations")),),
    "webhooks": (
        Promise("forged, old or malformed: 0 taken, 0 of ours to blame", beginning("forged: "), 100_000,
                figures=lambda counts: _some(counts)),
        Promise("what is signed and whole is taken, and the inbox holds no more", beginning("signed: ")),
    ),
    "webhooks-out": (
        Promise(WEBHOOKS_KILLED, of("webhooks that passed a kill"), 1_000,
                figures=said("webhooks", "kills at a point", "kills at any moment", "sent twice or more")),
    ),
    "billing": (Promise("timelines of Stripe in any order: the ledger by hand", of("permutations"), 10_000,
                figures=said("deliveries")),),
    "billing-kills": (
        Promise(FOLLOWER_KILLED, beginning("worker|"), 1, least_pair("worker"), points_said("worker")),
        Promise(HEARER_KILLED, beginning("api|"), 1, least_pair("api"), points_said("api")),
    ),
    "uploads": (
        Promise("a hostile file harms nothing: no 5xx, no death, no growth, no trace", files_sent, 500_000,
                figures=lambda counts: _uploads_said(counts)),
    ),
    "media-kills": (
        Promise("killed around puts and deletes: after one sweep 0 rows without object, 0 orphans", beginning("kill"), 5_000,
                figures=lambda counts: _deaths_said(counts)),
    ),
    "joins": (
        Promise(API_GONE, of("API kills"), 100, figures=said("intents")),
        Promise(CLIENT_GONE, of("client kills"), 100),
    ),
    "crash": (
        Promise(
            WORKER_KILLED,
            beginning("worker|"),
            A_NAME,
            least("worker"),
            points_said("worker", "worst milliseconds to the end"),
        ),
        Promise(
            API_KILLED,
            beginning("api|"),
            A_NAME,
            least("api"),
            points_said("api"),
        ),
        Promise(
            ANY_MOMENT,
            of(MOMENTS),
            ENOUGH_MOMENTS,
            figures=said("generations", "second calls", "generations failed"),
        ),
    ),
    "stops": (
        Promise(FROZEN, of("stops"), 500,
                figures=said("calls taken over")),
    ),
    "restarts": (
        Promise(RESTARTED, of("fast restarts", "immediate restarts"), 30,
                figures=said("fast restarts", "immediate restarts", "generations", "answers 503")),
        Promise(BACK, of("workers back"), 30,
                figures=said("worst milliseconds until back")),
    ),
    "deploys": (
        Promise(DEPLOYED, of("deploys"), 100,
                figures=said("calls", "calls out at a deploy")),
    ),
    "api": (
        Promise("the document is what is answered; no 500", of("cases"), 500_000,
                figures=lambda counts: f"{counts.get('cases', 0) / max(counts.get('seconds', 0), 1):,.0f} a second"),
        Promise("and what is no HTTP at all", beginning("raw: ")),
    ),
    "faults": (Promise("nothing acknowledged is lost or doubled", beginning("faults: "),
                figures=said("generations", "second calls")),),
}  # fmt: skip
"""By suite."""
PROMISES["crash-s3"] = PROMISES["crash"]


def _uploads_said(counts: Counts) -> str:
    taken = sum(count for name, count in counts.items() if name.endswith(": taken"))
    rate = files_sent(counts) / max(counts.get("seconds", 0), 1)
    return f"{taken:,} taken, {rate:,.0f} a second; {said('worst kilobytes the API grew by')(counts)}"


def _deaths_said(counts: Counts) -> str:
    acts = {name.rpartition(": ")[0] for name in counts if name.startswith("kill: ")}
    real = beginning("kill -9")(counts)
    return f"{real:,} of real processes, {len([n for n in counts if n.startswith('kill: ')])} points of {len(acts)} acts"


def _some(counts: Counts) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in Counter(counts).most_common(3))


def merged(kept: Counts, new: Counts) -> dict[str, int]:
    """Sums; the worst of what begins with `worst`. A point nobody knows any more is forgotten."""
    roles = {name.split("|")[0] for name in new if "|" in name} - {"end"}
    both = {name: count for name, count in kept.items() if name.split("|")[0] not in roles or name in new}
    for name, count in new.items():
        both[name] = max(both.get(name, 0), count) if name.startswith("worst") else both.get(name, 0) + count
    return both


@dataclass(frozen=True, slots=True)
class Row:
    """`broken`: by promise, empty for all; None if nothing was. `words`: what it said."""

    suite: str
    counts: Counts
    seed: int
    seconds: float
    broken: str | None = None
    words: str = ""


def show_points(counts: Counts) -> None:
    """Where processes have died, and what came of it."""
    table = Table("scenario", "point", "deaths", "ends", box=box.SIMPLE)
    ends: dict[tuple[str, ...], list[str]] = {}
    for name, count in counts.items():
        if name.startswith("end|"):
            _, scenario, point, end = name.split("|")
            ends.setdefault((scenario, point), []).append(f"{end} ({count:,})")
    for (scenario, point), seen in sorted(ends.items()):
        deaths = sum(counts.get(f"{role}|{scenario}|{point}", 0) for role in ("worker", "api"))
        table.add_row(scenario, point, f"{deaths:,}", "\n".join(seen))
    Console(width=200).print(table)


def show(rows: list[Row]) -> None:
    table = Table("promise", "runs so far", "figure", "verdict", "seed", box=box.SIMPLE)
    for row in rows:
        for promise in PROMISES[row.suite]:
            is_broken = row.broken is not None and row.broken in ("", promise.words)
            verdict = "BROKEN" if is_broken else promise.verdict(row.counts)
            runs = f"{promise.runs(row.counts):,}"
            table.add_row(f"{row.suite}: {promise.words}", runs, promise.figures(row.counts), verdict, str(row.seed))
    Console(width=200).print(table)
    for row in rows:
        if row.words:
            print(f"{row.suite}: seed {row.seed} failed\n{row.words}")
