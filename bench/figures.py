"""What was measured, beside what was promised."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

_STYLES = {"goal": "bold green", "lands": "yellow", "MISSED": "bold red"}


@dataclass(frozen=True, slots=True)
class Promise:
    """`land` must hold for the work to land, `goal` is where it should come to."""

    land: float
    goal: float
    at_most: bool = False

    def keeps(self, value: float, limit: float) -> bool:
        return value <= limit if self.at_most else value >= limit

    def verdict(self, value: float) -> str:
        if self.keeps(value, self.goal):
            return "goal"
        return "lands" if self.keeps(value, self.land) else "MISSED"

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        return f"{sign} {self.land:g}" + (f", goal {sign} {self.goal:g}" if self.goal != self.land else "")


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: the median of `values`, one for each round."""

    name: str
    values: Sequence[float]
    unit: str = ""
    promise: Promise | None = None
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def verdict(self) -> str:
        return self.promise.verdict(self.median) if self.promise else ""

    @property
    def spread(self) -> str:
        return f"{_number(min(self.values))} to {_number(max(self.values))}" if len(self.values) > 1 else ""

    def plain(self) -> dict[str, Any]:
        said: dict[str, Any] = {"name": self.name, "median": self.median, "unit": self.unit, "rounds": list(self.values)}
        if self.promise:
            said |= {"land": self.promise.land, "goal": self.promise.goal, "verdict": self.verdict}
        return said


def show(figures: Sequence[Figure], title: str) -> None:
    table = Table(title=title, title_justify="left", header_style="bold")
    for name, justify in (("figure", "left"), ("median", "right"), ("rounds", "right"), ("promise", "left"), ("", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]  # fits by construction
    for figure in figures:
        name = f"{figure.name}\n  [dim]{figure.note}[/dim]" if figure.note else figure.name
        value = f"{_number(figure.median)} {figure.unit}".rstrip()
        verdict = f"[{_STYLES[figure.verdict]}]{figure.verdict}[/]" if figure.verdict else ""
        table.add_row(name, value, figure.spread, str(figure.promise or ""), verdict)
    Console(width=None if Console().is_terminal else 130).print(table)


def percentile(sorted_values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent do not exceed."""
    return sorted_values[max(0, -(-len(sorted_values) * int(percent * 10) // 1000) - 1)]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
