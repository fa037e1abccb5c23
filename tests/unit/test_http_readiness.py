"""What is told of the models' gates: to the public that something is amiss, to operators what."""

from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from application.store import StoreUnavailable
from domain.gates import ClosedFor, Gate
from tests.http_stage import NOW, Stage

LATER, EARLIER = NOW + timedelta(seconds=1), NOW


def closed(stage: Stage) -> dict[str, float]:
    with stage.operations() as operations:
        families = text_string_to_metric_families(operations.get("/metrics").text)
    return {s.labels["reason"]: s.value for family in families for s in family.samples if s.name == "model_gates_closed"}


def test_while_the_provider_refuses_us_requests_are_taken_and_the_service_says_that_it_is_degraded() -> None:
    stage = Stage(gates=[Gate("a", LATER, ClosedFor.KEY_REFUSED), Gate("b")])
    with stage.client() as client, stage.operations() as operations:
        ready, health = client.get("/health/ready"), operations.get("/health")
    assert (ready.status_code, ready.json()) == (200, {"status": "degraded"})
    assert (health.status_code, health.json()) == (503, {"database": True, "storage": True, "image_model": False})


@pytest.mark.parametrize(
    "gate",
    [
        Gate("a"),
        Gate("a", EARLIER, ClosedFor.KEY_REFUSED),
        *(Gate("a", LATER, reason) for reason in ClosedFor if reason is not ClosedFor.KEY_REFUSED),
    ],
    ids=str,
)
def test_a_gate_that_opens_by_itself_degrades_nothing(gate: Gate) -> None:
    stage = Stage(gates=[gate])
    with stage.client() as client, stage.operations() as operations:
        assert client.get("/health/ready").json() == {"status": "up"}
        assert operations.get("/health").status_code == 200


def test_closed_gates_are_counted_by_reason_and_every_reason_has_a_figure() -> None:
    gates = [
        Gate("a", LATER, ClosedFor.ALLOWANCE),
        Gate("b", LATER, ClosedFor.ALLOWANCE),
        Gate("c", EARLIER, ClosedFor.ALLOWANCE),
    ]
    told = closed(Stage(gates=[*gates, Gate("d", LATER, ClosedFor.UNKNOWN_OUTCOMES)]))
    assert told == {"allowance": 2, "rate_limit": 0, "unreachable": 0, "key_refused": 0, "unknown_outcomes": 1}


def test_while_the_database_is_away_nothing_is_known_of_gates() -> None:
    told = closed(Stage(outage=StoreUnavailable()))
    assert set(told) == set(ClosedFor)
    assert all(value != value for value in told.values()), "not NaN"
