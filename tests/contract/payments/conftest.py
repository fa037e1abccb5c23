"""Takers of money with the packaged catalogue on offer, each with what its customers and their banks do."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from adapters.payments.stripe_payments import StripePayments
from domain.billing import CustomerId
from tests.offer import CATALOGUE
from tests.payments_house import ACCOUNT, SECRET, House, StripeHouse
from tests.sandbox_house import SandboxHouse
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
async def stripe_house(stripe: StripeProcess) -> AsyncIterator[StripeHouse]:
    """On an account where nothing is on offer yet."""
    async with opened_stripe(stripe) as ready:
        yield ready


@pytest.fixture
def payments(stripe_house: StripeHouse) -> StripePayments:
    return stripe_house.payments


@asynccontextmanager
async def opened_stripe(stripe: StripeProcess) -> AsyncIterator[StripeHouse]:
    async with StripePayments.opened(KEY, [SECRET], base_url=stripe.url) as payments:
        yield StripeHouse(payments, stripe)


OPENED: dict[str, Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[House]]] = {
    "stripe": lambda request: opened_stripe(request.getfixturevalue("stripe")),
    "sandbox": lambda request: SandboxHouse.opened(),
}
"""A second adapter is one more name here."""


@pytest.fixture(params=OPENED)
def opening(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[House]:
    return OPENED[request.param](request)


@pytest.fixture
async def house(opening: AbstractAsyncContextManager[House]) -> AsyncIterator[House]:
    async with opening as opened:
        await opened.payments.offer(CATALOGUE)
        yield opened


@pytest.fixture
async def customer(house: House) -> CustomerId:
    return await house.payments.add_customer(ACCOUNT, "ada@mail.example")
