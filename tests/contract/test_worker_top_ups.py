"""A real worker tops up, is killed while it does, and the next one finds what it left: paid once, and counted."""

import re
from pathlib import Path

import psycopg
import pytest

from adapters.payments.sandbox_pages import pay
from application.billing import ConvergePurchase
from application.top_up import ChangeTopUp
from domain.accounts import Caller, Mode
from domain.billing import PurchaseKind, PurchaseRef
from domain.top_up import TopUp
from entrypoints.wiring_payments import Card, SandboxPayments
from tests import plain_http
from tests.processes import part, until
from tests.world import World, world

pytestmark = pytest.mark.anyio
DIES = "Payments.top_up#1:after"


async def wants_a_top_up(service: World) -> Caller:
    caller = await service.caller(mode=Mode.LIVE)
    sandbox = await service.parts.get(SandboxPayments)
    customer = await sandbox.add_customer(caller.account_id, "")
    page = await sandbox.check_out(customer, "small", "/", "/", key="k")
    await sandbox.act(lambda here: pay(here, page.id, Card.GOOD, "", confirmed=True))
    await (await service.parts.get(ConvergePurchase))(PurchaseRef(PurchaseKind.CHECKOUT, page.id))
    asked = TopUp(caller.account_id, enabled=True, pack="small", below=500, monthly_cap=500)
    await (await service.parts.get(ChangeTopUp))(asked)
    return caller


async def test_a_worker_killed_after_the_payment_leaves_it_to_the_next(new_database_url: str, tmp_path: Path) -> None:
    async with world(new_database_url, tmp_path) as service:
        caller = await wants_a_top_up(service)
    told = {"DATABASE_URL": new_database_url, "CREDIT_WATCH_SECONDS": "0.2"}
    with part("worker", tmp_path, **told, CRASH_AT=DIES) as doomed:
        until(lambda: doomed.has_ended, "the worker to die")
    with psycopg.connect(new_database_url, autocommit=True) as connection:
        assert connection.execute("SELECT outcome FROM top_up_attempts").fetchall() == [(None,)]
        connection.execute("UPDATE top_ups SET resume_at = resume_at - interval '1 hour'")
        with part("worker", tmp_path / "next", **told, DATA_DIR=str(tmp_path)) as worker:
            until(lambda: '"working"' in worker.log.read_text(), "the worker to work")
            address = "http://" + re.findall(r'"address": "([^"]+)"', worker.log.read_text())[-1]
            until(lambda: 'top_ups_total{outcome="paid"} 1.0' in plain_http.get(f"{address}/metrics").text, "it to be paid")
        query = "SELECT available FROM wallets WHERE id = %s"
        assert connection.execute(query, (caller.wallet_id,)).fetchall() == [(800,)]
        assert connection.execute("SELECT outcome FROM top_up_attempts").fetchall() == [("paid",)]
        assert {("credits",), ("payments",)} <= set(connection.execute("SELECT name FROM turns").fetchall())
