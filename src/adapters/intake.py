"""Uploads made harmless, and pictures looked at, in the processes of the picture pool."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from adapters.picture_pool import PicturePool, PoolStopped, WorkerDied
from adapters.pictures.cleaning import clean_picture, digest_of_pixels, read_header, too_heavy
from adapters.pictures.extent import pixels_said
from application.ports import PictureIntake
from domain.attempts import Picture
from domain.errors import IntakeBusy, Truncated
from domain.limits import LIMITS
from domain.media import AssetKind, CleanPicture, Likeness, PictureFormat, check_bytes, sniff

Seen = TypeVar("Seen")

LEAST_SECONDS = 5.0
"""A busy machine may take a second for what takes milliseconds."""


def likeness_of(content: bytes) -> Likeness:
    """Runs in a worker."""
    from adapters.pictures import pdq  # with numpy, which only workers need

    return pdq.likeness_of(content)


class PillowIntake(PictureIntake):
    """`timeout_seconds` is the time in its worker of a picture as large as may be; a smaller one has less. More than
    `most_waiting` uploads at once are sent away."""

    def __init__(self, pool: PicturePool, *, timeout_seconds: float = 20, most_waiting: int = 32) -> None:
        self._pool, self._timeout, self._most = pool, timeout_seconds, most_waiting
        self._in_flight = 0

    async def clean(self, content: bytes, kind: AssetKind) -> CleanPicture:
        check_bytes(len(content), kind)
        format = sniff(content)
        if self._in_flight >= self._most:
            raise IntakeBusy(limit=self._most)
        self._in_flight += 1
        seconds = self._seconds(content, format)
        try:
            return await asyncio.wrap_future(self._pool.schedule(clean_picture, (content, format, kind), seconds))
        except TimeoutError:
            raise too_heavy(seconds) from None
        except WorkerDied:
            raise Truncated("the image could not be decoded", field="file") from None
        except PoolStopped:
            raise IntakeBusy from None
        finally:
            self._in_flight -= 1

    def _seconds(self, content: bytes, format: PictureFormat) -> float:
        """By the pixels it says it has. Whoever lies about them is stopped by the decoder, or by this."""
        pixels = pixels_said(content, format)
        share = 1.0 if pixels is None else pixels / LIMITS["upload_pixels"]
        return min(self._timeout, max(LEAST_SECONDS, self._timeout * share))

    async def describe(self, content: bytes) -> Picture:
        return Picture(content, *await self._seen(read_header, content))

    async def redraw(self, content: bytes) -> Picture:
        from adapters.pictures import redrawing  # which only few ever need

        return Picture(*await self._seen(redrawing.redrawn, content))

    async def likeness(self, content: bytes) -> Likeness:
        return await self._seen(likeness_of, content)

    async def fingerprint(self, content: bytes) -> str:
        return await self._seen(digest_of_pixels, content)

    async def _seen(self, look: Callable[[bytes], Seen], content: bytes) -> Seen:
        """A worker lost under it says nothing about the picture: there is a second try, and then no answer."""
        for _ in range(2):
            try:
                return await asyncio.wrap_future(self._pool.schedule(look, (content,), self._timeout))
            except (WorkerDied, TimeoutError):
                continue
            except PoolStopped:
                break
        raise IntakeBusy
