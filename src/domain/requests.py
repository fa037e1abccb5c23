"""What can be asked for: a request as it was sent, and the same with nothing left open."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from domain.accounts import Mode
from domain.capabilities import Background as Background
from domain.capabilities import Capabilities
from domain.capabilities import Quality as Quality
from domain.capabilities import Size as Size
from domain.catalogue import Model
from domain.edits import check_mask, check_references, size_of
from domain.errors import InvalidRequest, LimitExceeded, UnsupportedByModel
from domain.limits import LIMITS, metadata, text
from domain.media import Asset, AssetId, PictureFormat


class Kind(StrEnum):
    GENERATE = "generate"
    EDIT = "edit"


class Fault(StrEnum):
    """What a test-mode request may ask the painter to do wrong."""

    REFUSE_INPUT = "refuse-input"
    REFUSE_OUTPUT = "refuse-output"
    TIME_OUT = "time-out"
    FAIL = "fail"
    FEWER_PICTURES = "fewer-pictures"
    RESET_AFTER_WORK = "reset-after-work"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Test mode only: what the painter is to do wrong, and how long it is to take (milliseconds)."""

    fault: Fault | None = None
    latency_ms: int = 0


LONGEST_LATENCY_MS = 600_000  # as long as the longest call of a real model
MODERATIONS = ("auto", "low")
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class PictureRequest:
    """A request with nothing left open: what is priced, held for, sent to the model and shown in the history.

    `size`, `quality` and the rest hold what the model will be told, never "auto" (but for `background`, the model's
    own choice). `references` are assets of the same account and mode; `mask` applies to the first of them.
    """

    model: str
    prompt: str
    n: int
    size: Size
    quality: Quality
    output_format: PictureFormat
    background: Background = Background.AUTO
    complexity: str | None = None
    output_compression: int | None = None
    moderation: str = "auto"
    partial_images: int = 0
    references: tuple[AssetId, ...] = ()
    mask: AssetId | None = None
    frame_count: int | None = None
    frame_duration_ms: int | None = None
    sandbox: Sandbox | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        return Kind.EDIT if self.references else Kind.GENERATE


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was sent; None and "auto" leave the choice to us. `images` are the references, in order."""

    prompt: str
    model: str | None = None
    n: int | None = None
    size: str | None = None
    quality: str | None = None
    complexity: str | None = None
    background: str | None = None
    output_format: str | None = None
    output_compression: int | None = None
    moderation: str | None = None
    partial_images: int | None = None
    images: tuple[AssetId, ...] = ()
    mask: AssetId | None = None
    frame_count: int | None = None
    frame_duration_ms: int | None = None
    max_credits: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    sandbox: Sandbox | None = None

    @classmethod
    def again(cls, request: PictureRequest) -> Self:
        """What to send for the same request once more; normalising it gives an equal request."""
        return cls(
            prompt=request.prompt,
            model=request.model,
            n=request.n,
            size=str(request.size),
            quality=request.quality,
            complexity=request.complexity,
            background=request.background,
            output_format=request.output_format,
            output_compression=request.output_compression,
            moderation=request.moderation,
            partial_images=request.partial_images,
            images=request.references,
            mask=request.mask,
            frame_count=request.frame_count,
            frame_duration_ms=request.frame_duration_ms,
            metadata=request.metadata,
            sandbox=request.sandbox,
        )


def normalise(asked: Asked, model: Model, references: Sequence[Asset], mask: Asset | None, mode: Mode) -> PictureRequest:
    """The request with every default filled in, if `model` can do it. `references` and `mask` are what `asked` names, in order.

    An "auto" size is the model's first for a new picture. For an edit it is the model's size most like the first reference in its
    proportions; with a mask it is the size of the first reference itself, where the model (or the painter) has it, so that what
    lies outside the mask stays in place. An "auto" quality is the model's default.

    In test mode the painter draws, so sizes may be smaller than the model's (sides from 16 pixels); all other rules are the same.

    Raises InvalidText, CardNumberRefused, InvalidRequest, LimitExceeded, UnsupportedByModel, MaskMismatch: always with `field`.
    """
    can = model.capabilities
    check_references(asked.images, references, can.references)
    check_mask(asked.mask, mask, references)
    smaller = mode is Mode.TEST
    output_format = PictureFormat(_supported("output_format", _or("png", asked.output_format), can.output_formats))
    if mask and output_format is PictureFormat.GIF:
        raise InvalidRequest("a gif is drawn without a mask", field="mask")
    frames, duration = _frames(asked, can, output_format)
    size = _size(asked.size, can, references, masked=mask is not None, frames=frames, smaller=smaller)
    n = _between("n", 1 if asked.n is None else asked.n, 1, LIMITS["pictures"])
    if n * can.canvases(size, frames)[0].pixels > LIMITS["request_pixels"]:
        raise LimitExceeded(
            f"all pictures together may have at most {LIMITS['request_pixels']} pixels", field="n", limit=LIMITS["request_pixels"]
        )
    return PictureRequest(
        model=model.id,
        prompt=text("prompt", asked.prompt, LIMITS["prompt_characters"], least=1),
        n=n,
        size=size,
        quality=_quality(asked.quality, can),
        output_format=output_format,
        background=_background(asked.background, can, output_format),
        complexity=_complexity(asked.complexity, can),
        output_compression=_compression(asked.output_compression, output_format),
        moderation=_known("moderation", _or(AUTO, asked.moderation), MODERATIONS),
        partial_images=_partial_images(asked.partial_images or 0, can, output_format),
        references=asked.images,
        mask=asked.mask,
        frame_count=frames,
        frame_duration_ms=duration,
        sandbox=_sandbox(asked.sandbox, mode),
        metadata=metadata(asked.metadata),
    )


def _size(
    asked: str | None, can: Capabilities, references: Sequence[Asset], *, masked: bool, frames: int | None, smaller: bool
) -> Size:
    if asked is not None and asked != AUTO:
        size = Size.parse(asked)
        can.check_size(size, frames=frames, smaller=smaller)
        return size
    choice = can.animation.sizes if frames is not None and can.animation else can.sizes
    if not references:
        return choice[0]
    first = size_of(references[0])
    if masked and _allowed(first, can, frames, smaller=smaller):
        return first
    return first.nearest(choice)


def _allowed(size: Size, can: Capabilities, frames: int | None, *, smaller: bool) -> bool:
    try:
        can.check_size(size, frames=frames, smaller=smaller)
    except UnsupportedByModel:
        return False
    return True


def _frames(asked: Asked, can: Capabilities, format: PictureFormat) -> tuple[int | None, int | None]:
    """How many frames, and for how many milliseconds each."""
    if format is not PictureFormat.GIF or can.animation is None:
        for name, value in (("frame_count", asked.frame_count), ("frame_duration_ms", asked.frame_duration_ms)):
            if value is not None:
                raise InvalidRequest("only a gif has frames", field=name, allowed=["gif"])
        return None, None
    rule = can.animation
    count = rule.default_frames if asked.frame_count is None else asked.frame_count
    duration = rule.default_milliseconds if asked.frame_duration_ms is None else asked.frame_duration_ms
    return (
        _between("frame_count", count, rule.least_frames, rule.most_frames),
        _between("frame_duration_ms", duration, rule.least_milliseconds, rule.most_milliseconds),
    )


def _quality(asked: str | None, can: Capabilities) -> Quality:
    if asked is None or asked == AUTO:
        return can.default_quality
    return Quality(_supported("quality", asked, (AUTO, *can.qualities)))


def _background(asked: str | None, can: Capabilities, format: PictureFormat) -> Background:
    background = Background(_known("background", _or(AUTO, asked), tuple(Background)))
    if background is Background.TRANSPARENT:
        if not can.transparent:
            raise UnsupportedByModel("the model draws no transparent background", field="background", allowed=["auto", "opaque"])
        if format not in (PictureFormat.PNG, PictureFormat.WEBP):
            raise InvalidRequest("a transparent background needs png or webp", field="background", allowed=["png", "webp"])
    return background


def _complexity(asked: str | None, can: Capabilities) -> str | None:
    if asked is None:
        return can.complexities[-1] if can.complexities else None
    return _supported("complexity", asked, can.complexities)


def _compression(asked: int | None, format: PictureFormat) -> int | None:
    if format not in (PictureFormat.JPEG, PictureFormat.WEBP):
        if asked is not None:
            raise InvalidRequest("only jpeg and webp can be compressed", field="output_compression", allowed=["jpeg", "webp"])
        return None
    return _between("output_compression", 100 if asked is None else asked, 0, 100)


def _partial_images(asked: int, can: Capabilities, format: PictureFormat) -> int:
    if asked and format is PictureFormat.GIF:
        raise InvalidRequest("a gif has no partial images", field="partial_images", limit=0)
    return _between("partial_images", asked, 0, can.partial_images)


def _sandbox(asked: Sandbox | None, mode: Mode) -> Sandbox | None:
    if asked is not None:
        if mode is not Mode.TEST:
            raise InvalidRequest("the sandbox is for test keys only", field="sandbox")
        _between("sandbox.latency_ms", asked.latency_ms, 0, LONGEST_LATENCY_MS)
    return asked


def _or(default: str, asked: str | None) -> str:
    """An empty text is not the same as none: it is no word of ours, and refused."""
    return default if asked is None else asked


def _between(name: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise LimitExceeded(f"{name} must be from {least} to {most}", field=name, limit=least if value < least else most)
    return value


def _known(name: str, value: str, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise InvalidRequest(f"{name} must be one of {', '.join(allowed)}", field=name, allowed=_plain(allowed))
    return value


def _supported(name: str, value: str, allowed: Sequence[str]) -> str:
    if value not in allowed:
        detail = "svg output is off" if value == "svg" else f"the model has no such {name.replace('_', ' ')}"
        raise UnsupportedByModel(detail, field=name, allowed=_plain(allowed))
    return value


def _plain(words: Sequence[str]) -> list[str]:
    return [str(word) for word in words]
