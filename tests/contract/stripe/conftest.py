"""One pretended Stripe for the tests of it; each test has a world of its own."""

from collections.abc import AsyncIterator, Iterator

import pytest
from stripe import StripeClient

from tests.stripe_process import StripeProcess, stripe_process
from tests.stripe_shapes import Obj


@pytest.fixture(scope="session")
def stripe_running() -> Iterator[StripeProcess]:
    with stripe_process() as running:
        yield running
        assert not running.complaints()


@pytest.fixture
def stripe(stripe_running: StripeProcess) -> StripeProcess:
    stripe_running.do("fresh")
    return stripe_running


@pytest.fixture
async def client(stripe: StripeProcess) -> AsyncIterator[StripeClient]:
    async with stripe.client() as ready:
        yield ready


@pytest.fixture
def shop(stripe: StripeProcess) -> Obj:
    """Ids: a product, a customer, and the prices `plan`, `pro` and `pack`."""
    product = stripe.do("ask", verb="post", path="/v1/products", params={"name": "Credits"})["id"]
    found = {"product": product}
    for name, amount, more in (
        ("plan", 900, {"recurring": {"interval": "month"}}),
        ("pro", 2900, {"recurring": {"interval": "month"}}),
        ("pack", 1000, {}),
    ):
        said = {"product": product, "currency": "eur", "unit_amount": amount, "lookup_key": name} | more
        found[name] = stripe.do("ask", verb="post", path="/v1/prices", params=said)["id"]
    found["customer"] = stripe.do("ask", verb="post", path="/v1/customers", params={"email": "ada@mail.example"})["id"]
    return found
