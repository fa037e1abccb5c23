"""What can be asked for: a request as it was sent, and the same with every default filled in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from domain.errors import UnsupportedByModel
from domain.media import AssetId, PictureFormat


class Kind(StrEnum):
    GENERATE = "generate"
    EDIT = "edit"


class Quality(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


class Background(StrEnum):
    AUTO = "auto"
    OPAQUE = "opaque"
    TRANSPARENT = "transparent"


class Fault(StrEnum):
    """What a test-mode request may ask the painter to do wrong."""

    REFUSE_INPUT = "refuse-input"
    REFUSE_OUTPUT = "refuse-output"
    TIME_OUT = "time-out"
    FAIL = "fail"
    FEWER_PICTURES = "fewer-pictures"
    RESET_AFTER_WORK = "reset-after-work"


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """Pixels, as `1024x1024`."""

    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Self:
        width, cross, height = text.partition("x")
        if not (cross and width.isascii() and height.isascii() and width.isdigit() and height.isdigit()):
            raise UnsupportedByModel("a size is written WIDTHxHEIGHT, or auto", field="size")
        if len(width) > 5 or len(height) > 5 or 0 in (int(width), int(height)):
            raise UnsupportedByModel("a side has 1 to 99999 pixels", field="size", limit=99_999)
        return cls(int(width), int(height))

    @property
    def pixels(self) -> int:
        return self.width * self.height

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Test mode only: what the painter is to do wrong, and how long it is to take (milliseconds)."""

    fault: Fault | None = None
    latency_ms: int = 0


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
