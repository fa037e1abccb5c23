"""A picture whose file nobody can take apart but the decoder, in a file without a flaw: pixel by pixel the same."""

import hashlib
import io
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from PIL import Image, ImageSequence

from adapters.pictures.cleaning import read_header
from adapters.pictures.decoding import decoder_of
from domain.errors import BrokenImage, DomainError
from domain.media import PictureFormat, format_of

_WRITABLE = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
_WAYS: Mapping[PictureFormat, Mapping[str, Any]] = {PictureFormat.WEBP: {"lossless": True, "exact": True}}
_SCAN, _ADOBE, _JFIF = 0xDA, 0xEE, 0xE0
_TABLES = frozenset((0xC4, 0xCC, 0xDB, 0xDD, *range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)))


def redrawn(content: bytes) -> tuple[bytes, PictureFormat, int, int, bool]:
    """Runs in a worker: the new file and what its header says; in the same format if that shows the very same pixels, else in a
    PNG. Raises BrokenImage."""
    try:
        format = format_of(content)
        first = _jpeg if format is PictureFormat.JPEG else _by_pillow(format)
        seen = _pixels(content)
        for write in (first, _by_pillow(PictureFormat.PNG)):
            written = _tried(write, content)
            if written and _pixels(written) == seen:
                return (written, *read_header(written))
    except DomainError:
        raise
    except Exception:
        raise BrokenImage("a picture cannot be decoded") from None
    raise BrokenImage("a picture cannot be drawn as it is")


def _tried(write: Callable[[bytes], bytes], content: bytes) -> bytes | None:
    try:
        return write(content)
    except Exception:  # as many as there are encoders
        return None


def _pixels(content: bytes) -> list[str]:
    with decoder_of(content)(io.BytesIO(content)) as picture:
        frames = ImageSequence.Iterator(picture) if _is_film(picture) else (picture,)
        return [hashlib.sha256(f"{frame.size}".encode() + frame.convert("RGBA").tobytes()).hexdigest() for frame in frames]


def _is_film(picture: Image.Image) -> bool:
    return picture.format != "JPEG" and getattr(picture, "n_frames", 1) > 1


def _time_of(frame: Image.Image) -> int:
    frame.load()  # not all decoders know it before
    return int(frame.info.get("duration", 0))


def _by_pillow(format: PictureFormat) -> Callable[[bytes], bytes]:
    """Without loss where the format can. Of metadata, only what the colours mean goes along."""

    def write(content: bytes) -> bytes:
        with decoder_of(content)(io.BytesIO(content)) as picture:
            said: dict[str, Any] = {}
            if _is_film(picture):
                times = [_time_of(frame) for frame in ImageSequence.Iterator(picture)]
                said = {"save_all": True, "duration": times, "loop": picture.info.get("loop", 0)}
                picture.seek(0)
            profile = picture.info.get("icc_profile")
            picture.load()
            written = io.BytesIO()
            drawn = picture if said or picture.mode in _WRITABLE else picture.convert("RGB")
            drawn.info = {name: picture.info[name] for name in ("transparency",) if name in picture.info}
            drawn.save(written, format.value.upper(), icc_profile=profile, **_WAYS.get(format, {}), **said)
            return written.getvalue()

    return write


def _jpeg(content: bytes) -> bytes:
    """What the pixels need, as it lies: to write them anew would change them."""
    kept = [marked for marker, marked in _segments(content) if marker in _TABLES or marker == _SCAN or _is_about_colours(marked)]
    whole = content.find(b"\xff\xd9", len(content) - 2) >= 0
    return b"\xff\xd8" + b"".join(kept) + (b"" if whole else b"\xff\xd9")


def _is_about_colours(segment: bytes) -> bool:
    return segment[1] in (_ADOBE, _JFIF) or segment[4:].startswith(b"ICC_PROFILE\0")


def _segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """As decoders find them: whatever lies between two is passed over. The first scan goes on to the file's end."""
    at = 2
    while (at := content.index(b"\xff", at)) >= 0:
        marker = content[at + 1]
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD9:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == _SCAN:
            yield marker, content[at:]
            return
        (length,) = struct.unpack_from(">H", content, at + 2)
        yield marker, content[at : at + 2 + length]
        at += 2 + length
