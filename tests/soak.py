"""The random suites: for as long as one likes (`python -m tests.soak run ledger --minutes 30`), or a slice of each (`verify`).

Each suite resumes where it stopped: `.soak/<suite>.json` keeps the next seed and the sums. A failure names its seed; `--seed`
runs that one again.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click

from tests import soak_suites

Suite = Callable[[int, float, Path], Coroutine[Any, Any, dict[str, int]]]

SUITES: dict[str, tuple[Suite, float]] = {
    "ledger": (soak_suites.ledger, 1.0),
    "store": (soak_suites.store, 2.0),
    "use-cases": (soak_suites.use_cases, 1.5),
    "timelines": (soak_suites.timelines, 1.0),
    "uploads": (soak_suites.uploads, 1.5),
    "crash": (soak_suites.crash, 3.0),
    "api": (soak_suites.api, 2.0),
    "faults": (soak_suites.faults, 2.0),
}
"""Each suite, and the minutes it gets in `make verify`."""

KEPT = Path(".soak")
SLICE_SECONDS = 60.0


@click.group()
def main() -> None:
    """Random suites."""


@main.command()
@click.argument("suite", type=click.Choice([*SUITES, "all"]))
@click.option("--minutes", default=5.0, show_default=True)
@click.option("--seed", type=int, help="run this seed alone")
def run(suite: str, minutes: float, seed: int | None) -> None:
    """Run one suite, adding to its sums."""
    for name in SUITES if suite == "all" else (suite,):
        if seed is not None:
            _show(name, seed, _slice(name, seed, minutes * 60), 0)
        else:
            _resume(name, minutes * 60)


@main.command()
@click.option("--scale", default=1.0, show_default=True, help="of the time each suite gets")
def verify(scale: float) -> None:
    """A time slice of every suite, seeded by the commit."""
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    seed = int((head or "0")[:8], 16)
    for name, (_, minutes) in SUITES.items():
        began = time.monotonic()
        _show(name, seed, _slice(name, seed, minutes * 60 * scale), time.monotonic() - began)


def _resume(name: str, seconds: float) -> None:
    KEPT.mkdir(exist_ok=True)
    file = KEPT / f"{name}.json"
    kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {"seed": 1, "seconds": 0.0, "counts": {}}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        counts = _slice(name, kept["seed"], min(SLICE_SECONDS, end - began))
        kept["counts"] = dict(Counter(kept["counts"]) + Counter(counts))
        kept["seed"], kept["seconds"] = kept["seed"] + 1, kept["seconds"] + time.monotonic() - began
        file.write_text(json.dumps(kept))
        _show(name, kept["seed"] - 1, kept["counts"], kept["seconds"])


def _slice(name: str, seed: int, seconds: float) -> dict[str, int]:
    suite, _ = SUITES[name]
    with tempfile.TemporaryDirectory(prefix="gpt-image-soak-") as folder:
        try:
            return asyncio.run(suite(seed, time.monotonic() + seconds, Path(folder)))
        except AssertionError as error:
            click.echo(f"{name}: seed {seed} failed\n{error}", err=True)
            sys.exit(1)


def _show(name: str, seed: int, counts: dict[str, int], seconds: float) -> None:
    sums = ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items()))
    click.echo(f"{name}: seed {seed}, {seconds:.0f} s: {sums}")
    if not sum(counts.values()):
        raise SystemExit(f"{name}: nothing was run")


if __name__ == "__main__":
    main()
