"""One call of a model. Whatever happens before the socket opens cannot have been paid."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from application import references
from application.ports import ImageModel, ModelCall, ObjectMissing, ObjectStorage, Show, StorageUnavailable
from application.screening import ScreenInput
from application.store import Store, StoreUnavailable
from domain.accounts import Mode
from domain.attempts import CallResult, Failure, FailureClass, Finality, NotExecuted, Stage, Unknown
from domain.errors import NotFound
from domain.generations import Generation

Subject = Callable[[Generation], str]
"""An opaque, stable name of the account for the model's provider."""
LATE_SECONDS = 2.0
"""A model that keeps to its time is never cut off, and what has come to it by then is not lost."""


@dataclass(frozen=True, slots=True)
class CallModel:
    """Make the call that an attempt was written down for; never a second one."""

    store: Store
    storage: ObjectStorage
    models: Mapping[Mode, ImageModel]
    subject: Subject
    screen: ScreenInput | None = None

    async def __call__(self, generation: Generation, until: float, show: Show | None = None) -> CallResult:
        """`until`, on the event loop's clock: no call outlives it. `show`: who wants to see partial pictures."""
        request = generation.request
        if request is None:
            raise AssertionError("an erased generation is never called")
        named = [*request.references, *([request.mask] if request.mask else [])]
        try:
            shown = await references.load(self.store, self.storage, generation, named)
        except (StorageUnavailable, StoreUnavailable):
            return _not_called(FailureClass.STORAGE, "storage_unavailable", Finality.RETRYABLE)
        except (ObjectMissing, NotFound):
            return _not_called(FailureClass.STORAGE, "reference_missing", Finality.FINAL)
        references_shown = shown[: len(request.references)]
        if self.screen and (ended := await self.screen(generation, references_shown, until)):
            return ended
        seconds = until - LATE_SECONDS - asyncio.get_running_loop().time()
        if seconds <= 0:  # a timeout would stop the call only after it had begun
            return _not_called(FailureClass.TIMEOUT, "too_late", Finality.RETRYABLE)
        mask = shown.pop().content if request.mask else None
        contents = tuple(reference.content for reference in shown)
        call = ModelCall(request, contents, mask, self.subject(generation), show, seconds)
        try:
            async with asyncio.timeout_at(until):
                return await self.models[generation.mode].make(call)
        except TimeoutError:
            return Unknown("timeout")


def _not_called(failure_class: FailureClass, code: str, finality: Finality) -> NotExecuted:
    return NotExecuted(Failure(failure_class, Stage.INPUT, code, "No call was made"), finality)
