"""Random histories of use cases at full speed: no search, every step checked as in the machine.

A violation is cut down to the shortest history that still shows it before it is reported, with the seed that found it.
"""

import math
import random
import time
from collections.abc import Sequence

from tests import histories
from tests.histories import Step
from tests.ledger_history import SOURCES
from tests.use_cases_history import UseCaseHistory
from tests.use_cases_rules import ANSWERS
from tests.use_cases_stage import MakeStage

_WEIGHTS = {
    "grant": 4,
    "adjust": 2,
    "reverse": 3,
    "ask": 14,
    "perform": 30,
    "perform_blindly": 2,
    "be taken for dead": 4,
    "be told to wait": 3,
    "die over pictures": 3,
    "answer": 14,
    "renew": 3,
    "kill": 2,
    "cancel": 4,
    "delete": 4,
    "keep_house": 3,
    "sweep": 3,
    "advance": 12,
    "advance_to": 12,
}
_STEPS = 30
_IDIOMS: dict[str, list[Step]] = {
    "be taken for dead": [("perform", (0, None, None, None)), ("advance", (31.0,)), ("perform", (1, None, None, None))],
    "be told to wait": [("perform", (0, "busy", None, None)), ("advance", (41.0,))],
    "die over pictures": [("perform", (0, "all", None, 5))],
}
"""What a worker does in several steps."""


def soak_use_cases(seed: int, deadline: float, make: MakeStage, *, most: float = math.inf) -> dict[str, int]:
    """Run histories until `time.monotonic()` reaches `deadline`, or so many. AssertionError, with seed and history, on a
    violation."""
    count = steps = 0
    while time.monotonic() < deadline and count < most:
        history = history_of(seed, count)
        if broken := run(history, make):
            told = histories.told(shortest(history, make))
            raise AssertionError(f"seed {seed}, history {count}: {broken!r}\n{told}") from broken
        count, steps = count + 1, steps + len(history)
    return {"histories": count, "steps": steps}


def history_of(seed: int, number: int) -> list[Step]:
    """The `number`-th history of a seed, always the same."""
    dice = random.Random(f"{seed}:{number}")
    weights = [weight * dice.choice((0.2, 1.0, 1.0, 3.0)) for weight in _WEIGHTS.values()]  # each leans another way
    mortal = dice.choice((0.0, 0.1, 0.4))
    steps: list[Step] = [("grant", (40, 2, None, 0, None))]
    for kind in dice.choices(list(_WEIGHTS), weights, k=_STEPS):
        steps += _IDIOMS[kind] if kind in _IDIOMS else [(kind, _arguments(dice, kind, mortal))]
    return steps


def _arguments(dice: random.Random, kind: str, mortal: float) -> tuple[object, ...]:
    which = int(dice.random() ** 2 * 4)
    last = dice.randrange(9) if dice.random() < mortal else None
    worker, answer = dice.choice((0, 0, 1)), dice.choice((*ANSWERS, "all", "unknown", "busy"))
    match kind:
        case "grant":
            lifetime = dice.choice((None, 60.0, 600.0, -5.0))
            return dice.choice((12, 3, 40, 1)), dice.randrange(len(SOURCES)), lifetime, dice.choice((0, 0, 0, 1, 2)), last
        case "adjust" | "reverse":
            return which, dice.choice((0, 5, 10, 10, 1, 11)), last
        case "ask":
            key, less = dice.choice((0, 0, 1, 2)), dice.choice((0, 0, 0, 0, 1))
            return dice.choice((1, 2, 2, 3)), dice.randrange(2), key, less, dice.choice((None, None, 40.0, 150.0, 0.0)), last
        case "perform":
            return worker, dice.choice((answer, answer, None)), last, dice.randrange(9) if dice.random() < mortal else None
        case "answer":
            return which, answer, last
        case "renew" | "kill" | "perform_blindly":
            return (worker,)
        case "cancel":
            return which, last
        case "delete":
            return which, dice.random() < 0.6, last
        case "advance":
            long = dice.random() < 0.1  # long enough to end whatever is open
            return (dice.choice((1_000.0, 3_700.0, 90_000.0, 700_000.0) if long else (31.0, 41.0, 31.0, 5.0, 101.0, 1.0)),)
        case "advance_to":
            return int(dice.random() ** 3 * 4), dice.choice((0, 0, -1, 1))
    return (last,)


def run(steps: Sequence[Step], make: MakeStage) -> BaseException | None:
    """What broke, if anything."""
    stage = make()
    try:
        history = UseCaseHistory(stage)
        for name, arguments in steps:
            getattr(history, name)(*arguments)
        history.finish()
    except Exception as error:  # whatever it is, the history that leads to it is what is wanted
        return error
    finally:
        stage.close()
    return None


def shortest(steps: Sequence[Step], make: MakeStage) -> list[Step]:
    return histories.shortest(steps, lambda fewer: run(fewer, make) is not None)
