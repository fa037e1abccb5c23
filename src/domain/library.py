"""The library: how an owner keeps pictures together. A collection is a named set of generations in an order of the owner's own.

Places are numbers with wide gaps between them: one that is moved takes a number between its new neighbours', and nobody else
moves. Where no number is left, the next few are spread anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NewType, Self
from uuid import UUID

from domain.accounts import AccountId, Mode
from domain.errors import LimitExceeded
from domain.generations import GenerationId
from domain.limits import LIMITS, text

CollectionId = NewType("CollectionId", UUID)

GAP = 2**32
"""Between one that comes to the end and the one before it."""


@dataclass(slots=True)
class Collection:
    """`items` counts what is in it, the trash included. `cover`: the generation that its owner chose to stand for it.
    `last_place`: no item lies behind it."""

    id: CollectionId
    account_id: AccountId
    mode: Mode
    name: str
    created_at: datetime
    cover: GenerationId | None = None
    items: int = 0
    last_place: int = 0

    @classmethod
    def named(cls, id: CollectionId, account: AccountId, mode: Mode, name: str, now: datetime, others: int) -> Self:
        """`others`: how many the account has in this mode. Raises LimitExceeded, InvalidText, CardNumberRefused."""
        if others >= LIMITS["collections"]:
            raise LimitExceeded("the account has as many collections as it may have", limit=LIMITS["collections"])
        return cls(id, account, mode, check_name(name), now)

    def take_in(self, number: int) -> list[int]:
        """The places of so many more, at the end. Raises LimitExceeded."""
        if self.items + number > LIMITS["collection_items"]:
            raise LimitExceeded("the collection would hold too many", field="collection", limit=LIMITS["collection_items"])
        places = [self.last_place + GAP * turn for turn in range(1, number + 1)]
        self.items += number
        self.last_place = places[-1] if places else self.last_place
        return places

    def let_go(self, gone: Sequence[GenerationId]) -> None:
        """These are in it no more."""
        self.items -= len(gone)
        if self.cover in gone:
            self.cover = None


def check_name(name: str) -> str:
    """Raises InvalidText, CardNumberRefused."""
    return text("name", name, LIMITS["name_characters"], least=1)


def spread(low: int | None, number: int, high: int | None) -> list[int] | None:
    """So many places between two, as far from each other as can be; None: there are not that many. Without `low` they come
    before everything, without `high` after."""
    if low is None and high is None:
        low = 0
    if high is None:
        return [(low or 0) + GAP * turn for turn in range(1, number + 1)]
    if low is None:
        return [high - GAP * turn for turn in range(number, 0, -1)]
    if high - low <= number:
        return None
    return [low + (high - low) * turn // (number + 1) for turn in range(1, number + 1)]
