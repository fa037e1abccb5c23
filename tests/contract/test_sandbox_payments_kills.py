"""Many processes at once at the sandbox of payments, killed in the middle of writes: what was said to be done is done, once."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from adapters.payments.sandbox import SandboxPayments
from adapters.payments.sandbox_file import StateFile
from adapters.payments.sandbox_state import Card
from domain.accounts import AccountId
from domain.billing import CustomerId
from tests.sandbox_house import Clock, sandbox
from tests.sandbox_writer import CALLS

pytestmark = pytest.mark.anyio
NOW = Clock(datetime.now(UTC))
NEW = (("replace", "after"), ("close", "before"), ("close", "after"))
"""Where a write has been made: from its renaming on."""


@pytest.fixture
def payments(tmp_path: Path) -> SandboxPayments:
    return sandbox(tmp_path / "payments.json", NOW)


@pytest.fixture
async def customer(payments: SandboxPayments) -> CustomerId:
    made = await payments.add_customer(AccountId(UUID(int=7)), "ada@mail.example")
    with StateFile(payments.path).change() as state:
        state.customers[made].card = Card.GOOD
    return made


@contextmanager
def writer(payments: SandboxPayments, customer: CustomerId, *asked: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.sandbox_writer", str(payments.path), customer, *asked]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        yield process
        process.kill()


def said(process: "subprocess.Popen[str]") -> list[str]:
    """What it said until it died."""
    assert process.stdout
    return process.stdout.read().split()


async def check(payments: SandboxPayments, customer: CustomerId, keys: list[str]) -> None:
    """Saying every key again changes nothing for those that were said to be done; each is one purchase."""
    before = await payments.reading()
    answers = before.state.answers
    assert {f"top up:{key}" for key in keys} <= set(answers)
    assert sorted(answer.id for answer in answers.values()) == sorted(before.state.payments)
    for key in keys:
        assert (await payments.top_up(customer, "small", key=key)).id == answers[f"top up:{key}"].id
    after = await payments.reading()
    assert after.state == before.state
    told = [event.object_id for event in after.state.events if event.type == "invoice.paid"]
    assert sorted(told) == sorted(after.state.payments)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", CALLS)
async def test_killed_at_a_call_of_the_system_leaves_the_old_state_or_the_new_one(
    payments: SandboxPayments, customer: CustomerId, call: str, moment: str
) -> None:
    with writer(payments, customer, "a", call, moment) as process:
        keys = said(process)
    assert (keys, process.returncode) == (["a-0"], -9)
    await check(payments, customer, keys)
    is_new = "top up:a-1" in (await payments.reading()).state.answers
    assert is_new == ((call, moment) in NEW)
    await payments.top_up(customer, "small", key="a-1")
    assert len((await payments.reading()).state.payments) == 2


async def test_two_at_once_that_are_killed_lose_and_repeat_nothing(payments: SandboxPayments, customer: CustomerId) -> None:
    keys = list[str]()
    for round in range(3):
        with ExitStack() as stack:
            processes = [stack.enter_context(writer(payments, customer, f"{round}{name}")) for name in "abc"]
            for number, process in enumerate(processes):
                assert process.stdout
                keys += [process.stdout.readline().strip() for _ in range(5 + 3 * number)]
                process.kill()
                keys += said(process)
    assert len(keys) >= 3 * (5 + 8 + 11)
    await check(payments, customer, [key for key in keys if key])
