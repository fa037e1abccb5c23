"""The file of the sandbox of payments: nobody else's, never half of one, and refused in plain words where it cannot be used."""

import stat
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from adapters.payments.sandbox_file import StateFile
from application.payments import PaymentsUnavailable
from domain.accounts import AccountId
from domain.billing import CustomerId
from tests.sandbox_house import SandboxHouse, sandbox

pytestmark = pytest.mark.anyio


@pytest.fixture
async def house() -> AsyncIterator[SandboxHouse]:
    async with SandboxHouse.opened() as house:
        yield house


async def test_the_file_is_ours_alone_and_knows_nobody(house: SandboxHouse) -> None:
    await house.payments.add_customer(AccountId(UUID(int=7)), "ada@mail.example")
    assert stat.S_IMODE(house.payments.path.stat().st_mode) == 0o600
    assert b"ada" not in house.payments.path.read_bytes()


@pytest.mark.parametrize("content", [b"", b"[]", b"nonsense", b'{"customers": 7}'])
async def test_a_file_of_another_kind_is_left_alone(house: SandboxHouse, content: bytes) -> None:
    house.payments.path.write_bytes(content)
    for asked in (house.payments.owner(CustomerId("cus_1")), house.payments.add_customer(AccountId(UUID(int=1)), "")):
        with pytest.raises(PaymentsUnavailable):
            await asked
    assert house.payments.path.read_bytes() == content


async def test_a_folder_that_cannot_be_used_is_said_to_be(house: SandboxHouse) -> None:
    house.payments.path.write_bytes(b"{}")
    elsewhere = sandbox(house.payments.path / "below" / "payments.json", house.clock)
    for asked in (elsewhere.owner(CustomerId("cus_1")), elsewhere.add_customer(AccountId(UUID(int=1)), "")):
        with pytest.raises(PaymentsUnavailable):
            await asked


def test_who_waits_too_long_for_others_is_told(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "payments.json", patience=0)
    with file.change(), pytest.raises(PaymentsUnavailable), file.change():
        pass
