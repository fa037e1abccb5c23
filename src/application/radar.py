"""Models that end: when, who uses them, and what their users pay afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from application.ports import Today
from application.staff_queries import StaffQueries, UsageRow
from domain.capabilities import Quality, Size
from domain.catalogue import Catalogue, Model, Retired
from domain.errors import UnsupportedByModel
from domain.prices import quote_work
from domain.rates import Work

USAGE_DAYS = 30
TYPICAL = Size(1024, 1024)
"""What models are compared by: one picture of this size with a short prompt."""


@dataclass(frozen=True, slots=True)
class PriceChange:
    """Credits for a typical picture, now and with the replacement."""

    quality: Quality
    credits: int
    replacement_credits: int
    difference: int


@dataclass(frozen=True, slots=True)
class Ending:
    """A model that ends, or has ended and was still used lately. `days_left` is 0 on its last morning and negative after;
    `prices` is empty where nothing is known of its price any more."""

    model: str
    shutdown_date: date
    days_left: int
    replacement: str
    usage: Sequence[UsageRow]
    prices: Sequence[PriceChange]


@dataclass(frozen=True, slots=True)
class Radar:
    """Each model that will end (within `days`, if given) and each ended one that was used in the last 30 days, soonest first."""

    queries: StaffQueries
    catalogue: Catalogue
    today: Today

    async def __call__(self, days: int | None = None, *, with_accounts: bool = False) -> Sequence[Ending]:
        used: dict[str, list[UsageRow]] = {}
        for row in await self.queries.usage(USAGE_DAYS, with_accounts=with_accounts):
            used.setdefault(row.model, []).append(row)
        known: list[Model | Retired] = [*self.catalogue.models.values(), *self.catalogue.retired.values()]
        endings = [ending for model in known if (ending := self._ending(model, used.get(model.id, [])))]
        wanted = [each for each in endings if _is_wanted(each, days)]
        return sorted(wanted, key=lambda each: (each.shutdown_date, each.model))

    def _ending(self, model: Model | Retired, usage: Sequence[UsageRow]) -> Ending | None:
        if model.shutdown_date is None or model.replacement is None:
            return None
        left = (model.shutdown_date - self.today()).days
        successor = self.catalogue.models[model.replacement]
        prices = compare(model, successor) if isinstance(model, Model) else []
        return Ending(model.id, model.shutdown_date, left, model.replacement, usage, prices)


def typical_price(model: Model, quality: Quality) -> int:
    """Credits for one picture of the typical size with a short prompt."""
    return quote_work(Work((TYPICAL,), quality), 1, model.prices).credits


def compare(model: Model, successor: Model) -> list[PriceChange]:
    """For each quality that both have; none if one of them has no such size."""
    changes = []
    for quality in model.capabilities.qualities:
        if quality in successor.capabilities.qualities and draws_typical(model) and draws_typical(successor):
            before, after = typical_price(model, quality), typical_price(successor, quality)
            changes.append(PriceChange(quality, before, after, after - before))
    return changes


def draws_typical(model: Model) -> bool:
    try:
        model.capabilities.check_size(TYPICAL, frames=None, smaller=False)
    except UnsupportedByModel:
        return False
    return True


def _is_wanted(ending: Ending, days: int | None) -> bool:
    if ending.days_left <= 0:
        return bool(ending.usage)
    return days is None or ending.days_left <= days
