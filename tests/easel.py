"""What the tests of the painter share: requests, painted pictures, and ways to look at them."""

import io
from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adapters.image_models.brush.studio import Commission, Work, paint
from domain.media import AssetId, PictureFormat
from domain.requests import PictureRequest, Quality, Size

Pixels = NDArray[np.int64]
QUALITIES = list(Quality)


def request(prompt: str = "a red fox in snow", width: int = 96, height: int | None = None, **changes: Any) -> PictureRequest:
    size = Size(width, height or width)
    plain = PictureRequest("gpt-image-2", prompt, 1, size, Quality.MEDIUM, PictureFormat.PNG)
    return replace(plain, **changes)


def painted(asked: PictureRequest, *references: bytes, mask: bytes | None = None, index: int = 0, partials: int = 0) -> Work:
    ids = tuple(AssetId(UUID(int=number)) for number in range(len(references)))
    return paint(Commission(replace(asked, references=ids), references, mask, index, partials))


def opened(content: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(content))
    picture.load()
    return picture


def pixels(content: bytes | Image.Image, mode: str = "RGB") -> Pixels:
    picture = opened(content) if isinstance(content, bytes) else content
    return np.asarray(picture.convert(mode), np.int64)


def look(prompt: str, width: int = 96, **changes: Any) -> Pixels:
    return pixels(painted(request(prompt, width, **changes)).picture.content)


def changed(first: Pixels, second: Pixels) -> float:
    """The part of the pixels that differ visibly: by more than 8 of 255 in some channel."""
    return float((np.abs(first - second).max(axis=2) > 8).mean())


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def noise(seed: int, size: tuple[int, int], channels: int = 3) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], channels), dtype=np.uint8))


def holed(size: tuple[int, int], hole: tuple[int, int, int, int], alpha: int = 0) -> bytes:
    mask = Image.new("RGBA", size, (0, 0, 0, 255))
    mask.paste((0, 0, 0, alpha), hole)
    return png(mask)
