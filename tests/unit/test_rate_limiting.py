"""Buckets in the process over shared ones: what is let through, how often the shared are asked, and what happens without them."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from application.rate_limits import ForgetRates, Share
from domain.errors import RateLimited
from domain.rate_limits import LARGEST, LONGEST_WINDOW, Policy, Rate
from tests.shared_buckets import InMemory, Process

pytestmark = pytest.mark.anyio
RATE = Rate(400, 100)
SLICE = RATE.slice


def process(shared: InMemory, **said: float) -> Process:
    return Process(shared, {Policy.KEY: RATE}, **said)  # type: ignore[arg-type]  # fits by construction


def share_of(here: Process, who: bytes = b"me") -> Share:
    found = here.limits.share(Policy.KEY, who)
    assert found
    return found


async def passes(here: Process, cost: int = 1, who: bytes = b"me") -> bool:
    try:
        await here.limits.admit(cost, [share_of(here, who)])
    except RateLimited:
        return False
    return True


async def count(here: Process, calls: int, cost: int = 1) -> int:
    return sum([await passes(here, cost) for _ in range(calls)])


@settings(max_examples=40, deadline=None, print_blob=True)
@given(
    st.integers(1, 4),
    st.builds(Rate, st.integers(1, 400), st.sampled_from([1, 10, 100])),
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, LARGEST), st.integers(1, 30), st.floats(0, 40), st.floats(0, 3)),
        min_size=1,
        max_size=20,
    ),
    st.integers(0, 2**32),
)
def test_many_processes_stay_inside_the_stated_bound_whatever_their_clocks_and_order(
    processes: int, rate: Rate, steps: list[tuple[int, int, int, float, float]], seed: int
) -> None:
    """Each step: some process is asked so often for such a cost at once, then time passes for the shared clock, and another
    amount for that process's own."""
    print(f"seed {seed}")
    chance, let_through = random.Random(seed), list[tuple[float, int]]()
    shared = InMemory(turns=lambda: chance.randrange(3))
    houses = [Process(shared, {Policy.KEY: rate}, now=chance.uniform(0, 1e6)) for _ in range(processes)]

    async def ask(here: Process, cost: int) -> None:
        for _ in range(chance.randrange(3)):
            await asyncio.sleep(0)
        if await passes(here, cost):
            let_through.append((shared.now, rate.price(cost)))

    async def live() -> None:
        for which, cost, calls, passed, own in steps:
            await asyncio.gather(*(ask(chance.choice([houses[which % processes], *houses]), cost) for _ in range(calls)))
            shared.now += passed
            houses[which % processes].now += own

    asyncio.run(live())
    times = sorted({at for at, _ in let_through})
    for begin in times:
        for end in (time for time in times if time >= begin):
            total = sum(units for at, units in let_through if begin <= at <= end)
            # Times are kept to the microsecond; one unit of slack is far less than what two of them bring.
            assert total <= rate.quota * (end - begin + 1e-6) / rate.window + rate.quota + processes * rate.slice


async def test_many_requests_ask_the_shared_bucket_at_most_once_a_second_for_each_subject() -> None:
    shared = InMemory()
    here = process(shared)
    for _ in range(50):
        await asyncio.gather(*(passes(here, 1, who) for who in (b"one", b"two") for _ in range(40)))
        here.now += 0.1
        shared.now += 0.1
    times = [want.subject for wants in shared.asked for want in wants]
    assert 1 <= max(times.count(subject) for subject in times) <= 5
    assert len(set(times)) == 2


async def test_a_live_slice_is_spent_without_asking_anybody() -> None:
    shared = InMemory()
    here = process(shared)
    assert await count(here, SLICE) == SLICE
    assert len(shared.asked) == 1


async def test_a_process_lets_a_slice_through_in_a_second_and_the_whole_quota_in_a_few() -> None:
    shared = InMemory()
    here = process(shared)
    seen = []
    for _ in range(5):
        seen.append(await count(here, 2 * SLICE))
        here.now += 1
    assert seen == [SLICE, SLICE, SLICE, SLICE, 0], "the shared clock stood still"


async def test_who_rested_finds_the_whole_quota_again() -> None:
    shared = InMemory()
    here = process(shared)
    await count(here, SLICE)
    shared.now += RATE.window
    here.now += RATE.window
    assert here.limits.standing(share_of(here)).left == RATE.quota


async def test_a_refusal_spends_nothing_of_the_others() -> None:
    shared = InMemory()
    here = Process(shared, {Policy.KEY: Rate(1_000), Policy.ACCOUNT: Rate(60)})
    shares = [share for policy in Policy if (share := here.limits.share(policy, b"me"))]
    await here.limits.admit(50, shares)
    here.now += 1
    before = shares[0].held
    with pytest.raises(RateLimited) as refused:
        await here.limits.admit(50, shares)
    assert refused.value.facts["policy"] == "account"
    assert shares[0].held == before
    await here.limits.admit(10, shares)


async def test_a_refusal_says_when_the_missing_units_will_have_come_back() -> None:
    shared = InMemory()
    here = Process(shared, {Policy.KEY: Rate(60)})
    share = share_of(here)
    await here.limits.admit(50, [share])
    here.now += 1
    with pytest.raises(RateLimited) as refused:
        await here.limits.admit(30, [share])
    assert refused.value.facts == {"policy": "key", "limit": 60, "retry_after": 20}
    here.now += 20
    shared.now += 20
    await here.limits.admit(30, [share])


async def test_what_costs_more_than_the_whole_quota_is_possible_when_it_is_whole() -> None:
    here = Process(InMemory(), {Policy.KEY: Rate(7)})
    assert await passes(here, LARGEST)
    assert not await passes(here, 1)


async def test_a_policy_without_a_rate_limits_nobody() -> None:
    here = process(InMemory())
    assert here.limits.share(Policy.ADDRESS, b"me") is None
    await here.limits.admit(LARGEST, [])


async def test_what_is_owed_is_paid_before_anything_else_passes() -> None:
    shared = InMemory()
    here = process(shared)
    assert await passes(here, SLICE)
    here.limits.owe(30, [share_of(here)])
    here.now += 1
    assert await passes(here, SLICE), "a draw pays the debt first"
    seen = []
    for _ in range(4):
        here.now += 1
        seen.append(await count(here, 500))
    assert seen == [SLICE, SLICE - 30, 0, 0]
    here.limits.owe(10**6, [share_of(here)])
    assert share_of(here).held == -RATE.quota, "nobody is shut out for longer than a window"


# Without the shared buckets


async def test_while_they_are_away_a_process_lets_a_slice_through_and_then_its_own_share_of_the_rate() -> None:
    here = process(shared := InMemory(away=True))
    assert await count(here, 300) == SLICE
    for _ in range(10):
        here.now += RATE.window / 10
        assert await count(here, 300) == SLICE / 10
    assert here.warned == ["rate_limits_alone"], "said once"
    assert max(len(wants) for wants in shared.asked) == 1


async def test_they_are_tried_again_at_most_once_a_second_and_used_when_they_are_back() -> None:
    here = process(shared := InMemory(away=True))
    for _ in range(30):
        await passes(here, SLICE)
        here.now += 0.1
    assert 2 <= len(shared.asked) <= 3
    shared.away = False
    here.now += 1
    assert SLICE <= await count(here, 300) <= SLICE + 4, "and what came back meanwhile"
    assert len(shared.asked) <= 4


async def test_a_slow_one_holds_nobody_up_and_what_comes_late_is_there_for_the_next() -> None:
    here = process(shared := InMemory(held_up=asyncio.Event()), patience=0.001)
    assert await count(here, 300) == SLICE, "granted here"
    assert len(shared.asked) == 1
    assert shared.held_up
    shared.held_up.set()
    while share_of(here).drawing:
        await asyncio.sleep(0)
    assert await count(here, 300) == SLICE, "and drawn"
    assert len(shared.asked) == 1


async def test_a_defect_there_refuses_nobody() -> None:
    class Broken(InMemory):
        async def draw(self, wants: object) -> list[object]:  # type: ignore[override]  # broken on purpose
            raise TypeError

    assert await passes(process(Broken()))


# Memory


async def test_no_more_subjects_are_remembered_than_allowed_and_the_longest_unused_leave() -> None:
    here = process(InMemory(), most=3)
    for who in (b"a", b"b", b"c", b"a", b"d"):
        assert await passes(here, 1, who)
    assert len(here.limits) == 3
    held = share_of(here, b"a").held
    assert held == SLICE - 2, "still there"
    assert share_of(here, b"b").held == 0, "gone, with its slice"


async def test_whoever_is_being_drawn_for_stays() -> None:
    here = process(shared := InMemory(held_up=asyncio.Event()), most=1)
    waiting = [asyncio.create_task(passes(here, 1, who)) for who in (b"a", b"b")]
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(here.limits) == 2
    assert shared.held_up
    shared.held_up.set()
    assert await asyncio.gather(*waiting) == [True, True]
    share_of(here, b"c")
    assert len(here.limits) == 1


async def test_buckets_that_nobody_touched_for_long_are_forgotten() -> None:
    here = process(shared := InMemory())
    for number in range(5):
        await passes(here, 1, bytes([number]))
    shared.now += LONGEST_WINDOW + 1
    await passes(here, 1, b"late")
    assert await ForgetRates(shared, batch=2)() == {"rates_forgotten": 5}
    assert len(shared.buckets) == 1
