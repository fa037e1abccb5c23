"""Receipts, as far as they are words and prices: what they add up to is proven on the stores."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from domain.accounts import AccountId, Caller, KeyId, Mode, Scope
from domain.generations import Generation
from domain.ledger import LOT_MOVES, LedgerAccount, LotSource, WalletId
from domain.prices import quote
from domain.receipts import _SOURCES, LINES, breakdown
from domain.requests import PictureRequest
from tests.contract.store_contract import a_generation
from tests.offer import CATALOGUE, ask

ANYBODY = Caller(AccountId(UUID(int=1)), KeyId(UUID(int=2)), Mode.TEST, frozenset(Scope), "free", WalletId(UUID(int=3)))


def priced(request: PictureRequest) -> Generation:
    unit = quote(request, CATALOGUE.models[request.model]).unit
    return a_generation(ANYBODY, datetime(2030, 1, 1, tzinfo=UTC), request=request, unit=unit)


def test_every_move_of_the_books_but_a_grant_has_its_words() -> None:
    grants = {(source.issued, LedgerAccount.AVAILABLE) for source in LotSource}
    assert LINES.keys() == LOT_MOVES.keys() - grants
    assert len(set(LINES.values())) == len(LINES)
    assert _SOURCES.keys() == set(LotSource)


def test_a_breakdown_adds_up_to_the_price() -> None:
    generation = priced(ask(n=3))
    told = breakdown(generation, CATALOGUE)
    assert told
    assert sum(told.values()) == generation.price


@pytest.mark.parametrize(
    "since", [{"unit": 1_000_000}, {"model": "gone"}, {"request": None}], ids=["other prices", "no such model", "erased"]
)
def test_a_breakdown_that_cannot_be_told_truly_is_not_told(since: dict[str, object]) -> None:
    assert breakdown(replace(priced(ask()), **since), CATALOGUE) is None  # type: ignore[arg-type]  # one field or another
