"""`python -m bench [--json] [--rounds N] [--seconds S] [--only PART ...] [--share S]
[--past JOBS] [--s3]`.

Exit code 1: a promise was missed, or what was measured was not right. 2: something is missing on this machine.
"""

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bench import access, calls, claims, fairness, library, pickup, requests, streams, sync, uploads, webhooks
from bench.books import BooksWrong
from bench.figures import Figure, show
from bench.floor import NoPgbench
from bench.gauges import neighbours
from bench.stage import load_average, objects, temporary_folder

PARTS: Mapping[str, Callable[[Path, argparse.Namespace], list[Figure]]] = {
    "requests": lambda folder, options: requests.measure(folder, options.rounds, options.seconds),
    "claims": lambda folder, options: claims.measure(folder),
    "pickup": lambda folder, options: pickup.measure(folder, options.share, options.past),
    "fairness": lambda folder, options: fairness.measure(folder, options.share),
    "calls": lambda folder, options: calls.measure(folder),
    "uploads": lambda folder, options: uploads.measure(folder, options.rounds, options.share),
    "access": lambda folder, options: access.measure(folder, options.rounds, options.share),
    "sync": lambda folder, options: sync.measure(folder, options.rounds, options.seconds),
    "streams": lambda folder, options: streams.measure(folder, options.share),
    "library": lambda folder, options: library.measure(folder, options.share),
    "webhooks": lambda folder, options: webhooks.measure(folder, options.rounds, options.seconds, options.share),
}

USUAL = [part for part in PARTS if part != "library"]
"""Ten million rows take half an hour, and twenty gigabytes."""


def main() -> int:
    options = _options()
    began, load = time.monotonic(), load_average()
    # With --json standard output is for the one document; what is said on the way goes beside it.
    with contextlib.redirect_stdout(sys.stderr if options.json else sys.stdout):
        try:
            figures = _measure(options)
        except NoPgbench as error:
            print(f"bench: {error}", file=sys.stderr)
            return 2
        except BooksWrong as error:
            print(f"bench: nothing was measured, for what was written is wrong: {error}", file=sys.stderr)
            return 1
    took = f"{time.monotonic() - began:.0f} s, load average {load} before and {load_average()} after"
    if options.json:
        print(json.dumps({"took": took, "figures": [figure.plain() for figure in figures]}, indent=2))
    else:
        show(figures, f"One run: {took}. Ratios are of one round; the median of the rounds counts.")
    return 1 if any(figure.verdict == "MISSED" for figure in figures) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    parser.add_argument("--rounds", type=int, default=4, help="floor, spread, hot: so many times in turn")
    parser.add_argument("--seconds", type=float, default=5, help="length of each part of a round")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=USUAL, help="some parts of it")
    parser.add_argument("--share", type=float, default=1.0, help="part of the samples and of the jobs, for a quick look")
    parser.add_argument(
        "--past", type=int, default=100_000, help="jobs that the aged job table has seen; a million take ten minutes"
    )
    parser.add_argument("--s3", action="store_true", help="the service's objects at an S3 of this run, and not in files")
    return parser.parse_args()


def _measure(options: argparse.Namespace) -> list[Figure]:
    figures: list[Figure] = []
    for part in options.only:
        with temporary_folder() as folder, objects(s3=options.s3), neighbours() as taken:
            figures += PARTS[part](folder, options)
        figures.append(Figure(f"cores kept busy by others during part {part}", taken, f"of {os.cpu_count()}"))
    promised = [figure for figure in figures if figure.promise]
    return promised + [figure for figure in figures if not figure.promise]


if __name__ == "__main__":
    sys.exit(main())
