"""Packs that are bought while nobody is present: when asked for, once a fall, within the month's cap, and never again unasked."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

import pytest

from domain.billing import CustomerId, PurchaseRef
from domain.buying_errors import NothingBought
from domain.commands import Close, command_id
from domain.errors import AccountClosed, AccountFrozen, InvalidRequest
from domain.notices import Facts, NoticeKind
from domain.top_up import AGAIN, KEY_HOLDS, LOOK_AGAIN, MONEY_WENT_BACK, TopUp, TopUpOutcome
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import a_grant, customer, now, say
from tests.top_up_stage import joined, staged

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]
MOMENT = timedelta(seconds=1)


async def test_below_what_was_said_the_pack_is_bought_and_its_credits_are_there(harness: StoreHarness) -> None:
    async with staged(harness) as stage:
        await stage.says(below=31)
        assert await stage.watch() == {"paid": 1}
        assert (await stage.available(), [each.net for each in stage.charges()]) == (430, [500])
        assert await stage.watch() == {}
        shown = await stage.shown()
        assert shown.last
        assert (shown.spent, shown.last.outcome, shown.said.resume_at) == (500, TopUpOutcome.PAID, None)


async def test_nothing_is_bought_for_who_has_enough_or_did_not_ask(harness: StoreHarness) -> None:
    async with staged(harness) as stage:
        assert await stage.watch() == {}
        for said in ({"below": 30}, {"enabled": False}, {"below": 0}):
            await stage.says(**said)
            assert await stage.watch() == {}
        assert stage.charges() == []


async def test_a_month_bears_no_more_than_the_cap_and_the_next_one_as_much_again(harness: StoreHarness) -> None:
    async with staged(harness) as stage:
        await stage.later(datetime(2031, 3, 1, tzinfo=(await now(harness.store)).tzinfo) - await now(harness.store))
        await stage.says(below=100_000, monthly_cap=1_499)
        assert [await stage.watch() for _ in range(4)] == [{"paid": 1}, {"paid": 1}, {}, {}]
        await stage.later(timedelta(days=30, hours=23, minutes=30))
        assert await stage.watch() == {}, "it is March still"
        await stage.later(timedelta(minutes=30))
        assert [await stage.watch() for _ in range(3)] == [{"paid": 1}, {"paid": 1}, {}]
        assert (await stage.shown()).spent == 1_000


async def test_a_higher_cap_is_used_at_once(harness: StoreHarness) -> None:
    async with staged(harness) as stage:
        await stage.says(below=100_000, monthly_cap=500)
        assert [await stage.watch() for _ in range(3)] == [{"paid": 1}, {}, {}]
        await stage.says(below=100_000, monthly_cap=1_000)
        assert [await stage.watch() for _ in range(2)] == [{"paid": 1}, {}]


@pytest.mark.parametrize("card", ["declined", "authenticate"])
async def test_who_is_declined_is_told_once_and_not_asked_again_before_they_say_so(harness: StoreHarness, card: str) -> None:
    async with staged(harness, card) as stage:
        await stage.says()
        assert [await stage.watch() for _ in range(2)] == [{"declined": 1}, {}]
        shown = await stage.shown()
        assert shown.last
        code = {"declined": "card_declined", "authenticate": "authentication_required"}[card]
        assert (shown.said.enabled, shown.said.declined, shown.last.code, shown.spent) == (False, code, code, 0)
        assert [(each.kind, each.facts) for each in await stage.told()] == [(NoticeKind.TOP_UP_FAILED, Facts(price=500))]
        stage.house.new_card(stage.customer, "good")
        await stage.later(timedelta(days=40))
        assert (await stage.watch(), stage.charges()) == ({}, [])
        assert (await stage.says()).said.declined is None
        assert await stage.watch() == {"paid": 1}


async def test_of_many_who_watch_for_long_none_goes_above_the_cap(harness: StoreHarness) -> None:
    async with staged(harness) as stage:
        await stage.says(below=100_000, monthly_cap=1_499)
        for _ in range(4):
            await asyncio.gather(*(stage.watch() for _ in range(6)))
        assert (len(stage.charges()), (await stage.shown()).spent) == (2, 1_000)


@pytest.mark.parametrize("is_done", [False, True])
async def test_an_end_that_nobody_knows_is_asked_for_again_with_the_same_key(harness: StoreHarness, is_done: bool) -> None:
    async with staged(harness) as stage:
        await stage.says()
        (stage.line.after if is_done else stage.line.before).add("top_up")
        assert await stage.watch() == {"put_off": 1}
        stage.line.before.clear()
        stage.line.after.clear()
        assert await stage.watch() == {}, "the first try may still be on its way"
        await stage.later(AGAIN + MOMENT)
        assert await stage.watch() == {"paid": 1}
        assert (len(stage.charges()), await stage.available()) == (1, 430)
        assert len({key for name, key in stage.line.said if name == "top_up"}) == 1


async def test_what_was_paid_is_closed_only_when_its_credits_are_there(harness: StoreHarness) -> None:
    async with staged(harness) as stage:
        await stage.says()
        stage.line.before.add("purchase")
        assert await stage.watch() == {"put_off": 1}
        assert [await stage.watch() for _ in range(2)] == [{}, {}]
        stage.line.before.clear()
        await stage.later(AGAIN + MOMENT)
        assert await stage.watch() == {"paid": 1}
        assert (len(stage.charges()), await stage.available()) == (1, 430)


async def test_while_a_bank_decides_no_other_is_bought(harness: StoreHarness) -> None:
    async with staged(harness) as stage:
        await stage.says()
        stage.line.undecided = True
        for _ in range(2):
            assert await stage.watch() == {"put_off": 1}
            assert await stage.watch() == {}
            await stage.later(AGAIN + MOMENT)
        stage.line.undecided = False
        assert await stage.watch() == {"paid": 1}
        assert (len(stage.charges()), await stage.available()) == (1, 430)


@pytest.mark.parametrize("is_done", [False, True])
async def test_an_attempt_that_outlived_its_key_is_looked_up_and_never_repeated(harness: StoreHarness, is_done: bool) -> None:
    async with staged(harness) as stage:
        await stage.says()
        (stage.line.after if is_done else stage.line.before).add("top_up")
        assert await stage.watch() == {"put_off": 1}
        stage.line.before.clear()
        stage.line.after.clear()
        stage.line.said.clear()
        await stage.later(KEY_HOLDS + MOMENT)
        assert await stage.watch() == ({"paid": 1} if is_done else {"given_up": 1})
        assert [name for name, _ in stage.line.said if name.startswith("top")] == ["topped_up"]
        assert await stage.watch() == ({} if is_done else {"paid": 1}), "what was never paid is asked for anew"
        assert (len(stage.charges()), await stage.available()) == (1, 430)


@pytest.mark.parametrize("why", ["switched off", "frozen", "closed", "enough"])
async def test_what_is_wanted_no_more_is_not_repeated(harness: StoreHarness, why: str) -> None:
    async with staged(harness) as stage:
        await stage.says()
        stage.line.before.add("top_up")
        assert await stage.watch() == {"put_off": 1}
        stage.line.before.clear()
        if why == "switched off":
            await stage.says(enabled=False)
        elif why == "frozen":
            await stage.frozen(await now(harness.store))
        elif why == "closed":
            await say(harness.store, stage.caller.wallet_id, Close(id=command_id("close", stage.caller.wallet_id)))
        else:
            await say(harness.store, stage.caller.wallet_id, a_grant(500))
        await stage.later(AGAIN + MOMENT)
        assert await stage.watch() == {"given_up": 1}
        assert await stage.watch() == {}
        assert stage.charges() == []


async def test_a_frozen_account_is_topped_up_no_more_until_it_is_not(harness: StoreHarness) -> None:
    async with staged(harness) as stage:
        await stage.says()
        await stage.frozen(await now(harness.store))
        assert (await stage.watch(), stage.charges()) == ({}, [])
        await stage.frozen(None)
        await stage.later(LOOK_AGAIN + MOMENT)
        assert await stage.watch() == {"paid": 1}


async def test_a_pack_that_is_sold_no_more_is_not_bought(harness: StoreHarness) -> None:
    async with staged(harness) as stage:
        await stage.says()
        stage.catalogue = replace(stage.catalogue, packs=MappingProxyType({}))
        assert (await stage.watch(), stage.charges()) == ({}, [])


async def test_of_many_who_watch_one_buys(harness: StoreHarness) -> None:
    async with staged(harness) as stage:
        await stage.says()
        await asyncio.gather(*(stage.watch() for _ in range(6)))
        assert (len(stage.charges()), await stage.available()) == (1, 430)


@pytest.mark.parametrize("how", ["refunded", "disputed"])
async def test_what_went_back_is_not_bought_again_before_its_owner_says_so(harness: StoreHarness, how: str) -> None:
    async with staged(harness) as stage:
        await stage.says()
        assert await stage.watch() == {"paid": 1}
        (charge,) = stage.charges()
        ref = PurchaseRef(charge.kind, charge.id)
        if how == "refunded":
            stage.house.refunds_at_the_desk(ref, 500)
        else:
            stage.house.disputes(ref)
        await stage.converges(ref)
        assert await stage.available() == 30
        assert (await stage.watch(), len(stage.charges())) == ({}, 1)
        said = (await stage.shown()).said
        assert (said.enabled, said.declined) == (False, MONEY_WENT_BACK)
        await stage.later(MOMENT)
        await stage.says()
        assert (await stage.watch(), len(stage.charges())) == ({"paid": 1}, 2)


async def test_while_the_provider_is_away_one_asks_and_everybody_is_told(harness: StoreHarness) -> None:
    async with staged(harness) as stage:
        stage.batch, others = 2, [await joined(harness, stage.house) for _ in range(4)]
        for each in (stage, *others):
            await each.says(notify_below=50)
        stage.line.before.add("top_up")
        assert await stage.watch() == {"put_off": 1, "told": 5}
        assert len(stage.line.said) == 1
        stage.line.before.clear()
        await stage.later(AGAIN + MOMENT)
        assert await stage.watch() == {"paid": 5}


async def test_each_fall_is_told_once(harness: StoreHarness) -> None:
    async with staged(harness) as stage:
        await say(harness.store, (await customer(harness.store)).wallet_id, a_grant(5))
        assert (await stage.watch(), await stage.told()) == ({}, [])
        await stage.spend(11)
        assert [await stage.watch() for _ in range(3)] == [{"told": 1}, {}, {}]
        (notice,) = await stage.told()
        assert (notice.kind, notice.facts, notice.account_id) == (
            NoticeKind.LOW_CREDITS,
            Facts(credits=19),
            stage.caller.account_id,
        )
        await say(harness.store, stage.caller.wallet_id, a_grant(1))
        assert (await stage.watch(), await stage.told()) == ({}, []), "20 are enough"
        await stage.spend(20)
        assert await stage.watch() == {"told": 1}
        await stage.says(enabled=False, notify_below=0)
        assert [await stage.watch() for _ in range(2)] == [{}, {}]


async def test_who_never_had_enough_is_not_told_to_run_low(harness: StoreHarness) -> None:
    async with staged(harness) as stage:
        newcomer = await customer(harness.store, 5)
        async with harness.store.transaction() as tx:
            await tx.customers.add(CustomerId("cus_new"), newcomer.account_id)
        assert await stage.watch() == {}
        await say(harness.store, newcomer.wallet_id, a_grant(15))
        assert await stage.watch() == {}
        await replace(stage, caller=newcomer).spend(1)
        assert await stage.watch() == {"told": 1}


async def test_only_what_can_be_is_said(harness: StoreHarness) -> None:
    async with staged(harness) as stage:
        for asked, field in (
            ({"pack": "starter"}, "pack"),
            ({"pack": None}, "pack"),
            ({"enabled": False, "pack": "huge"}, "pack"),
            ({"monthly_cap": 499}, "monthly_cap"),
        ):
            with pytest.raises(InvalidRequest) as refused:
                await stage.says(**asked)
            assert refused.value.facts["field"] == field
        await stage.says(enabled=False, pack=None, monthly_cap=0)
        stranger = replace(stage, caller=await customer(harness.store, 50))
        with pytest.raises(NothingBought):
            await stranger.says()
        await stranger.says(enabled=False)
        await stage.frozen(await now(harness.store))
        with pytest.raises(AccountFrozen):
            await stage.says()
        said = (await stage.says(enabled=False)).said
        assert replace(said, said_at=None) == TopUp(stage.caller.account_id, False, "small", 100, 2_000, 0, is_low=False)
        await stage.frozen(None)
        await say(harness.store, stage.caller.wallet_id, Close(id=command_id("close", stage.caller.wallet_id)))
        with pytest.raises(AccountClosed):
            await stage.says()
