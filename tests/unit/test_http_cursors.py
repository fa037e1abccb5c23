"""Cursors: they lead on, and only where they were made for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.queries import GenerationFilter
from domain.accounts import AccountId, Caller, KeyId, Mode
from domain.errors import InvalidCursor
from domain.generations import GenerationState
from domain.ledger import WalletId
from domain.limits import LIMITS
from domain.requests import Kind
from entrypoints.http.cursors import Cursors
from tests.http_stage import Hmac

CALLER = Caller(AccountId(UUID(int=1)), KeyId(UUID(int=2)), Mode.TEST, frozenset(), "free", WalletId(UUID(int=3)))
CURSORS = Cursors(Hmac(), "generations", CALLER, GenerationFilter(model="a"))
PLACE = (datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=UTC), UUID(int=77))

instants = st.datetimes(timezones=st.just(UTC))


@given(instants, st.uuids())
def test_a_cursor_leads_back_to_its_place(at: datetime, row: UUID) -> None:
    cursor = CURSORS.at((at, row))
    assert CURSORS.position(cursor) == (at, row)
    assert len(cursor) <= LIMITS["cursor_characters"]


@given(st.integers(0, 2**63 - 1))
def test_a_cursor_of_the_statement_leads_back_to_its_line(version: int) -> None:
    assert CURSORS.version(CURSORS.at_version(version)) == version


def test_no_cursor_is_the_first_page() -> None:
    assert CURSORS.position(None) is None
    assert CURSORS.version(None) is None


@pytest.mark.parametrize(
    "other",
    [
        replace(CURSORS, list_name="media"),
        replace(CURSORS, caller=replace(CALLER, account_id=AccountId(UUID(int=9)))),
        replace(CURSORS, caller=replace(CALLER, mode=Mode.LIVE)),
        replace(CURSORS, matching=GenerationFilter()),
        replace(CURSORS, matching=GenerationFilter(model="b")),
        replace(CURSORS, matching=GenerationFilter(model="a", kind=Kind.EDIT)),
        replace(CURSORS, matching=GenerationFilter(model="a", states=(GenerationState.FAILED,))),
        replace(CURSORS, matching=GenerationFilter(model="a", created_after=PLACE[0])),
    ],
)
def test_a_cursor_cannot_be_carried_elsewhere(other: Cursors) -> None:
    with pytest.raises(InvalidCursor):
        other.position(CURSORS.at(PLACE))


def test_another_key_of_the_same_account_may_go_on() -> None:
    other = replace(CURSORS, caller=replace(CALLER, key_id=KeyId(UUID(int=5))))
    assert other.position(CURSORS.at(PLACE)) == PLACE


def test_a_new_kind_of_filter_breaks_no_cursor_under_way() -> None:
    assert replace(CURSORS, matching={"model": "a"}).position(CURSORS.at(PLACE)) == PLACE


@pytest.mark.parametrize("place", range(len(CURSORS.at(PLACE))))
def test_a_cursor_with_any_character_changed_is_refused(place: int) -> None:
    cursor = CURSORS.at(PLACE)
    for instead in "Aaz_-.\0é":
        changed = cursor[:place] + instead + cursor[place + 1 :]
        if changed != cursor:
            with pytest.raises(InvalidCursor):
                CURSORS.position(changed)


@given(st.text(max_size=300) | st.from_regex(r"\A[A-Za-z0-9_-]{1,9}\.[A-Za-z0-9_-]{1,40}\.[A-Za-z0-9_-]{43}\Z"))
def test_a_cursor_made_up_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        CURSORS.position(cursor)


def test_a_cursor_of_one_form_is_none_of_the_other() -> None:
    with pytest.raises(InvalidCursor):
        CURSORS.version(CURSORS.at(PLACE))
    with pytest.raises(InvalidCursor):
        CURSORS.position(CURSORS.at_version(1))


def test_a_place_is_kept_to_the_microsecond() -> None:
    at = PLACE[0] + timedelta(microseconds=1)
    assert CURSORS.position(CURSORS.at((at, PLACE[1]))) == (at, PLACE[1])
