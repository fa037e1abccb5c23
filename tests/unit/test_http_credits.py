"""Credits over HTTP: the wallet now and then, and the statement."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from application.queries import TransferFilter
from domain.commands import Sweep, command_id
from entrypoints.http.credits import KINDS
from tests.http_stage import BEARER, Stage


def test_the_wallet_is_shown_with_its_lots(client: TestClient[Litestar]) -> None:
    assert client.get("/v1/credits", headers=BEARER).json() == {
        "mode": "test",
        "available": 42,
        "held": 8,
        "debt": 0,
        "lots": [
            {
                "id": "00000000-0000-0000-0000-000000000007",
                "source": "trial",
                "granted": 50,
                "remaining": 42,
                "held": 8,
                "priority": 100,
                "expires_at": "2026-11-22T10:00:00Z",
            }
        ],
    }


def test_the_wallet_is_shown_as_of_an_instant(stage: Stage, client: TestClient[Litestar]) -> None:
    told = client.get("/v1/credits?as_of=2026-11-20T02:00:00.5%2B02:00", headers=BEARER).json()
    assert stage.told == datetime(2026, 11, 20, 0, 0, 0, 500_000, tzinfo=UTC)
    assert told == {
        "mode": "test",
        "as_of": "2026-11-20T00:00:00.500000Z",
        "available": 5,
        "held": 0,
        "debt": 0,
        "provisional": False,
    }


@pytest.mark.parametrize("at", ["now", "2026-11-20", "2026-11-20T02:00:00", "1", "", "9999-12-31T23:59:59-23:59", "%00"])
def test_what_is_no_instant_is_refused(at: str, client: TestClient[Litestar]) -> None:
    answer = client.get(f"/v1/credits?as_of={at}", headers=BEARER)
    assert (answer.status_code, answer.json()["field"]) == (400, "as_of")


def test_the_statement_leads_through_all_lines(stage: Stage, client: TestClient[Litestar]) -> None:
    stage.has_lines(5)
    page = client.get("/v1/credits/transfers?limit=2", headers=BEARER).json()
    seen = [row["version"] for row in page["data"]]
    while page["next"]:
        page = client.get(f"/v1/credits/transfers?limit=2&after={page['next']}", headers=BEARER).json()
        seen += [row["version"] for row in page["data"]]
    assert seen == [5, 4, 3, 2, 1]
    assert page["data"][0] == {
        "version": 1,
        "created_at": "2026-11-22T10:00:00Z",
        "kind": "hold",
        "debit": "available",
        "credit": "held",
        "amount": 8,
        "lot": "00000000-0000-0000-0000-000000000007",
        "generation": "00000000-0000-0000-0000-0000000003e9",
        "available_after": 42,
        "held_after": 8,
        "debt_after": 0,
    }


def test_every_filter_of_the_statement_reaches_the_query(stage: Stage, client: TestClient[Litestar]) -> None:
    generation = UUID(int=1_001)
    times = "created_after=2026-11-01T00:00:00Z&created_before=2026-11-02T00:00:00Z"
    answer = client.get(f"/v1/credits/transfers?generation={generation}&kind=capture&{times}", headers=BEARER)
    assert answer.status_code == 200
    first, second = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)
    assert stage.told == TransferFilter(generation, "capture", first, second)


def test_an_unknown_kind_is_told_the_known_ones(client: TestClient[Litestar]) -> None:
    told = client.get("/v1/credits/transfers?kind=gift", headers=BEARER).json()
    assert (told["field"], told["allowed"]) == ("kind", KINDS)


def test_kinds_are_the_commands_own_names() -> None:
    assert Sweep(id=command_id("sweep", 1)).kind in KINDS
    assert {"grant", "hold", "capture", "release", "expire", "reverse"} <= set(KINDS)
