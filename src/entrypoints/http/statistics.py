"""What an account made and paid, over HTTP."""

from datetime import date
from typing import Annotated
from uuid import UUID

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import get
from litestar.params import QueryParameter
from msgspec import Struct

from application.library import StatisticsQueries
from application.ports import Today
from domain.accounts import Scope
from domain.errors import InvalidRequest
from domain.statistics import Days, Sum
from entrypoints.http.auth import Authed
from entrypoints.http.bounds import NO_BODY

_Day = Annotated[str | None, QueryParameter(description="such as 2026-11-23", schema_extra={"format": "date"}, max_length=10)]


class Made(Struct, frozen=True, kw_only=True):
    """Generations that delivered, their pictures, and the credits that were taken for them."""

    generations: int
    pictures: int
    credits: int


class OfDay(Made, frozen=True, kw_only=True):
    day: date


class OfModel(Made, frozen=True, kw_only=True):
    model: str


class OfKey(Made, frozen=True, kw_only=True):
    """Null: asked for in person."""

    key: UUID | None


class OfCollection(Made, frozen=True, kw_only=True):
    collection: UUID
    name: str


class Statistics(Struct, frozen=True):
    """What was delivered from the `first` day to the `last`, in UTC. What has been erased since counts, but in no collection;
    what lies in several collections counts in each."""

    first: date
    last: date
    total: Made
    days: list[OfDay]
    models: list[OfModel]
    keys: list[OfKey]
    collections: list[OfCollection]


@get("/v1/statistics", operation_id="getStatistics", tags=["library"], opt={"access": Scope.READ, "bounds": NO_BODY})
@inject
async def show_statistics(
    request: Authed, read: FromDishka[StatisticsQueries], today: FromDishka[Today], first: _Day = None, last: _Day = None
) -> Statistics:
    """Pictures and credits by day, model, key and collection: of the last 30 days, or of up to 366 that are named."""
    caller = request.auth
    found = await read(caller.account_id, caller.mode, Days.asked(_day("first", first), _day("last", last), today()))
    return Statistics(
        first=found.asked.first,
        last=found.asked.last,
        total=Made(**_sums(found.total)),
        days=[OfDay(day=day, **_sums(made)) for day, made in found.days.items()],
        models=[OfModel(model=model, **_sums(made)) for model, made in sorted(found.models.items())],
        keys=[OfKey(key=key, **_sums(made)) for key, made in sorted(found.keys.items(), key=lambda row: str(row[0]))],
        collections=[OfCollection(collection=id, name=name, **_sums(made)) for id, (name, made) in found.collections.items()],
    )


def _sums(made: Sum) -> dict[str, int]:
    return {"generations": made.generations, "pictures": made.pictures, "credits": made.credits}


def _day(field: str, value: str | None) -> date | None:
    try:
        return None if value is None else msgspec.convert(value, date)
    except msgspec.ValidationError:
        raise InvalidRequest(f"{field} is a day such as 2026-11-23", field=field) from None
