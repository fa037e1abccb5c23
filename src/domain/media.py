"""Pictures as things: what may be uploaded, and what is kept."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

from domain.accounts import AccountId, Mode
from domain.errors import Animated, MaskMismatch, TooManyBytes, TooManyPixels, UnsupportedFormat
from domain.limits import LIMITS
from domain.objects import ObjectKey
from domain.provenance import Carried, Marking

AssetId = NewType("AssetId", UUID)


class PictureFormat(StrEnum):
    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"
    GIF = "gif"
    AVIF = "avif"
    HEIC = "heic"

    @property
    def content_type(self) -> str:
        return f"image/{self.value}"

    @property
    def shown_inline(self) -> bool:
        """Anything else goes out as an attachment."""
        return self in (PictureFormat.PNG, PictureFormat.JPEG, PictureFormat.WEBP, PictureFormat.AVIF)


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a picture looks like, whatever became of its file: a PDQ hash, 256 bits as 64 hexadecimal digits.

    `quality`, 0 to 100, says how much there is to be told by. `variants` are the hashes of its eight turned and mirrored shapes,
    its own first.
    """

    pdq: str
    quality: int
    variants: tuple[str, ...]

    @property
    def tells(self) -> bool:
        """Whether it can be told from others by its hash: a plain sky is like every other."""
        return self.quality >= LEAST_QUALITY

    def distance(self, pdq: str) -> int:
        """How many of the 256 bits differ: a few for the same picture (`ALIKE` at most), about half for another."""
        return (int(self.pdq, 16) ^ int(pdq, 16)).bit_count()


LEAST_QUALITY = 50
ALIKE = 31


class ArchiveFormat(StrEnum):
    ZIP = "zip"

    @property
    def content_type(self) -> str:
        return f"application/{self.value}"

    @property
    def shown_inline(self) -> bool:
        return False


FileFormat = PictureFormat | ArchiveFormat
"""What a link may lead to."""


def file_format(name: str) -> FileFormat:
    """Raises ValueError."""
    return ArchiveFormat(name) if name in tuple(ArchiveFormat) else PictureFormat(name)


class AssetKind(StrEnum):
    REFERENCE = "reference"
    MASK = "mask"
    OUTPUT = "output"


UPLOADED = (AssetKind.REFERENCE, AssetKind.MASK)
"""What callers bring in themselves."""


class Thumbnail(StrEnum):
    """What came of a picture's thumbnail."""

    MADE = "made"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True, slots=True)
class Asset:
    """One stored picture of an account: an upload, a mask, or an output (then `attempt` brought it, at place `index`)."""

    id: AssetId
    account_id: AccountId
    mode: Mode
    kind: AssetKind
    format: PictureFormat
    width: int
    height: int
    bytes: int
    sha256: str
    has_alpha: bool
    created_at: datetime
    generation_id: UUID | None = None
    attempt: int | None = None
    index: int | None = None
    marking: Marking = Marking.UNMARKED
    credentials: Carried | None = None
    """Of an upload: what its own file carried."""
    pdq: str | None = None
    """The PDQ hash, 64 hexadecimal digits, of a picture that can be told by it; of an output once it has been looked at."""
    thumbnail: Thumbnail | None = None
    blurhash: str | None = None

    @property
    def key(self) -> ObjectKey:
        if self.generation_id is None or self.attempt is None or self.index is None:
            return ObjectKey.upload(self.account_id, self.id)
        return ObjectKey.picture(self.account_id, self.generation_id, self.attempt, self.index)


@dataclass(frozen=True, slots=True)
class CleanPicture:
    """An upload after intake: decoded, turned upright, stripped of everything but pixels, written anew.

    `changed` says what intake did: `oriented`, `converted`, `metadata_removed`.
    """

    content: bytes
    format: PictureFormat
    width: int
    height: int
    sha256: str
    has_alpha: bool
    changed: tuple[str, ...]
    likeness: Likeness | None = None


UPLOAD_FORMATS = (PictureFormat.PNG, PictureFormat.JPEG, PictureFormat.WEBP)
"""In which uploads are kept, and models are shown them."""
TAKEN_FORMATS = (*UPLOAD_FORMATS, PictureFormat.AVIF, PictureFormat.HEIC)
"""In which uploads may come; HEIC where the service has a decoder for it."""
MADE_FORMATS = (*UPLOAD_FORMATS, PictureFormat.GIF)
"""In which models make pictures."""
_STILL_BRANDS = {b"avif": PictureFormat.AVIF} | dict.fromkeys((b"heic", b"heix", b"heim", b"heis"), PictureFormat.HEIC)
_MOVING_BRANDS = frozenset((b"avis", b"hevc", b"hevx", b"hevm", b"hevs"))


def sniff(content: bytes) -> PictureFormat:
    """The format by its first bytes; what the sender claims counts for nothing. Raises UnsupportedFormat, or Animated for a kind
    of file that holds nothing but films."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return PictureFormat.PNG
    if content.startswith(b"\xff\xd8\xff"):
        return PictureFormat.JPEG
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return PictureFormat.WEBP
    brands = _brands(content)
    still = next((_STILL_BRANDS[brand] for brand in brands if brand in _STILL_BRANDS), None)
    if b"avis" in brands or (not still and not _MOVING_BRANDS.isdisjoint(brands)):
        raise Animated("an upload may hold one picture only", field="file", limit=LIMITS["upload_frames"])
    if still:
        return still
    raise unsupported()


def format_of(content: bytes) -> PictureFormat:
    """As `sniff`; other than an upload, what a model made may be a GIF. Raises UnsupportedFormat, or Animated."""
    return PictureFormat.GIF if content.startswith((b"GIF87a", b"GIF89a")) else sniff(content)


def unsupported() -> UnsupportedFormat:
    """What is said of a file that is no picture we take."""
    allowed = [format.value for format in TAKEN_FORMATS]
    return UnsupportedFormat("the file is not a PNG, JPEG, WebP, AVIF or HEIC image", field="file", allowed=allowed)


def taken_format(content_type: str) -> PictureFormat:
    """Of what is yet to come. Raises UnsupportedFormat."""
    for format in TAKEN_FORMATS:
        if format.content_type == content_type:
            return format
    allowed = [format.content_type for format in TAKEN_FORMATS]
    raise UnsupportedFormat("this is no type that an upload may have", field="content_type", allowed=allowed)


def _brands(content: bytes) -> list[bytes]:
    """What an AVIF or HEIC file says it is, the main brand first; empty for other files."""
    if content[4:8] != b"ftyp":
        return []
    end = min(int.from_bytes(content[:4], "big"), 256)
    return [content[8:12], *(content[at : at + 4] for at in range(16, end, 4))]


def most_bytes(kind: AssetKind) -> int:
    return LIMITS["mask_bytes"] if kind is AssetKind.MASK else LIMITS["upload_bytes"]


def check_bytes(size: int, kind: AssetKind, field: str = "file") -> None:
    if size > (limit := most_bytes(kind)):
        raise TooManyBytes(f"a {kind} may have at most {limit} bytes", field=field, limit=limit)


def check_pixels(width: int, height: int, frames: int) -> None:
    """Called with what the header says, before anything is decoded."""
    if frames > LIMITS["upload_frames"]:
        raise Animated("an upload may hold one picture only", field="file", limit=LIMITS["upload_frames"])
    if max(width, height) > LIMITS["upload_side"]:
        raise TooManyPixels(f"a side may have at most {LIMITS['upload_side']} pixels", field="file", limit=LIMITS["upload_side"])
    if width * height > LIMITS["upload_pixels"]:
        raise too_many_pixels()


def too_many_pixels() -> TooManyPixels:
    limit = LIMITS["upload_pixels"]
    return TooManyPixels(f"an upload may have at most {limit} pixels", field="file", limit=limit)


def check_mask(format: PictureFormat, has_alpha: bool) -> None:
    if format is not PictureFormat.PNG or not has_alpha:
        raise MaskMismatch("a mask is a PNG whose transparent pixels mark what to change", field="file", reason="no_alpha")


def check_opening(least_alpha: int) -> None:
    """`least_alpha` of a mask's pixels, 0 to 255: one that is opaque everywhere would buy an unchanged picture."""
    if least_alpha == 255:
        raise MaskMismatch("a mask needs transparent pixels: they mark what to change", field="file", reason="opaque")
