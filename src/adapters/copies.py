"""Copies of stored pictures, drawn in the processes of the picture pool."""

import asyncio
from collections.abc import Callable

from adapters.picture_pool import PicturePool, PoolStopped, WorkerDied
from application.copies import PictureCopies
from domain.errors import IntakeBusy, TooHeavy
from domain.provenance import SourceType
from domain.renditions import Shape, Sketch


class PooledCopies(PictureCopies):
    """`xmp` writes what is said of a picture's origin. `timeout_seconds` is the time of one copy in its worker, and
    `patient_seconds` that of one which nobody waits for: those are made in the pool `patient`."""

    def __init__(
        self,
        pool: PicturePool,
        patient: PicturePool,
        xmp: Callable[[SourceType], bytes],
        *,
        timeout_seconds: float = 30,
        patient_seconds: float = 90,
    ) -> None:
        self._pool, self._patient, self._xmp = pool, patient, xmp
        self._timeout, self._patient_seconds = timeout_seconds, patient_seconds

    async def sketch(self, content: bytes, source_type: SourceType | None) -> Sketch:
        """A worker lost under it says nothing about the picture: another picture, or the machine, may have taken its memory."""
        asked = (content, self._xmp(source_type) if source_type else None)
        try:
            return await asyncio.wrap_future(self._patient.schedule(sketch_of, asked, self._patient_seconds))
        except (WorkerDied, TimeoutError, MemoryError, PoolStopped):
            raise IntakeBusy from None

    async def render(self, content: bytes, shape: Shape) -> bytes:
        try:
            return await asyncio.wrap_future(self._pool.schedule(render, (content, shape), self._timeout))
        except (TimeoutError, MemoryError):
            raise TooHeavy("this copy takes more time or memory than one may", field="width") from None
        except (WorkerDied, PoolStopped):
            raise IntakeBusy from None


def sketch_of(content: bytes, xmp: bytes | None) -> Sketch:
    """Runs in a worker."""
    from adapters.pictures import sketching  # with numpy, which only workers need

    return sketching.sketch_of(content, xmp)


def render(content: bytes, shape: Shape) -> bytes:
    """Runs in a worker."""
    from adapters.pictures import rendering

    return rendering.render(content, shape)
