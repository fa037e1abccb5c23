"""Takers of money with the packaged catalogue on offer, each with what its customers and their banks do."""

from collections.abc import AsyncIterator, Iterator

import pytest

from adapters.payments.stripe_payments import StripePayments
from tests.offer import CATALOGUE
from tests.payments_house import SECRET, House, StripeHouse
from tests.stripe_process import KEY, StripeProcess, stripe_process


@pytest.fixture(scope="session")
def stripe_running() -> Iterator[StripeProcess]:
    with stripe_process("P") as running:
        yield running
        assert not running.complaints()


@pytest.fixture
def stripe(stripe_running: StripeProcess) -> StripeProcess:
    stripe_running.do("fresh")
    return stripe_running


@pytest.fixture
async def payments(stripe: StripeProcess) -> AsyncIterator[StripePayments]:
    """On an account where nothing is on offer yet."""
    async with StripePayments.opened(KEY, [SECRET], base_url=stripe.url) as ready:
        yield ready


@pytest.fixture(params=["stripe"])
async def house(request: pytest.FixtureRequest) -> House:
    """A second adapter is one more name here."""
    opened: House = request.getfixturevalue(f"{request.param}_house")
    await opened.payments.offer(CATALOGUE)
    return opened


@pytest.fixture
async def stripe_house(stripe: StripeProcess, payments: StripePayments) -> StripeHouse:
    return StripeHouse(payments, stripe)
