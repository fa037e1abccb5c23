"""The random suites: for as long as one likes (`python -m tests.soak run ledger --minutes 30`), or a slice of each (`verify`).

Each suite resumes where it stopped: `.soak/<suite>.json` keeps the next seed and the sums. A failure names its seed, which comes
again first until it holds; `--seed` runs one alone.
"""

import asyncio
import json
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from tests import soak_suites
from tests.soak_promises import Row, merged, show, show_points

Play = Callable[[int, float, Path, Mapping[str, int]], Coroutine[Any, Any, dict[str, int]]]
"""A seed, when to stop (monotonic), a folder of its own, and the sums so far, to counts of what was done."""


@dataclass(frozen=True, slots=True)
class Suite:
    """`verify`: minutes in `make verify`; None: it has no part in it. `slice`: seconds with one seed; suites that start a
    deployment take longer ones."""

    play: Play
    verify: float | None
    slice: float = 60.0


SUITES: dict[str, Suite] = {
    "ledger": Suite(soak_suites.ledger, 0.5),
    "store": Suite(soak_suites.store, 1.0),
    "use-cases": Suite(soak_suites.use_cases, 1.0),
    "timelines": Suite(soak_suites.timelines, 0.65),
    "hints": Suite(soak_suites.hints, 0.5),
    "webhooks": Suite(soak_suites.webhooks, 0.5),
    "webhooks-out": Suite(soak_suites.webhooks_out, 0.75, 300.0),
    "billing": Suite(soak_suites.billing, 0.75, 300.0),
    "billing-kills": Suite(soak_suites.billing_kills, 1.0, 300.0),
    "library": Suite(soak_suites.library, 0.5, 120.0),
    "uploads": Suite(soak_suites.uploads, 0.7, 300.0),
    "media-kills": Suite(soak_suites.media_kills, 0.75, 120.0),
    "joins": Suite(soak_suites.joins, 0.75, 120.0),
    "crash": Suite(soak_suites.crash, 2.5, 300.0),
    "crash-s3": Suite(soak_suites.crash_s3, None, 300.0),
    "stops": Suite(soak_suites.stops, 1.0, 300.0),
    "restarts": Suite(soak_suites.restarts, 1.5, 300.0),
    "deploys": Suite(soak_suites.deploys, 1.0, 300.0),
    "api": Suite(soak_suites.api, 1.75, 300.0),
    "faults": Suite(soak_suites.faults, 1.4),
}

KEPT = Path(".soak")


@click.group()
def main() -> None:
    """Random suites."""


@main.command()
@click.argument("suite", type=click.Choice([*SUITES, "all"]))
@click.option("--minutes", default=5.0, show_default=True)
@click.option("--seed", type=int, help="run this seed alone")
def run(suite: str, minutes: float, seed: int | None) -> None:
    """Run one suite, adding to its sums."""
    names = list(SUITES) if suite == "all" else [suite]
    if seed is None:
        _conclude([_resume(name, minutes * 60) for name in names])
    else:
        _conclude([_slice(name, seed, minutes * 60, {}) for name in names])


@main.command()
@click.option("--scale", default=1.0, show_default=True, help="of the time each suite gets")
def verify(scale: float) -> None:
    """A time slice of every suite, seeded by the commit."""
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    seed = int((head or "0")[:8], 16)
    _conclude(
        [_slice(name, seed, (suite.verify or 0) * 60 * scale, {}) for name, suite in SUITES.items() if suite.verify is not None]
    )


@main.command()
def points() -> None:
    """Where the crash suite has killed, how often, and what came of it."""
    show_points(json.loads((KEPT / "crash.json").read_text())["counts"])


def _conclude(rows: list[Row]) -> None:
    show(rows)
    if any(row.broken is not None for row in rows):
        raise SystemExit(1)


def _resume(name: str, seconds: float) -> Row:
    KEPT.mkdir(exist_ok=True)
    file = KEPT / f"{name}.json"
    kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {"seed": 1, "seconds": 0.0, "counts": {}}
    end = time.monotonic() + seconds
    while True:
        row = _slice(name, kept["seed"], min(SUITES[name].slice, end - time.monotonic()), kept["counts"])
        kept["seconds"] += row.seconds
        if row.broken is None:
            kept["counts"], kept["seed"] = merged(kept["counts"], row.counts), kept["seed"] + 1
        file.write_text(json.dumps(kept, indent=1))
        if row.broken is not None or end - time.monotonic() < SUITES[name].slice / 10:
            return replace(row, counts=kept["counts"], seconds=kept["seconds"])


def _slice(name: str, seed: int, seconds: float, kept: Mapping[str, int]) -> Row:
    began = time.monotonic()
    broken, words, counts = None, "", dict[str, int]()
    with tempfile.TemporaryDirectory(prefix="gpt-image-soak-", ignore_cleanup_errors=True) as folder:
        try:
            counts = asyncio.run(SUITES[name].play(seed, began + seconds, Path(folder), kept))
        except Exception as error:
            broken, words = getattr(error, "promise", ""), "".join(traceback.format_exception(error))
    took = time.monotonic() - began
    click.echo(f"{name}: seed {seed}, {took:.0f} s: {sum(counts.values()):,} counted{', then it failed' if words else ''}")
    if broken is None and not sum(counts.values()):
        raise SystemExit(f"{name}: nothing was run")
    return Row(name, counts, seed, took, broken, words)


if __name__ == "__main__":
    main()
