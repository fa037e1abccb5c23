"""How a column is written down here: named, typed, classified for privacy, not null unless said otherwise."""

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import CheckConstraint, Column, DateTime, MetaData
from sqlalchemy.types import TypeEngine

from domain.privacy import Classification

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "fk": "%(table_name)s_%(column_0_name)s_fk",
        "uq": "%(table_name)s_%(column_0_name)s_uq",
        "ix": "%(table_name)s_%(column_0_name)s",
        "ck": "%(table_name)s_%(constraint_name)s_ck",
    }
)

Time = DateTime(timezone=True)


def classified(classification: Classification) -> Callable[..., "Column[Any]"]:
    """Columns of one classification: not null unless said otherwise."""

    def column(name: str, of: TypeEngine[Any] | type[TypeEngine[Any]], *args: Any, **options: Any) -> "Column[Any]":
        return Column(name, of, *args, **{"nullable": False, "info": {"privacy": classification}, **options})

    return column


def one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(str(v)) for v in values)})", name=column)


def never_negative(*columns: str) -> list[CheckConstraint]:
    return [CheckConstraint(f"{column} >= 0", name=f"{column}_not_negative") for column in columns]
