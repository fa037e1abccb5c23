"""What is sold no longer: nobody gets it at the sandbox of payments, and whoever has it keeps it."""

from dataclasses import replace
from uuid import UUID

import pytest

from application.payments import PaymentRefused
from domain.accounts import AccountId
from domain.billing import SubscriptionState
from domain.catalogue import Catalogue
from tests.offer import CATALOGUE, MODELS, PLANS
from tests.payments_house import paid, subscribe
from tests.sandbox_house import SandboxHouse

ENDED = PLANS.replace("[plans.starter]", "[plans.starter]\nsold = false").replace("[packs.small]", "[packs.small]\nsold = false")
UNSOLD = Catalogue.parse(MODELS, ENDED)


def test_only_what_has_a_price_and_is_sold_is_for_sale() -> None:
    assert list(CATALOGUE.for_sale) == ["starter", "pro", "studio", "small", "medium", "large"]
    assert list(UNSOLD.for_sale) == ["pro", "studio", "medium", "large"]
    assert UNSOLD.plan("starter").credits == CATALOGUE.plan("starter").credits


@pytest.mark.anyio
async def test_nobody_gets_what_is_no_longer_sold_and_who_has_it_keeps_it() -> None:
    async with SandboxHouse.opened() as house:
        ada, bob = [await house.payments.add_customer(AccountId(UUID(int=each)), "x@mail.example") for each in (1, 2)]
        starter = await subscribe(house, ada, "starter")
        later = replace(house.payments, catalogue=UNSOLD)
        for product in ("starter", "small"):
            with pytest.raises(PaymentRefused):
                await later.check_out(bob, product, "/", "/", key=product)
        with pytest.raises(PaymentRefused):
            await later.top_up(ada, "small", key="up")
        await later.check_out(bob, "medium", "/", "/", key="still")
        house.later(32)
        renewed = await later.subscription(starter.id)
        assert renewed
        assert renewed.state is SubscriptionState.ACTIVE
        assert await paid(house) == [("starter", 900)] * 2
        with pytest.raises(PaymentRefused):
            await later.change(starter.id, "starter", upwards=False, key="again")
