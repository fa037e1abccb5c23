"""Feeds intake with hostile files until time is up."""

import asyncio
import io
import time
from collections import Counter
from pathlib import Path

from PIL import Image

from adapters.intake import PillowIntake
from adapters.picture_pool import PicturePool, picture_pool, warm
from domain.errors import DomainError
from domain.media import AssetKind, CleanPicture
from tests.hostile import CANARY, hostile_uploads, pieces_of

SECONDS_EACH = 10.0
GROWTH_BYTES = 50 * 1024 * 1024
_HARMLESS = {
    "PNG": set(),
    "JPEG": {"jfif", "jfif_version", "jfif_unit", "jfif_density"},
    "WEBP": {"loop", "background", "timestamp", "duration"},
}


async def soak_uploads(seed: int, deadline_monotonic: float) -> dict[str, int]:
    """How often each ending was seen (`clean`, or the name of the refusal). Raises AssertionError naming seed and place."""
    pool = picture_pool()
    intake = PillowIntake(pool, timeout_seconds=SECONDS_EACH / 2)
    seen: Counter[str] = Counter()
    try:
        await warm(pool)
        before = resident_bytes()
        for place, (name, content) in enumerate(hostile_uploads(seed)):
            if time.monotonic() >= deadline_monotonic:
                break
            kind = AssetKind.MASK if place % 7 == 0 else AssetKind.REFERENCE
            try:
                seen[await _one(pool, intake, content, kind)] += 1
            except Exception as error:
                raise AssertionError(f"seed {seed}, file {place} ({name}, as a {kind}): {error!r}") from error
        growth = resident_bytes() - before
        assert growth < GROWTH_BYTES, f"seed {seed}: the service grew by {growth} bytes over {seen.total()} uploads"
    finally:
        await asyncio.to_thread(pool.stop)
    return dict(seen)


async def _one(pool: PicturePool, intake: PillowIntake, content: bytes, kind: AssetKind) -> str:
    start = time.monotonic()
    try:
        picture = await intake.clean(content, kind)
    except DomainError as refusal:
        return refusal.problem()
    finally:
        assert time.monotonic() - start <= SECONDS_EACH, "it took too long"
    # In a worker: what decodes pictures in here would make this process grow.
    await asyncio.wrap_future(pool.schedule(check_bare, (picture,), 60))
    return "clean"


def check_bare(picture: CleanPicture) -> None:
    """The bytes are one whole picture of what they say and nothing else."""
    content = picture.content
    assert CANARY[:7] not in content, "a canary got through"
    with Image.open(io.BytesIO(content)) as opened:
        opened.load()
        said = (picture.format.upper(), (picture.width, picture.height), "RGBA" if picture.has_alpha else "RGB")
        assert (opened.format, opened.size, opened.mode) == said, f"{(opened.format, opened.size, opened.mode)} is not {said}"
        left = set(opened.info) - _HARMLESS[picture.format.upper()]
        assert not left, f"metadata left: {left}"
        assert not opened.getexif(), "EXIF left"
    names = chunk_names(content)
    assert names <= {b"IHDR", b"IDAT", b"IEND", b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"JFIF", b"DQT", b"SOF", b"DHT", b"SOS"}, (
        names
    )


def chunk_names(content: bytes) -> set[bytes]:
    """What the file is made of; a JPEG's segments by their usual names, unknown ones by their marker."""
    _, pieces = pieces_of(content)
    if not content.startswith(b"\xff\xd8"):
        return {piece[:4] if content.startswith(b"RIFF") else piece[4:8] for piece in pieces}
    usual = {0xDB: b"DQT", 0xC0: b"SOF", 0xC4: b"DHT", 0xDA: b"SOS"}
    assert content.endswith(b"\xff\xd9"), "bytes behind the end"
    return {b"JFIF" if p[:2] == b"\xff\xe0" and p[4:8] == b"JFIF" else usual.get(p[1], p[:2]) for p in pieces}


def resident_bytes() -> int:
    """This process's memory, without its children's."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
