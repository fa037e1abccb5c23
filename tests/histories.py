"""Histories of plain steps, and the shortest one that still shows what is wrong."""

from collections.abc import Callable, Sequence
from itertools import combinations

Step = tuple[str, tuple[object, ...]]
"""The name of a method of the history, and its arguments."""


def shortest(steps: Sequence[Step], breaks: Callable[[Sequence[Step]], bool]) -> list[Step]:
    """Leave out steps, halves first, then fewer at a time, at last any two, while what remains still breaks."""
    kept, width = list(steps), len(steps) // 2
    while width:
        before, at = len(kept), 0
        while at < len(kept):
            fewer = kept[:at] + kept[at + width :]
            if breaks(fewer):
                kept = fewer
            else:
                at += width
        if width > 1 or len(kept) == before:
            width //= 2
    for one, other in combinations(reversed(range(len(kept))), 2):
        fewer = kept[:other] + kept[other + 1 : one] + kept[one + 1 :]
        if breaks(fewer):
            return shortest(fewer, breaks)
    return kept


def told(steps: Sequence[Step]) -> str:
    return "\n".join(f"  history.{name}{arguments}" for name, arguments in steps)
