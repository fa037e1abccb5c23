"""What is under observation: calls of a model are counted, and a provider that refuses us is said once, not once a call; and so
are the tries of webhooks."""

import re
from collections.abc import Collection, Mapping
from time import monotonic

import structlog

from application.ports import ImageModel, ModelCall
from application.webhook_deliveries import Answer, WebhookPost
from domain.accounts import Mode
from domain.attempts import CallResult, Executed, NotExecuted, Obstacle, Outcome
from entrypoints.draining import Drain
from entrypoints.metrics import CALLS_IN_FLIGHT, OTHER_MODEL, WEBHOOK_TRIES, count_call

log = structlog.get_logger()


class ObservedModel(ImageModel):
    """The same model. `models`: those of the catalogue, which alone are named. While the provider refuses us, no call starts for
    `refused_seconds`: a refusal after that is another one."""

    def __init__(self, model: ImageModel, mode: Mode, models: Collection[str], drain: Drain, refused_seconds: float) -> None:
        self._model, self._mode, self._models, self._drain = model, mode, models, drain
        self._refused_seconds = refused_seconds
        self._refused_until: dict[str, float] = {}

    async def make(self, call: ModelCall) -> CallResult:
        name = call.request.model if call.request.model in self._models else OTHER_MODEL
        began, outcome = monotonic(), Outcome.UNKNOWN  # which it stays where the call is cut off
        try:
            self._drain.calls()
            with CALLS_IN_FLIGHT.track_inprogress():
                result = await self._model.make(call)
            outcome = _outcome(result)
        finally:
            count_call(name, self._mode, outcome, monotonic() - began)
        if isinstance(result, NotExecuted) and result.obstacle is Obstacle.KEY_REFUSED:
            self._refused(name, result.failure.code)
        return result

    async def examine(self) -> str | None:
        return await self._model.examine()

    def _refused(self, model: str, code: str) -> None:
        now = monotonic()
        if now >= self._refused_until.get(model, 0.0):
            said = code if re.fullmatch("[a-z0-9_]{1,40}", code) else "refused"  # the provider's word, which might be anything
            log.error("provider_refused", error=said, where=model)
        self._refused_until[model] = now + self._refused_seconds


def _outcome(result: CallResult) -> Outcome:
    if isinstance(result, Executed):
        return Outcome.EXECUTED
    return Outcome.NOT_EXECUTED if isinstance(result, NotExecuted) else Outcome.UNKNOWN


class ObservedWebhooks(WebhookPost):
    """The same post; its tries are counted."""

    def __init__(self, webhooks: WebhookPost) -> None:
        self._webhooks = webhooks

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        answer = await self._webhooks.post(url, headers, body)
        WEBHOOK_TRIES.labels(answer.reason.value).inc()
        return answer
