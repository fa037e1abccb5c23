"""What comes out of an upload: the same picture, upright, in plain colours, and nothing but its pixels."""

import hashlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from adapters.intake import PillowIntake
from domain.errors import Animated, BrokenImage, MaskMismatch, UnsupportedFormat
from domain.media import AssetKind, PictureFormat
from tests import hostile
from tests.hostile import CANARY, encode, exif, png, png_chunk, png_texts
from tests.pictures import FORMATS, corners, fine, near, opened
from tests.soak_uploads import check_bare

REFERENCE, MASK = AssetKind.REFERENCE, AssetKind.MASK


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
        with pytest.raises(Animated, match="one picture only"):
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
    assert opened(seen).getpixel((8, 8))[3] == 255  # type: ignore[index]  # an RGBA pixel is a tuple


@pytest.mark.anyio
async def test_webp_without_loss_stays_without_loss(intake: PillowIntake) -> None:
    picture = corners("RGBA")
    picture.putpixel((3, 3), (1, 2, 3, 200))
    clean = await intake.clean(encode(picture, "WEBP", lossless=True), REFERENCE)
    assert opened(clean).tobytes() == picture.tobytes()
    assert clean.changed == ()


@pytest.mark.anyio
async def test_the_record_and_the_file_agree_about_alpha(intake: PillowIntake) -> None:
    picture = corners("RGBA")
    picture.putpixel((3, 3), (0, 0, 0, 254))
    seen = encode(picture, "WEBP", lossless=True)
    hidden = seen.replace(b"ALPH", b"XXXX")
    opaque = encode(corners("RGBA"), "WEBP", lossless=True, exact=True)
    flagged = opaque[:24] + bytes([opaque[24] | 0x10]) + opaque[25:] if opaque[12:16] == b"VP8L" else opaque
    for content in (seen, hidden, opaque, flagged, encode(corners("RGBA"), "PNG")):
        opened(await intake.clean(content, REFERENCE))  # compares them


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
        with pytest.raises(MaskMismatch) as caught:
            await intake.clean(content, MASK)
        assert caught.value.facts["reason"] == "no_alpha"


# A model's own pictures


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
