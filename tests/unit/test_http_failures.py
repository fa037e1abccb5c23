"""How it is told that there is no picture: by its class, for nothing, and with the refund where an answer was lost."""

from datetime import timedelta
from typing import Any

import pytest

from domain import attempts
from domain.attempts import Attempt, Failure, FailureClass, Outcome
from domain.generations import Generation, GenerationState
from tests.http_stage import BEARER, NOW, Stage

OURS = [failure for failure in vars(attempts).values() if isinstance(failure, Failure)]


def told(stage: Stage, generation: Generation, *, cancel: bool = False) -> Any:
    place = f"/v1/generations/{generation.id}"
    with stage.client() as client:
        answer = client.post(f"{place}/cancel", headers=BEARER) if cancel else client.get(place, headers=BEARER)
    assert answer.status_code == 200, answer.text
    return answer.json()


def uncertain(stage: Stage, **changes: Any) -> Generation:
    attempt = Attempt(1, NOW, NOW + timedelta(minutes=11), 1, Outcome.UNKNOWN, decided_at=NOW)
    return stage.has_generation(state=GenerationState.RUNNING, attempts=[attempt], **changes)


@pytest.mark.parametrize("failure", OURS, ids=lambda failure: failure.code)
def test_every_failure_of_ours_is_told_in_full_and_costs_nothing(failure: Failure) -> None:
    stage = Stage()
    made = stage.has_generation(state=GenerationState.FAILED, failure=failure, finished_at=NOW)
    shown = told(stage, made)
    assert shown["failure"] == {
        "class": failure.failure_class,
        "stage": failure.stage,
        "code": failure.code,
        "message": failure.message,
        "charged": 0,
        "request_id": None,
    }
    assert (shown["credits"]["captured"], shown["credits"]["held"]) == (0, 0)
    assert failure.message


def test_failures_of_ours_have_codes_of_their_own() -> None:
    assert len({failure.code for failure in OURS}) == len(OURS) >= 8


@pytest.mark.parametrize("failure_class", FailureClass)
def test_the_providers_request_id_goes_out_with_any_class_of_failure(failure_class: FailureClass) -> None:
    stage = Stage()
    failure = Failure(failure_class, attempts.Stage.CALL, "odd", "Something", "req_7")
    shown = told(stage, stage.has_generation(state=GenerationState.FAILED, failure=failure, finished_at=NOW))
    assert (shown["failure"]["class"], shown["failure"]["request_id"]) == (failure_class, "req_7")


def test_while_an_answer_is_lost_it_is_told_since_when_and_by_when_it_is_settled() -> None:
    stage = Stage()
    shown = told(stage, uncertain(stage))
    assert shown["uncertain"] == {"since": "2026-11-22T10:00:00Z", "resolves_by": "2026-11-22T12:00:00Z"}
    assert (shown["state"], shown["failure"], shown["queue"]) == ("running", None, None)


def test_cancelling_an_uncertain_one_is_the_refund() -> None:
    stage = Stage()
    shown = told(stage, uncertain(stage), cancel=True)
    assert (shown["state"], shown["uncertain"]) == ("cancelled", None)
    assert (shown["failure"]["class"], shown["failure"]["code"], shown["failure"]["charged"]) == ("cancelled", "refunded", 0)
    assert shown["credits"]["released"] == shown["credits"]["quoted"]
