"""The line: who is served when, and how long it takes as far as recent calls tell."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from domain.accounts import AccountId, KeyId, Mode
from domain.generations import Generation, GenerationId
from domain.ledger import WalletId
from domain.requests import Kind, Quality, Size
from domain.waiting import FEWEST_KNOWN, Expected, Experience, Line, Worked, in_turn
from tests.offer import ask

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
ANNE, BOB, CARL = (AccountId(UUID(int=number)) for number in (1, 2, 3))
MODEL = "gpt-image-2"


def waits(number: int, account: AccountId = ANNE, priority: int = 20, **asked: Any) -> Generation:
    request = ask(**asked)
    return Generation(
        id=GenerationId(UUID(int=number)),
        account_id=account,
        wallet_id=WalletId(account),
        key_id=KeyId(account),
        mode=Mode.LIVE,
        kind=Kind.GENERATE,
        model=request.model,
        request=request,
        n=1,
        unit=4,
        priority=priority,
        created_at=NOW,
        deadline=NOW + timedelta(hours=1),
        hold_expires_at=NOW + timedelta(hours=2),
    )


def order(*waiting: Generation, running: dict[AccountId, int] | None = None, later: tuple[int, ...] = ()) -> list[int]:
    places = in_turn(waiting, running or {}, lambda generation: generation.id.int in later)
    return [place.id.int for place in places]


# The order


def test_smaller_priorities_come_first_then_accounts_take_turns_then_age_decides() -> None:
    line = [waits(1), waits(2), waits(3), waits(4, BOB), waits(5, BOB), waits(6, CARL, priority=10)]
    assert order(*line) == [6, 1, 4, 2, 5, 3]


def test_what_an_account_has_running_counts_as_turns_it_had() -> None:
    assert order(waits(1), waits(2), waits(3, BOB), waits(4, BOB), running={ANNE: 1}) == [3, 1, 4, 2]


def test_an_accounts_own_better_priority_comes_first_and_counts_as_a_turn() -> None:
    assert order(waits(1), waits(2, priority=10), waits(3, BOB), waits(4, BOB)) == [2, 3, 1, 4]


def test_whoever_cannot_be_served_yet_comes_after_all_who_can() -> None:
    assert order(waits(1, priority=1), waits(2), waits(3, BOB), later=(1,)) == [2, 3, 1]


# A place in it


def test_one_that_came_since_is_told_the_place_it_would_have_had() -> None:
    line = Line(in_turn([waits(1), waits(2), waits(4, BOB), waits(5, BOB)], {BOB: 1}, lambda _: False), {BOB: 1})
    assert [place.id.int for place in line.places] == [1, 2, 4, 5]
    assert [line.position(waits(number, BOB)) for number in (4, 5)] == [3, 4]
    assert line.position(waits(9)) == 5, "its turn is the third, as that of Bob's second, who is older"
    assert line.position(waits(9, BOB)) == 5
    assert line.position(waits(9, CARL)) == 2
    assert line.position(waits(9, CARL, priority=10)) == 1


def test_in_a_line_that_was_cut_nothing_is_told_of_those_beyond() -> None:
    line = Line(in_turn([waits(1), waits(2)], {}, lambda _: False), {}, cut=True)
    assert [line.position(waits(number)) for number in (1, 2, 3)] == [1, 2, None]
    assert line.position(waits(3, BOB)) == 2


# How long it takes


def known(count: int, seconds: float, model: str = MODEL, quality: Quality = Quality.LOW, mode: Mode = Mode.LIVE) -> list[Worked]:
    return [Worked(mode, model, Size(1024, 1024), quality, seconds)] * count


def test_a_call_takes_what_half_and_nine_tenths_of_its_kind_took() -> None:
    calls = [Worked(Mode.LIVE, MODEL, Size(1024, 1024), Quality.LOW, seconds / 2) for seconds in range(1, 21)]
    assert Experience(calls).work(waits(1, quality="low")) == Expected(5, 9)


def test_too_few_of_a_kind_are_widened_to_the_model_and_then_to_all() -> None:
    few, enough = FEWEST_KNOWN - 1, FEWEST_KNOWN
    asked = waits(1, quality="low")
    assert Experience(known(enough, 1) + known(9, 5, quality=Quality.HIGH)).work(asked) == Expected(1, 1)
    assert Experience(known(few, 1) + known(9, 5, quality=Quality.HIGH)).work(asked) == Expected(5, 5)
    assert Experience(known(few, 1) + known(9, 7, model="other")).work(asked) == Expected(7, 7)
    assert Experience(known(1, 3, model="other")).work(asked) == Expected(3, 3)
    assert Experience().work(asked) is None


def test_calls_of_erased_requests_tell_of_their_model_only() -> None:
    erased = [Worked(Mode.LIVE, MODEL, None, None, 5)] * FEWEST_KNOWN
    assert Experience(erased + known(9, 9, model="other")).work(waits(1)) == Expected(5, 5)


def test_painted_test_pictures_teach_nothing_of_live_ones() -> None:
    assert Experience(known(9, 1, mode=Mode.TEST)).work(waits(1)) is None


def test_waiting_is_the_place_in_line_over_the_calls_that_are_out() -> None:
    experience = Experience(known(8, 10) + known(2, 40))
    assert experience.until_finished(waits(1, quality="low"), 6, 4) == Expected(15 + 10, 15 + 40)
    assert experience.until_finished(waits(1, quality="low"), 2, 0) == Expected(20 + 10, 20 + 40)
    assert Experience().until_finished(waits(1), 1, 1) is None
