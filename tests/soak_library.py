"""Random acts on libraries, by way of HTTP and against a model, until time is up."""

import logging
import time
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.http_house import house
from tests.library_machine import library_machine
from tests.soak_promises import LIBRARY, promised

EXAMPLES, STEPS = 10, 40


def soak_library(start: int, deadline: float, database_url: str, folder: Path) -> dict[str, int]:
    """How many libraries were played with, and in how many steps."""
    counts = Counter[str]()
    logging.getLogger("httpx").setLevel(logging.WARNING)  # thousands of requests, each a line
    with house(database_url, folder) as served:
        while not counts or time.monotonic() < deadline:
            with promised(LIBRARY):
                play(library_machine(served), start + 1_000 * counts["rounds"], EXAMPLES, STEPS, counts)
            counts["rounds"] += 1
    return dict(counts)


def play(machine: type[RuleBasedStateMachine], start: int, examples: int, steps: int, counts: Counter[str]) -> None:
    """Raises AssertionError with the shortest way there, in the machine's own words."""

    class Counted(machine):  # type: ignore[misc, valid-type]  # made at run time, for this house
        def teardown(self) -> None:
            super().teardown()
            counts["libraries"] += 1
            counts["generations"] += len(self.model.kept)

    run = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    seed(start)(Counted)
    run_state_machine_as_test(Counted, settings=run)
