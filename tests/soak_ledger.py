"""Random histories of the ledger at full speed: `random.Random`, no search, every step checked as in the machine.

A violation is cut down to the shortest history that still shows it before it is reported, with the seed that found it.
"""

import math
import random
import time
from collections.abc import Callable, Sequence

from tests import histories
from tests.histories import Step
from tests.ledger_driver import DomainDriver, Driver
from tests.ledger_history import SOURCES, History

_KINDS = (
    "grant",
    "hold",
    "capture",
    "release",
    "expire",
    "reverse",
    "adjust_down",
    "sweep",
    "close",
    "repeat",
    "again",
    "wait",
    "due",
)
_WEIGHTS = (12, 20, 20, 6, 4, 22, 3, 1, 0.1, 5, 1.5, 3, 5)
_STEPS = 60
"""Commands and waits in one history: long enough for three generations of lots, short enough for the wallets to stay small."""


def soak_ledger(
    seed: int, deadline: float, driver_factory: Callable[[], Driver] = DomainDriver, *, most: float = math.inf
) -> dict[str, int]:
    """Run histories until `time.monotonic()` reaches `deadline`, or so many. AssertionError, with seed and history, on a
    violation."""
    commands = histories = 0
    while time.monotonic() < deadline and histories < most:
        steps = history_of(seed, histories)
        said, broken = run(steps, driver_factory)
        if broken is not None:
            raise AssertionError(_report(seed, histories, shortest(steps, driver_factory), driver_factory)) from broken
        commands += said
        histories += 1
    return {"commands": commands, "histories": histories}


def history_of(seed: int, number: int) -> list[Step]:
    """The `number`-th history of a seed, always the same."""
    dice = random.Random(f"{seed}:{number}")
    weights = [
        weight * dice.choice((0.2, 1.0, 1.0, 3.0)) for weight in _WEIGHTS
    ]  # each history leans another way: so it gets further
    amounts = dice.choice(((10, 10, 12), (1, 2, 3), (10, 3, 1)))
    first = [_step(dice, "grant", (12,)) for _ in range(2)]
    return first + [_step(dice, kind, amounts) for kind in dice.choices(_KINDS, weights, k=_STEPS)]


def _step(dice: random.Random, kind: str, amounts: tuple[int, ...]) -> Step:
    wallet = 0 if dice.random() < 0.9 else 1
    which = int(dice.random() ** 2 * 6)
    match kind:
        case "grant":
            lifetime = dice.choice((None, 60.0, 60.0, 20.0, 10.0, -5.0, dice.uniform(0.0, 90.0)))
            reversal = dice.randint(0, 10) if dice.random() < 0.15 else 0
            terms = (dice.choice((10, 10, 20)), lifetime, dice.randrange(len(SOURCES)), reversal, dice.randrange(3))
            return "grant", (wallet, dice.choice((*amounts, dice.randint(0, 12))), *terms)
        case "hold":
            return "hold", (
                wallet,
                dice.choice((1, 3, 5, 10, 10, dice.randint(0, 11))),
                dice.choice((10.0, 30.0)),
                dice.choice((3, 3, 3, 1)),
            )
        case "capture":
            return "capture", (wallet, which, dice.choice((1, 5, 10, 10, dice.randint(0, 11))))
        case "adjust_down":
            return "adjust_down", (wallet, which, dice.randint(0, 11))
        case "reverse":
            return "reverse", (wallet, which, dice.choice((0, 5, 10, 10, dice.randint(-1, 11))))
        case "repeat":
            return "repeat", (dice.randrange(40), dice.randrange(4))
        case "again":
            return dice.choice(("grant_again", "hold_again")), (wallet, which)
        case "wait":
            return "advance", (dice.choice((5.0, 5.0, 1.0, 0.000_001, 25.0, -2.0)),)
        case "due":
            return "advance_to", (dice.choice((0, 0, 0, 1, 2)), dice.choice((0, -1, 1)))
        case "sweep" | "close":
            return kind, (wallet,)
    return kind, (wallet, which)


def run(steps: Sequence[Step], driver_factory: Callable[[], Driver]) -> tuple[int, BaseException | None]:
    """How many commands were said, and what broke, if anything."""
    driver = driver_factory()
    try:
        history = History(driver)
        try:
            for name, arguments in steps:
                getattr(history, name)(*arguments)
            history.finish()
        except Exception as error:  # whatever it is, the history that leads to it is what is wanted
            return history.count, error
        return history.count, None
    finally:
        driver.close()


def shortest(steps: Sequence[Step], driver_factory: Callable[[], Driver]) -> list[Step]:
    return histories.shortest(steps, lambda fewer: run(fewer, driver_factory)[1] is not None)


def _report(seed: int, number: int, steps: Sequence[Step], driver_factory: Callable[[], Driver]) -> str:
    return f"seed {seed}, history {number}: {run(steps, driver_factory)[1]!r}\n{histories.told(steps)}"
