"""Which of equal requests a client's retry goes on with."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.accounts import AccountId, Caller, KeyId, Mode, Scope
from domain.generations import GenerationId
from domain.joining import JOINABLE, Try, Undelivered, joined
from domain.ledger import WalletId
from tests.http_rows import NOW

CALLER = Caller(AccountId(UUID(int=1)), KeyId(UUID(int=2)), Mode.TEST, frozenset(Scope), "free", WalletId(UUID(int=3)))
A, B = (GenerationId(UUID(int=number)) for number in (10, 11))


def waiting(id: GenerationId, tries: int = 0, *, abandoned: bool = False, age: timedelta = timedelta(0)) -> Undelivered:
    return Undelivered(id, "d", tries, NOW - age, abandoned)


def chosen(number: int, *rows: Undelivered) -> GenerationId | None:
    found = joined(rows, number, NOW)
    return found.generation_id if found else None


def test_a_first_try_joins_nothing() -> None:
    assert chosen(0, waiting(A), waiting(B, abandoned=True)) is None


def test_a_retry_joins_what_an_earlier_try_waits_for() -> None:
    assert chosen(1, waiting(A)) == chosen(2, waiting(A)) == A
    assert chosen(1, waiting(A, 1)) is None, "another's retry waits for it"


def test_the_try_before_comes_first_then_a_broken_line_then_the_newest() -> None:
    old = timedelta(seconds=9)
    assert chosen(2, waiting(A, abandoned=True, age=old), waiting(B, 1)) == B
    assert chosen(1, waiting(A), waiting(B, abandoned=True, age=old)) == B
    assert chosen(1, waiting(A), waiting(B, age=old)) == A


def test_after_a_quarter_of_an_hour_it_is_a_new_request() -> None:
    assert chosen(1, waiting(A, age=JOINABLE)) is None
    assert chosen(1, waiting(A, age=JOINABLE - timedelta(microseconds=1))) == A


@given(st.lists(st.booleans(), min_size=1, max_size=6))
def test_retries_of_as_many_equal_requests_join_one_each(abandoned: list[bool]) -> None:
    rows = [waiting(GenerationId(UUID(int=n)), abandoned=broken) for n, broken in enumerate(abandoned)]
    taken = set[GenerationId]()
    for _ in abandoned:
        found = joined(rows, 1, NOW)
        assert found
        taken.add(found.generation_id)
        rows[rows.index(found)] = replace(found, tries=1, abandoned=False)
    assert len(taken) == len(rows)
    assert joined(rows, 1, NOW) is None


def test_a_digest_is_of_whoever_asks_for_what_and_shows_neither() -> None:
    one = Try.of(CALLER, "POST /a", b"a red fox", 0)
    assert one.digest == Try.of(CALLER, "POST /a", b"a red fox", 2).digest
    others = [
        Try.of(replace(CALLER, key_id=KeyId(UUID(int=7))), "POST /a", b"a red fox", 0),
        Try.of(replace(CALLER, account_id=AccountId(UUID(int=7))), "POST /a", b"a red fox", 0),
        Try.of(replace(CALLER, mode=Mode.LIVE), "POST /a", b"a red fox", 0),
        Try.of(CALLER, "POST /b", b"a red fox", 0),
        Try.of(CALLER, "POST /a", b"a red dog", 0),
    ]
    assert len({one.digest, *(other.digest for other in others)}) == 6
    assert len(one.digest) == 32
