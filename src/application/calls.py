"""One call of a model, from the bytes of its references to an answer that was looked at.

Whatever happens before the socket opens cannot have been paid; whatever comes back is checked before anyone is charged for it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from application.ports import ImageModel, ModelCall, ObjectMissing, ObjectStorage, PictureIntake, StorageUnavailable
from application.store import Store, StoreUnavailable
from domain.accounts import Mode
from domain.attempts import ECHO, CallResult, Executed, Failure, FailureClass, Finality, NotExecuted, Stage, Unknown
from domain.errors import BrokenImage, IntakeBusy, NotFound
from domain.generations import Generation
from domain.media import Asset

Subject = Callable[[Generation], str]
"""An opaque, stable name of the account for the model's provider."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A reference or mask as the model will see it."""

    asset: Asset
    content: bytes


@dataclass(frozen=True, slots=True)
class CallModel:
    """Make the call that an attempt was written down for; never a second one."""

    store: Store
    storage: ObjectStorage
    models: Mapping[Mode, ImageModel]
    intake: PictureIntake
    subject: Subject

    async def __call__(self, generation: Generation, until: float, pause: float) -> CallResult:
        """`until`, on the event loop's clock: no call outlives it. `pause`: seconds before the intake is asked again."""
        request = generation.request
        if request is None:
            raise AssertionError("an erased generation is never called")
        try:
            shown = await self._references(generation)
        except (StorageUnavailable, StoreUnavailable):
            return _not_called(FailureClass.STORAGE, "storage_unavailable", Finality.RETRYABLE)
        except (ObjectMissing, NotFound):
            return _not_called(FailureClass.STORAGE, "reference_missing", Finality.FINAL)
        if asyncio.get_running_loop().time() >= until:  # a timeout would stop the call only after it had begun
            return _not_called(FailureClass.TIMEOUT, "too_late", Finality.RETRYABLE)
        mask = shown.pop().content if request.mask else None
        call = ModelCall(request, tuple(reference.content for reference in shown), mask, self.subject(generation))
        try:
            async with asyncio.timeout_at(until):
                result = await self.models[generation.mode].make(call)
        except TimeoutError:
            return Unknown("timeout")
        return await self._without_echoes(result, shown, until, pause) if isinstance(result, Executed) else result

    async def _references(self, generation: Generation) -> list[Shown]:
        """The references, then the mask: none of them can be deleted while the generation is open."""
        request = generation.request
        named = [*request.references, *([request.mask] if request.mask else [])] if request else []
        if not named:
            return []
        async with self.store.transaction() as tx:
            assets = await tx.assets.pin(named, generation.account_id, generation.mode)
        return [Shown(asset, await self.storage.get(asset.key)) for asset in assets]

    async def _without_echoes(self, result: Executed, shown: Sequence[Shown], until: float, pause: float) -> Executed:
        """A reference that comes back as it was sent is no picture, and nobody pays for it."""
        sizes = {(reference.asset.width, reference.asset.height) for reference in shown}
        suspects = [picture for picture in result.pictures if (picture.width, picture.height) in sizes]
        if not suspects:
            return result
        sent = {await self._fingerprint(reference.content, until, pause) for reference in shown} - {None}
        echoes = [id(picture) for picture in suspects if await self._fingerprint(picture.content, until, pause) in sent]
        fresh = tuple(picture for picture in result.pictures if id(picture) not in echoes)
        return replace(result, pictures=fresh, failure=None if fresh else replace(ECHO, request_id=result.request_id))

    async def _fingerprint(self, content: bytes, until: float, pause: float) -> str | None:
        """None if the picture cannot be decoded, or nobody finds the time: it is paid, so the caller gets it."""
        while asyncio.get_running_loop().time() < until:
            try:
                return await self.intake.fingerprint(content)
            except BrokenImage:
                return None
            except IntakeBusy:
                await asyncio.sleep(pause)
        return None


def _not_called(failure_class: FailureClass, code: str, finality: Finality) -> NotExecuted:
    return NotExecuted(Failure(failure_class, Stage.INPUT, code, "No call was made"), finality)
