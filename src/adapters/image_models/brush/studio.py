"""One commission, one picture: the function that the picture workers run."""

import json
from dataclasses import dataclass, fields
from hashlib import sha256
from typing import Protocol

from PIL import Image

from adapters.image_models.brush.arrangement import Manner
from adapters.image_models.brush.brief import read
from adapters.image_models.brush.composition import Composition
from adapters.image_models.brush.framing import framed, opaque, unfinished
from adapters.image_models.brush.retouch import Inpainting, repainted
from domain.attempts import Picture
from domain.media import PictureFormat
from domain.requests import Background, PictureRequest, Quality

_LEVELS = {Quality.LOW: 0, Quality.MEDIUM: 1, Quality.HIGH: 2, Quality.XHIGH: 3, Quality.MAX: 4}
_EXTRAS = {"low": 1, "medium": 3, "high": 7}
_NOT_ASKED_FOR = frozenset({"metadata", "sandbox", "references", "mask"})
"""What changes nothing about the picture; references and mask count by their bytes, not by their ids."""
DEFAULT_FRAMES, DEFAULT_DURATION_MS = 9, 200


@dataclass(frozen=True, slots=True)
class Commission:
    """Picture number `index` of a request, with `partials` earlier states of it. Crosses the process border."""

    request: PictureRequest
    references: tuple[bytes, ...]
    mask: bytes | None
    index: int
    partials: int = 0


@dataclass(frozen=True, slots=True)
class Work:
    """A finished picture and the files of its earlier states, each sharper than the one before."""

    picture: Picture
    partials: tuple[bytes, ...]


class _Painting(Protocol):
    def frame(self, phase: float = 0.0) -> Image.Image: ...


def fingerprint(request: PictureRequest, references: tuple[bytes, ...], mask: bytes | None) -> str:
    """A hash of all that was asked for: a new field of the request counts by itself."""
    asked = {field.name: getattr(request, field.name) for field in fields(request) if field.name not in _NOT_ASKED_FOR}
    asked["references"] = [sha256(content).hexdigest() for content in references]
    asked["mask"] = None if mask is None else sha256(mask).hexdigest()
    return sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()


def paint(commission: Commission) -> Work:
    """Equal commissions give equal bytes, in every process. Raises whatever Pillow raises for a broken reference or mask."""
    request = commission.request
    painting = _painting(commission)
    count = (request.frame_count or DEFAULT_FRAMES) if request.output_format is PictureFormat.GIF else 1
    frames = [painting.frame(number / count) for number in range(count)]
    if request.output_format is PictureFormat.JPEG:
        frames = [opaque(frame) for frame in frames]
    exact = commission.mask is not None

    def file(pictures: list[Image.Image]) -> bytes:
        duration = request.frame_duration_ms or DEFAULT_DURATION_MS
        return framed(pictures, request.output_format, request.output_compression, duration, exact=exact)

    first = frames[0]
    picture = Picture(file(frames), request.output_format, first.width, first.height, first.mode == "RGBA")
    return Work(picture, tuple(file([state]) for state in unfinished(first, commission.partials)))


def _painting(commission: Commission) -> _Painting:
    request = commission.request
    seed = fingerprint(request, commission.references, commission.mask)
    manner = Manner(
        level=_LEVELS[request.quality],
        extras=_EXTRAS.get(request.complexity or "medium", 3),
        ground=request.background is not Background.TRANSPARENT,
        arrangement=_seed("arrangement", request.prompt, commission.index),
        touch=_seed("touch", seed, commission.index),
    )
    brief = read(request.prompt)
    size = request.size.width, request.size.height
    if commission.references and commission.mask is not None:
        return Inpainting(commission.references[0], commission.mask, brief, manner)
    if commission.references:
        return repainted(commission.references, brief, size, manner)
    return Composition(brief, size, manner)


def _seed(purpose: str, words: str, index: int) -> int:
    digest = sha256(f"{purpose}\0{index}\0{words}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big")
