"""Whatever hostile bytes are uploaded: one plain refusal, within time and memory, and nobody else notices."""

import asyncio
import os
import signal
import struct

import numpy as np
import pytest
from PIL import Image

from adapters.intake import PillowIntake
from adapters.picture_pool import PicturePool, picture_pool
from domain.errors import IntakeBusy, TooHeavy, TooManyBytes, TooManyPixels, Truncated, UnsupportedFormat
from domain.limits import LIMITS
from domain.media import AssetKind, CleanPicture, PictureFormat
from tests import chores, hostile
from tests.hostile import (
    blank_png,
    encode,
    exif,
    packed_zeros,
    png,
    png_chunk,
    png_texts,
    profile_bomb,
    scan_bomb,
    text_bomb,
    xmp,
)
from tests.pictures import FORMATS, corners
from tests.processes import busy_seconds
from tests.soak_uploads import check_bare, chunk_names, resident_bytes

REFERENCE, MASK = AssetKind.REFERENCE, AssetKind.MASK


@pytest.mark.anyio
async def test_size_counts_before_anything_else(intake: PillowIntake) -> None:
    for kind, limit in ((REFERENCE, LIMITS["upload_bytes"]), (MASK, LIMITS["mask_bytes"])):
        with pytest.raises(TooManyBytes) as caught:
            await intake.clean(bytes(limit + 1), kind)
        assert caught.value.facts == {"field": "file", "limit": limit}
        with pytest.raises(UnsupportedFormat):
            await intake.clean(bytes(limit), kind)


@pytest.mark.anyio
@pytest.mark.parametrize("content", [b"", b"GIF89a", b"<svg/>", b"BM", b"%PDF", b"II*\0", b"\0\0\0\x18ftypmp42\0\0\0\0isommp42"])
async def test_other_formats_are_refused_whatever_they_claim(intake: PillowIntake, content: bytes) -> None:
    with pytest.raises(UnsupportedFormat):
        await intake.clean(content, REFERENCE)


def webp_header(width: int, height: int) -> bytes:
    body = b"VP8X" + struct.pack("<IB3x", 10, 0) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 4 + len(body) + 20) + b"WEBP" + body + b"VP8L" + struct.pack("<I", 12) + bytes(12)


@pytest.mark.anyio
async def test_the_header_alone_refuses_what_is_too_large(intake: PillowIntake, picture_workers: PicturePool) -> None:
    jpeg = bytearray(encode(corners(), "JPEG"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 60_000, 60_000)
    webp = encode(corners(), "WEBP", exif=exif(1))
    webp = webp[:24] + b"\xff\x3f\0\xff\x3f\0" + webp[30:]
    bomb = blank_png(16_000, 22_000)
    assert len(bomb) < 10**6 * 1.1 < 10**9 < 16_000 * 22_000 * 3
    await intake.clean(encode(corners(), "PNG"), REFERENCE)
    before = busy_seconds(*picture_workers.pids)
    for content in (bomb, png(16_000, 16_000), png(20_000, 10), png(10, 20_000), png(7_072, 7_072), bytes(jpeg), webp):
        with pytest.raises(TooManyPixels) as caught:
            await intake.clean(content, REFERENCE)
        assert caught.value.facts["limit"] in (LIMITS["upload_pixels"], LIMITS["upload_side"])
    assert busy_seconds(*picture_workers.pids) - before < 2


@pytest.mark.anyio
@pytest.mark.parametrize(
    "content",
    [
        *(encode(corners(), format)[: -1 - length // 2] for format in FORMATS for length in [len(encode(corners(), format))]),
        *(encode(corners(), format)[:length] for format in FORMATS for length in (12, 20, 40)),
        png(7_000, 7_000),
        png(0, 10),
        png(10, 0),
        png(10, 10, depth=3),
        png(10, 10, colour=5),
        png(10, 10, scanlines=b"\x07" * 310),
        webp_header(10, 10),
        webp_header(7_000, 7_000),
        b"\xff\xd8\xff" + bytes(10_000),
        b"\xff\xd8" + b"\xff" * 10_000,
        b"RIFF\xff\xff\xff\xffWEBPVP8 " + bytes(100),
    ],
)
async def test_what_is_cut_off_or_lies_is_broken(intake: PillowIntake, content: bytes) -> None:
    with pytest.raises(Truncated) as caught:
        await intake.clean(content, REFERENCE)
    assert caught.value.facts == {"field": "file"}


@pytest.mark.anyio
async def test_pixels_beyond_the_header_are_never_unpacked(intake: PillowIntake, picture_workers: PicturePool) -> None:
    content = png(1, 1, scanlines=bytes(100_000_000))
    before = busy_seconds(*picture_workers.pids)
    clean = await intake.clean(content, REFERENCE)
    assert (clean.width, clean.height) == (1, 1)
    assert busy_seconds(*picture_workers.pids) - before < 2


@pytest.mark.anyio
@pytest.mark.parametrize(
    "bomb",
    [text_bomb(100), text_bomb(1) * 70, profile_bomb(100), png_chunk(b"iTXt", b"a\0\1\0\0\0" + packed_zeros(10**8))],
)
async def test_metadata_that_unpacks_to_gigabytes_is_refused_cheaply(
    intake: PillowIntake, picture_workers: PicturePool, bomb: bytes
) -> None:
    before = busy_seconds(*picture_workers.pids)
    with pytest.raises(Truncated):
        await intake.clean(blank_png(10, 10, bomb), REFERENCE)
    assert busy_seconds(*picture_workers.pids) - before < 3


@pytest.mark.anyio
async def test_fifty_megapixels_are_taken(picture_workers: PicturePool) -> None:
    patient = PillowIntake(
        picture_workers, timeout_seconds=300
    )  # how long it takes is benched, on a machine that does nothing else
    clean = await patient.clean(blank_png(10_000, 5_000), REFERENCE)
    assert (clean.width, clean.height, clean.changed) == (10_000, 5_000, ())


@pytest.mark.anyio
async def test_a_picture_too_large_for_a_worker_is_one_plain_refusal() -> None:
    small = picture_pool(1, memory_mb=300)
    try:
        intake = PillowIntake(small)
        for content in (blank_png(10_000, 5_000), encode(Image.new("L", (7_000, 7_000)), "JPEG")):
            with pytest.raises(TooHeavy) as caught:
                await intake.clean(content, REFERENCE)
            assert caught.value.facts == {"field": "file", "reason": "memory"}
        await intake.clean(encode(corners(), "PNG"), REFERENCE)
    finally:
        await asyncio.to_thread(small.stop)


@pytest.mark.anyio
async def test_a_small_file_never_grows_beyond_what_an_upload_may_have(intake: PillowIntake) -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (3_500, 3_500, 3), np.uint8))
    content = encode(noise, "JPEG", quality=85, subsampling=2)
    assert len(content) < LIMITS["upload_bytes"] < len(encode(noise, "JPEG", quality=95, subsampling=0))
    clean = await intake.clean(content, REFERENCE)
    assert len(clean.content) <= LIMITS["upload_bytes"]


# Others


@pytest.mark.anyio
async def test_a_file_that_takes_too_long_is_refused_and_the_next_one_is_not(picture_workers: PicturePool) -> None:
    intake = PillowIntake(picture_workers, timeout_seconds=0.5)
    with pytest.raises(TooHeavy) as caught:
        await intake.clean(scan_bomb(3_000, 5_000), REFERENCE)
    assert caught.value.facts == {"field": "file", "reason": "time", "limit": 1}
    await PillowIntake(picture_workers).clean(encode(corners(), "PNG"), REFERENCE)


@pytest.mark.anyio
async def test_when_a_worker_is_killed_one_upload_fails(picture_workers: PicturePool, intake: PillowIntake) -> None:
    victim, bystander = await chores.staff(picture_workers)
    for pid in (victim, bystander):
        os.kill(pid, signal.SIGSTOP)  # so that both are at an upload when one is killed
    uploads = [asyncio.ensure_future(intake.clean(encode(corners(), "PNG"), REFERENCE)) for _ in range(3)]
    while picture_workers.waiting != 1:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    os.kill(victim, signal.SIGKILL)
    os.kill(bystander, signal.SIGCONT)
    ends = await asyncio.gather(*uploads, return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["CleanPicture", "CleanPicture", "Truncated"]
    await intake.clean(encode(corners(), "PNG"), REFERENCE)


@pytest.mark.anyio
async def test_more_uploads_than_may_wait_are_sent_away_at_once(picture_workers: PicturePool) -> None:
    intake = PillowIntake(picture_workers, most_waiting=3)
    napping = [picture_workers.schedule(chores.nap, (0.3,)) for _ in range(2)]
    content = encode(corners(), "PNG")
    uploads = [asyncio.ensure_future(intake.clean(content, REFERENCE)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(IntakeBusy):
        await intake.clean(content, REFERENCE)
    uploads.pop().cancel()
    await asyncio.sleep(0)
    uploads.append(asyncio.ensure_future(intake.clean(content, REFERENCE)))
    assert [clean.width for clean in await asyncio.gather(*uploads)] == [120] * 3
    await asyncio.gather(*map(asyncio.wrap_future, napping))


@pytest.mark.anyio
async def test_a_stopped_pool_is_busy() -> None:
    stopped = picture_pool(1)
    await asyncio.to_thread(stopped.stop)
    with pytest.raises(IntakeBusy):
        await PillowIntake(stopped).clean(encode(corners(), "PNG"), REFERENCE)


@pytest.mark.anyio
async def test_the_service_itself_does_not_grow(intake: PillowIntake) -> None:
    uploads = [encode(corners().resize((900, 600)), format) for format in FORMATS] + [
        blank_png(3_000, 2_000),
        scan_bomb(500, 20),
    ]
    for content in uploads:
        await intake.clean(content, REFERENCE)
    before = resident_bytes()
    for content in uploads * 3:
        await intake.clean(content, REFERENCE)
    assert resident_bytes() - before < 20 * 1024 * 1024


def test_equal_seeds_make_equal_streams() -> None:
    first, second = (hostile.hostile_uploads(5) for _ in range(2))
    assert [next(first) for _ in range(40)] == [next(second) for _ in range(40)]


def test_the_soak_would_see_what_got_through() -> None:
    """A check that cannot fail checks nothing."""
    for content in (
        encode(corners(), "PNG", pnginfo=png_texts()),
        encode(corners(), "JPEG", exif=exif(1)),
        encode(corners(), "WEBP", xmp=xmp()),
    ):
        format = PictureFormat({b"\x89": "png", b"\xff": "jpeg", b"R": "webp"}[content[:1]])
        with pytest.raises(AssertionError):
            check_bare(CleanPicture(content, format, 120, 80, "", False, ()))
    assert b"tIME" in chunk_names(encode(corners(), "PNG", pnginfo=png_texts()))
