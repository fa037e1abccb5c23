"""Many pictures brought in at once, to a real API process."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from tests.hostile import encode
from tests.hostile_files import BOUNDARY, form
from tests.http_house import House
from tests.pictures import corners
from tests.service import Customer
from tests.upload_line import Line

AT_ONCE = 32
pytestmark = pytest.mark.anyio


@pytest.fixture
async def lines(served: House, buyer: Customer) -> AsyncIterator[Callable[[], Line]]:
    opened = list[Line]()

    def one_more() -> Line:
        port = served.client.base_url.port
        assert port
        opened.append(Line("127.0.0.1", port, buyer.key))
        return opened[-1]

    yield one_more
    for line in opened:
        await line.close()


async def test_as_many_at_once_as_may_be_are_all_answered(served: House, lines: Callable[[], Line]) -> None:
    content = form(encode(corners().resize((600, 400)), "JPEG"))
    answers = await asyncio.gather(*(lines().upload(content, BOUNDARY) for _ in range(AT_ONCE)))
    assert {answer.status for answer in answers} == {201}
