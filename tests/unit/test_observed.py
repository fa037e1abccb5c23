"""What is told of calls: counted by model, mode and outcome, and a provider that refuses us named once."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from application.ports import ImageModel, ModelCall
from domain.accounts import Mode
from domain.attempts import (
    CallResult,
    Executed,
    Failure,
    FailureClass,
    Finality,
    NotExecuted,
    Obstacle,
    Outcome,
    Stage,
    Unknown,
    Usage,
)
from domain.media import PictureFormat
from domain.requests import PictureRequest, Quality, Size
from entrypoints import metrics
from entrypoints.draining import Drain
from entrypoints.observed import ObservedModel

pytestmark = pytest.mark.anyio
REQUEST = PictureRequest("gpt-image-2", "a most private boat", 1, Size(64, 64), Quality.LOW, PictureFormat.PNG)
REFUSED = NotExecuted(
    Failure(FailureClass.PROVIDER, Stage.CALL, "invalid_api_key", "Incorrect API key sk-secret"),
    Finality.RETRYABLE,
    obstacle=Obstacle.KEY_REFUSED,
)
BUSY = replace(REFUSED, obstacle=Obstacle.RATE_LIMIT)
RESULTS: dict[Outcome, CallResult] = {
    Outcome.EXECUTED: Executed((), "req_1", Usage(), cost=1),
    Outcome.NOT_EXECUTED: BUSY,
    Outcome.UNKNOWN: Unknown("reset"),
}


class Answers(ImageModel):
    """Answers with what it is told, once it may."""

    def __init__(self, answer: CallResult | Callable[[], CallResult]) -> None:
        self.answer = answer
        self.may, self.called = asyncio.Event(), asyncio.Event()
        self.may.set()

    async def make(self, call: ModelCall) -> CallResult:
        self.called.set()
        await self.may.wait()
        return self.answer() if callable(self.answer) else self.answer

    async def examine(self) -> str | None:
        return "as it is"


def a_call(model: str = "gpt-image-2") -> ModelCall:
    return ModelCall(replace(REQUEST, model=model), (), None, "subject")


def observed(model: ImageModel, *, refused_seconds: float = 600) -> ObservedModel:
    return ObservedModel(model, Mode.LIVE, ["gpt-image-2"], Drain(), refused_seconds)


def counted(name: str, **labels: str) -> float:
    return metrics.WORKER_REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize("outcome", RESULTS, ids=str)
async def test_calls_are_counted_by_outcome(outcome: Outcome) -> None:
    labels = {"model": "gpt-image-2", "mode": "live"}
    before = counted("attempts_total", **labels, outcome=outcome), counted("call_seconds_count", **labels)
    assert await observed(Answers(RESULTS[outcome])).make(a_call()) == RESULTS[outcome]
    after = counted("attempts_total", **labels, outcome=outcome), counted("call_seconds_count", **labels)
    assert (after[0] - before[0], after[1] - before[1]) == (1, 1)


async def test_a_call_that_is_out_is_in_flight_and_one_that_is_cut_off_ended_unknown() -> None:
    model = Answers(RESULTS[Outcome.EXECUTED])
    model.may.clear()
    before = counted("attempts_total", model="gpt-image-2", mode="live", outcome="unknown")
    calling = asyncio.create_task(observed(model).make(a_call()))
    await model.called.wait()
    assert counted("calls_in_flight") == 1
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert counted("calls_in_flight") == 0
    assert counted("attempts_total", model="gpt-image-2", mode="live", outcome="unknown") == before + 1


async def test_only_models_of_the_catalogue_are_named() -> None:
    await observed(Answers(RESULTS[Outcome.EXECUTED])).make(a_call("whatever a caller wrote"))
    said = metrics.exposition(metrics.WORKER_REGISTRY).decode()
    assert 'model="other"' in said
    assert "whatever" not in said


async def test_a_refusal_of_our_key_is_said_once_while_it_lasts_and_never_with_the_key() -> None:
    model = observed(Answers(REFUSED))
    with capture_logs() as lines:
        for _ in range(5):
            await model.make(a_call())
        assert lines == [{"event": "provider_refused", "error": "invalid_api_key", "where": "gpt-image-2", "log_level": "error"}]
    again = observed(Answers(REFUSED), refused_seconds=0)
    with capture_logs() as lines:
        for _ in range(2):
            await again.make(a_call())
    assert len(lines) == 2, "each closing of the gate is another one"


async def test_other_failures_are_not_refusals_of_us_and_strange_words_are_not_repeated() -> None:
    with capture_logs() as lines:
        for result in RESULTS.values():
            await observed(Answers(result)).make(a_call())
        assert lines == []
        strange = replace(REFUSED, failure=replace(REFUSED.failure, code="sk-Secret: refused"))
        await observed(Answers(strange)).make(a_call())
    assert [line["error"] for line in lines] == ["refused"]


def test_the_labels_of_every_metric_are_a_closed_list() -> None:
    known: dict[str, Any] = {}
    for registry in (metrics.REGISTRY, metrics.WORKER_REGISTRY):
        known |= _labels(registry)
    labelled = {name: labels for name, labels in known.items() if labels}
    assert set().union(*labelled.values()) <= {"route", "method", "status", "model", "mode", "outcome", "reason", "policy"}


def _labels(registry: CollectorRegistry) -> dict[str, set[str]]:
    return {
        metric.name: {label for sample in metric.samples for label in sample.labels} - {"le"} for metric in registry.collect()
    }
