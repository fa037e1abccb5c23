"""Small copies of pictures for those who only look: a judge needs no 50 megapixels."""

import asyncio
import io
import math

from PIL import Image

from adapters.picture_pool import PicturePool, PoolStopped, WorkerDied
from adapters.pictures.decoding import decoder_of
from domain.errors import IntakeBusy
from domain.media import PictureFormat, format_of

SIDE = 1024
"""Pixels at most. Judges shrink what is larger themselves."""
_QUALITY = 85
_MOST_FRAMES = 16
_BEHIND = (128, 128, 128)
"""What shows through where a picture is transparent: on white, white could hide."""


class SmallCopies:
    """Made in the picture workers; `timeout_seconds` each."""

    def __init__(self, pool: PicturePool, *, timeout_seconds: float = 20) -> None:
        self._pool, self._timeout = pool, timeout_seconds

    async def __call__(self, content: bytes) -> bytes | None:
        """A JPEG; None if the picture cannot be drawn. Of a film, all frames beside each other. Raises IntakeBusy."""
        try:
            return await asyncio.wrap_future(self._pool.schedule(small_copy, (content,), self._timeout))
        except (WorkerDied, TimeoutError, PoolStopped):
            raise IntakeBusy from None


def small_copy(content: bytes) -> bytes | None:
    """Runs in a worker."""
    try:
        with decoder_of(content)(io.BytesIO(content)) as picture:
            count = min(getattr(picture, "n_frames", 1), _MOST_FRAMES) if format_of(content) is PictureFormat.GIF else 1
            columns = math.ceil(math.sqrt(count))
            side = SIDE // columns
            sheet: Image.Image | None = None
            for number in range(count):
                if number:
                    picture.seek(number)
                frame = _shrunk(picture, side)
                if sheet is None:
                    sheet = Image.new("RGB", (frame.width * columns, frame.height * math.ceil(count / columns)), _BEHIND)
                sheet.paste(frame, (number % columns * frame.width, number // columns * frame.height))
        if sheet is None:
            return None
        written = io.BytesIO()
        sheet.save(written, "JPEG", quality=_QUALITY)
        return written.getvalue()
    except Exception:
        return None


def _shrunk(picture: Image.Image, side: int) -> Image.Image:
    """Shrunk while it is decoded, where the format can do that."""
    if getattr(picture, "n_frames", 1) == 1:
        picture.draft("RGB", (side, side))
    seen = picture.convert("RGBA") if picture.has_transparency_data else picture.convert("RGB")
    seen.thumbnail((side, side), Image.Resampling.BOX, reducing_gap=2.0)
    if seen.mode == "RGB":
        return seen
    behind = Image.new("RGBA", seen.size, (*_BEHIND, 255))
    return Image.alpha_composite(behind, seen).convert("RGB")
