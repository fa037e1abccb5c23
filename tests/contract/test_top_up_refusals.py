"""Top-ups that the provider does not make: for no fault of their owner's they come again; what was paid is not declined."""

from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

import pytest

from application.payments import PRICED_HIGHER, PaymentDeclined, PaymentRefused, PaymentsUnavailable
from domain.top_up import AGAIN, LOOK_AGAIN
from tests.contract.harnesses import StoreHarness, each_store
from tests.top_up_stage import staged

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]
MOMENT = timedelta(seconds=1)


async def test_what_the_provider_refuses_is_not_its_customers_fault_and_comes_again(harness: StoreHarness) -> None:
    async with staged(harness) as stage:
        stage.line.no = PaymentRefused("resource_missing", "it was never offered")
        await stage.says()
        assert [await stage.watch() for _ in range(2)] == [{"given_up": 1, "refused": 1}, {}]
        shown = await stage.shown()
        assert shown.last
        assert (shown.said.enabled, shown.said.declined, shown.last.code, shown.spent) == (True, None, "resource_missing", 0)
        assert await stage.told() == []
        stage.line.no = None
        await stage.later(LOOK_AGAIN + MOMENT)
        assert await stage.watch() == {"paid": 1}


async def test_what_the_provider_failed_at_by_its_own_word_is_bought_under_another_key(harness: StoreHarness) -> None:
    """Under the same one it would fail for a day."""
    async with staged(harness) as stage:
        await stage.says()
        stage.line.no = PaymentsUnavailable()
        stage.line.no.answered = True
        assert await stage.watch() == {"given_up": 1, "refused": 1}
        stage.line.no = None
        await stage.later(LOOK_AGAIN + MOMENT)
        assert await stage.watch() == {"paid": 1}
        assert len({key for name, key in stage.line.said if name == "top_up"}) == 2
        assert (len(stage.charges()), await stage.available()) == (1, 430)


@pytest.mark.parametrize("no", [PaymentDeclined("no_payment_method"), PaymentRefused("resource_missing", "gone")])
async def test_who_paid_and_then_took_the_card_away_was_not_declined(harness: StoreHarness, no: Exception) -> None:
    async with staged(harness) as stage:
        await stage.says()
        stage.line.after.add("top_up")
        assert await stage.watch() == {"put_off": 1}
        stage.line.after.clear()
        stage.line.no = no
        await stage.later(AGAIN + MOMENT)
        assert await stage.watch() == {"paid": 1}
        assert (len(stage.charges()), (await stage.shown()).spent, await stage.told()) == (1, 500, [])


async def test_a_pack_that_became_dearer_at_the_provider_cannot_break_the_cap(harness: StoreHarness) -> None:
    async with staged(harness) as stage:
        cheap = replace(stage.catalogue.packs["small"], price=400)
        stage.catalogue = replace(stage.catalogue, packs=MappingProxyType({"small": cheap}))
        await stage.says(monthly_cap=499)
        assert await stage.watch() == {"given_up": 1, "refused": 1}
        last = (await stage.shown()).last
        assert last
        assert (stage.charges(), last.code) == ([], PRICED_HIGHER)
