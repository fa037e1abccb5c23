"""Whatever is uploaded: a picture that is nothing but pixels comes out, or one plain refusal; and nobody else notices."""

import asyncio
import hashlib
import io
import os
import signal
import struct
import time
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image, ImageCms
from tests import chores, hostile
from tests.hostile import CANARY, blank_png, encode, exif, png, png_chunk, png_texts, profile_bomb, scan_bomb, text_bomb, xmp
from tests.soak_uploads import check_bare, chunk_names, resident_bytes, soak_uploads

from adapters.intake import PillowIntake
from adapters.picture_pool import PicturePool, picture_pool
from domain.errors import BrokenImage, DomainError, IntakeBusy, InvalidMask, LimitExceeded, UnsupportedFormat, UploadTooLarge
from domain.limits import LIMITS
from domain.media import AssetKind, CleanPicture, PictureFormat

REFERENCE, MASK = AssetKind.REFERENCE, AssetKind.MASK
FORMATS = ("PNG", "JPEG", "WEBP")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def pool() -> Iterator[PicturePool]:
    pool = picture_pool(2)
    yield pool
    pool.stop()


@pytest.fixture
def intake(pool: PicturePool) -> PillowIntake:
    return PillowIntake(pool)


def corners(mode: str = "RGB") -> Image.Image:
    """120 x 80, a different colour in each corner."""
    picture = Image.new("RGB", (120, 80))
    for place, colour in {(0, 0): "red", (60, 0): "lime", (0, 40): "blue", (60, 40): "white"}.items():
        picture.paste(colour, (*place, place[0] + 60, place[1] + 40))
    return picture.convert(mode)


def near(one: Image.Image, other: Image.Image, most: int = 12) -> bool:
    """Whether no pixel away from the edges differs by more than lossy writing does."""
    shown, meant = (np.asarray(picture.convert("RGBA"), np.int16)[10::20, 10::20] for picture in (one, other))
    return shown.shape == meant.shape and int(np.abs(shown - meant).max()) <= most


def fine(picture: Image.Image, format: str, **options: object) -> bytes:
    """Written so well that only intake can make it worse."""
    return encode(picture, format, **({} if format == "PNG" else {"quality": 95, "subsampling": 0}), **options)


def opened(clean: CleanPicture) -> Image.Image:
    check_bare(clean)
    return Image.open(io.BytesIO(clean.content))


# What comes out


@pytest.mark.anyio
@pytest.mark.parametrize("format", FORMATS)
async def test_a_plain_picture_stays_what_it_is(intake: PillowIntake, format: str) -> None:
    clean = await intake.clean(fine(corners(), format), REFERENCE)
    assert (clean.format, clean.width, clean.height, clean.has_alpha) == (PictureFormat(format.lower()), 120, 80, False)
    assert clean.changed == ()
    assert near(opened(clean), corners())


@pytest.mark.anyio
@pytest.mark.parametrize(("name", "content"), hostile.valid_uploads(), ids=lambda value: value if isinstance(value, str) else "")
async def test_nothing_but_pixels_gets_through(intake: PillowIntake, name: str, content: bytes) -> None:
    assert CANARY in content or name in ("apng", "webp-animated", "tiff")
    if name in ("gif", "tiff"):
        with pytest.raises(UnsupportedFormat):
            await intake.clean(content, REFERENCE)
    elif name in ("apng", "webp-animated"):
        with pytest.raises(LimitExceeded, match="one picture only"):
            await intake.clean(content, REFERENCE)
    else:
        clean = await intake.clean(content, REFERENCE)
        check_bare(clean)
        assert "metadata_removed" in clean.changed
        assert ("oriented" in clean.changed) == (name != "png-16")


@pytest.mark.anyio
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
async def test_every_orientation_ends_upright(intake: PillowIntake, format: str, orientation: int) -> None:
    turned = corners()
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what a camera did that notes this orientation
    if orientation in undo:
        turned = turned.transpose(Image.Transpose(undo[orientation]))
    clean = await intake.clean(fine(turned, format, exif=exif(orientation)), REFERENCE)
    assert (clean.width, clean.height) == (120, 80)
    assert near(opened(clean), corners())
    assert ("oriented" in clean.changed) == (orientation > 1)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "picture", "meant"),
    [
        ("L", corners("L"), corners("L")),
        ("1", corners("1"), corners("1")),
        ("palette", corners().quantize(8), corners()),
        ("I;16", Image.fromarray(np.asarray(corners("L")).astype(np.uint16) * 257), corners("L")),
        ("LA", corners("LA"), corners("L")),
        ("RGBA", corners("RGBA"), corners()),
    ],
)
async def test_every_mode_of_png_keeps_its_colours(
    intake: PillowIntake, name: str, picture: Image.Image, meant: Image.Image
) -> None:
    clean = await intake.clean(encode(picture, "PNG"), REFERENCE)
    assert near(opened(clean), meant, 1)
    assert ("converted" in clean.changed) == (name != "RGBA")
    assert clean.has_alpha == (name in ("LA", "RGBA"))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("depth", "colour", "shade"), [(16, 2, b"\x80\x01\x40\x01\x20\x01"), (16, 0, b"\x80\x01"), (8, 2, b"\0\x80\0\x40\0\x20")]
)
async def test_a_shade_that_stands_for_transparent_becomes_alpha(
    intake: PillowIntake, depth: int, colour: int, shade: bytes
) -> None:
    other = b"\xff" * len(shade)
    pixels = (shade, other) if depth == 16 else (shade[1::2], other[1::2])
    content = png(2, 1, png_chunk(b"tRNS", shade), depth=depth, colour=colour, scanlines=b"\0" + b"".join(pixels))
    clean = await intake.clean(content, REFERENCE)
    assert clean.has_alpha
    assert list(opened(clean).getchannel("A").tobytes()) == [0, 255]


@pytest.mark.anyio
async def test_sixteen_bits_a_colour_become_eight(intake: PillowIntake) -> None:
    content = png(1, 1, depth=16, scanlines=b"\0" + bytes.fromhex("ff00 8000 0100"))
    clean = await intake.clean(content, REFERENCE)
    assert opened(clean).getpixel((0, 0)) == (255, 128, 1)
    assert clean.changed == ("converted",)


@pytest.mark.anyio
async def test_cmyk_becomes_rgb_of_the_same_look(intake: PillowIntake) -> None:
    clean = await intake.clean(fine(corners("CMYK"), "JPEG"), REFERENCE)
    assert near(opened(clean), corners())
    assert clean.changed == ("converted",)


@pytest.mark.anyio
async def test_a_colour_profile_is_applied_and_a_broken_one_ignored(intake: PillowIntake) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    wide = srgb.replace(b"s\0R\0G\0B", b"x\0Y\0Z\0W")  # another name, and red and green exchanged
    red, green = wide.index(b"rXYZ"), wide.index(b"gXYZ")
    wide = wide[:red] + b"gXYZ" + wide[red + 4 : green] + b"rXYZ" + wide[green + 4 :]
    for format in FORMATS:
        seen = await intake.clean(fine(corners(), format, icc_profile=wide), REFERENCE)
        assert "converted" in seen.changed
        red_corner = opened(seen).getpixel((8, 8))
        assert isinstance(red_corner, tuple)
        assert red_corner[1] > 200 > 60 > red_corner[0]
        for ignored in (b"broken", lab, srgb, wide[:200], b"\0" * 500):
            plain = await intake.clean(fine(corners(), format, icc_profile=ignored), REFERENCE)
            assert near(opened(plain), corners())
            assert "converted" not in plain.changed
    seen = await intake.clean(encode(corners("RGBA"), "PNG", icc_profile=wide), REFERENCE)
    assert opened(seen).getpixel((8, 8))[3] == 255  # type: ignore[index]


@pytest.mark.anyio
async def test_webp_without_loss_stays_without_loss(intake: PillowIntake) -> None:
    picture = corners("RGBA")
    picture.putpixel((3, 3), (1, 2, 3, 200))
    clean = await intake.clean(encode(picture, "WEBP", lossless=True), REFERENCE)
    assert opened(clean).tobytes() == picture.tobytes()
    assert clean.changed == ()


@pytest.mark.anyio
async def test_a_phone_picture_with_a_second_one_behind_it_counts_as_one(intake: PillowIntake) -> None:
    both = fine(corners(), "MPO", save_all=True, append_images=[corners("L").convert("RGB")])
    clean = await intake.clean(both, REFERENCE)
    assert near(opened(clean), corners())
    assert clean.changed == ("metadata_removed",)


@pytest.mark.anyio
@pytest.mark.parametrize("format", FORMATS)
async def test_what_hangs_behind_the_end_is_cut_off(intake: PillowIntake, format: str) -> None:
    for tail in (b"PK\x03\x04" + CANARY, b"<script>" + CANARY, encode(corners(), "PNG"), CANARY * 1000):
        clean = await intake.clean(encode(corners(), format) + tail, REFERENCE)
        check_bare(clean)
        assert clean.changed == ("metadata_removed",)


@pytest.mark.anyio
async def test_equal_uploads_give_equal_bytes_and_the_hash_is_theirs(intake: PillowIntake) -> None:
    uploads = [encode(corners(), "JPEG", comment=comment) for comment in (b"one", b"two")]
    first, second = [await intake.clean(upload, REFERENCE) for upload in uploads]
    assert first == second
    assert first.sha256 == hashlib.sha256(first.content).hexdigest()


# Masks


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["RGBA", "LA", "palette"])
async def test_a_mask_is_kept_as_png_with_alpha(intake: PillowIntake, mode: str) -> None:
    shape = corners("RGBA")
    shape.paste((0, 0, 0, 0), (10, 10, 20, 20))
    content = encode(shape.quantize(8), "PNG") if mode == "palette" else encode(shape.convert(mode), "PNG", pnginfo=png_texts())
    clean = await intake.clean(content, MASK)
    assert (clean.format, clean.has_alpha) == (PictureFormat.PNG, True)
    alpha = opened(clean).getchannel("A")
    assert [alpha.getpixel(place) for place in ((9, 9), (10, 10), (19, 19), (20, 20))] == [255, 0, 0, 255]


@pytest.mark.anyio
async def test_what_marks_nothing_is_no_mask(intake: PillowIntake) -> None:
    for content in (
        encode(corners(), "PNG"),
        encode(corners("L"), "PNG"),
        encode(corners("RGBA"), "WEBP"),
        encode(corners(), "JPEG"),
    ):
        with pytest.raises(InvalidMask) as caught:
            await intake.clean(content, MASK)
        assert caught.value.facts["reason"] == "no_alpha"


# Refusals


@pytest.mark.anyio
async def test_size_counts_before_anything_else(intake: PillowIntake) -> None:
    for kind, limit in ((REFERENCE, LIMITS["upload_bytes"]), (MASK, LIMITS["mask_bytes"])):
        with pytest.raises(UploadTooLarge) as caught:
            await intake.clean(bytes(limit + 1), kind)
        assert caught.value.facts == {"field": "file", "limit": limit}
        with pytest.raises(UnsupportedFormat):
            await intake.clean(bytes(limit), kind)


@pytest.mark.anyio
@pytest.mark.parametrize("content", [b"", b"GIF89a", b"<svg/>", b"BM", b"%PDF", b"II*\0", encode(corners(), "AVIF")])
async def test_other_formats_are_refused_whatever_they_claim(intake: PillowIntake, content: bytes) -> None:
    with pytest.raises(UnsupportedFormat):
        await intake.clean(content, REFERENCE)


def webp_header(width: int, height: int) -> bytes:
    body = b"VP8X" + struct.pack("<IB3x", 10, 0) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 4 + len(body) + 20) + b"WEBP" + body + b"VP8L" + struct.pack("<I", 12) + bytes(12)


@pytest.mark.anyio
async def test_the_header_alone_refuses_what_is_too_large(intake: PillowIntake) -> None:
    jpeg = bytearray(encode(corners(), "JPEG"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 60_000, 60_000)
    webp = encode(corners(), "WEBP", exif=exif(1))
    webp = webp[:24] + b"\xff\x3f\0\xff\x3f\0" + webp[30:]
    bomb = blank_png(16_000, 22_000)
    assert len(bomb) < 10**6 * 1.1 < 10**9 < 16_000 * 22_000 * 3
    await intake.clean(encode(corners(), "PNG"), REFERENCE)
    start = time.monotonic()
    for content in (bomb, png(16_000, 16_000), png(20_000, 10), png(10, 20_000), png(7_072, 7_072), bytes(jpeg), webp):
        with pytest.raises(LimitExceeded) as caught:
            await intake.clean(content, REFERENCE)
        assert caught.value.facts["limit"] in (LIMITS["upload_pixels"], LIMITS["upload_side"])
    assert time.monotonic() - start < 2


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
    with pytest.raises(BrokenImage) as caught:
        await intake.clean(content, REFERENCE)
    assert caught.value.facts == {"field": "file"}


@pytest.mark.anyio
async def test_pixels_beyond_the_header_are_never_unpacked(intake: PillowIntake) -> None:
    start = time.monotonic()
    clean = await intake.clean(png(1, 1, scanlines=bytes(100_000_000)), REFERENCE)
    assert (clean.width, clean.height) == (1, 1)
    assert time.monotonic() - start < 2


@pytest.mark.anyio
@pytest.mark.parametrize(
    "bomb",
    [text_bomb(100), text_bomb(1) * 70, profile_bomb(100), png_chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(10**8)))],
)
async def test_metadata_that_unpacks_to_gigabytes_is_refused_cheaply(intake: PillowIntake, bomb: bytes) -> None:
    start = time.monotonic()
    with pytest.raises(BrokenImage):
        await intake.clean(blank_png(10, 10, bomb), REFERENCE)
    assert time.monotonic() - start < 3


@pytest.mark.anyio
async def test_fifty_megapixels_are_taken(intake: PillowIntake) -> None:
    clean = await intake.clean(blank_png(10_000, 5_000), REFERENCE)
    assert (clean.width, clean.height, clean.changed) == (10_000, 5_000, ())


@pytest.mark.anyio
async def test_a_picture_too_large_for_a_worker_is_one_plain_refusal() -> None:
    small = picture_pool(1, memory_mb=300)
    try:
        intake = PillowIntake(small)
        for content in (blank_png(10_000, 5_000), encode(Image.new("L", (7_000, 7_000)), "JPEG")):
            with pytest.raises(LimitExceeded) as caught:
                await intake.clean(content, REFERENCE)
            assert caught.value.facts == {"field": "file", "reason": "too_heavy"}
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
async def test_a_file_that_takes_too_long_is_refused_and_the_next_one_is_not(pool: PicturePool) -> None:
    intake = PillowIntake(pool, timeout_seconds=0.5)
    with pytest.raises(LimitExceeded) as caught:
        await intake.clean(scan_bomb(3_000, 5_000), REFERENCE)
    assert caught.value.facts == {"field": "file", "reason": "too_heavy"}
    await PillowIntake(pool).clean(encode(corners(), "PNG"), REFERENCE)


@pytest.mark.anyio
async def test_when_a_worker_is_killed_one_upload_fails(pool: PicturePool, intake: PillowIntake) -> None:
    uploads = [asyncio.ensure_future(intake.clean(scan_bomb(2_000, 40), REFERENCE)) for _ in range(3)]
    await asyncio.sleep(0.15)
    os.kill(pool.pids[0], signal.SIGKILL)
    ends = await asyncio.gather(*uploads, return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["BrokenImage", "CleanPicture", "CleanPicture"]
    await intake.clean(encode(corners(), "PNG"), REFERENCE)


@pytest.mark.anyio
async def test_more_uploads_than_may_wait_are_sent_away_at_once(pool: PicturePool) -> None:
    intake = PillowIntake(pool, most_waiting=3)
    napping = [pool.schedule(chores.nap, (0.3,)) for _ in range(2)]
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


@pytest.mark.anyio
@pytest.mark.parametrize("format", [*FORMATS, "GIF"])
async def test_a_models_picture_is_described_by_its_header_and_left_alone(intake: PillowIntake, format: str) -> None:
    for mode, has_alpha in (("RGB", False), ("RGBA", True)):
        if has_alpha and format in ("JPEG", "GIF"):
            continue
        picture = corners(mode)
        if has_alpha:
            picture.putpixel((5, 5), (0, 0, 0, 0))
        content = encode(picture, format)
        seen = await intake.describe(content)
        assert seen.content is content
        assert (seen.format, seen.width, seen.height, seen.has_alpha) == (PictureFormat(format.lower()), 120, 80, has_alpha)


@pytest.mark.anyio
async def test_what_has_no_header_cannot_be_described(intake: PillowIntake) -> None:
    for content in (b"", b"<svg/>", b"GIF89a", png(10, 10)[:20], b"\xff\xd8\xff"):
        with pytest.raises(BrokenImage):
            await intake.describe(content)


@pytest.mark.anyio
async def test_a_short_soak_finds_nothing() -> None:
    seen = await soak_uploads(2_026, time.monotonic() + 3)
    assert seen
    assert set(seen) <= {"clean", *(error.problem() for error in DomainError.__subclasses__())}


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
