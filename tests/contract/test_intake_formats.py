"""Photographs as telephones send them: AVIF and HEIC come in, and are kept as what models can read."""

import builtins
import struct
from typing import Any

import pytest
from PIL import Image

from adapters.intake import PillowIntake
from adapters.picture_pool import picture_pool
from adapters.pictures.decoding import DECODERS
from adapters.pictures.extent import pixels_said
from domain.errors import Animated, MaskMismatch, TooManyPixels, Truncated, UnsupportedFormat
from domain.media import AssetKind, PictureFormat, sniff
from tests.hostile import CANARY, encode, exif, xmp
from tests.pictures import corners, near, opened
from tests.soak_uploads import check_bare

REFERENCE = AssetKind.REFERENCE
FOREIGN = ("AVIF", "HEIF")


def foreign(picture: Image.Image, format: str, **options: object) -> bytes:
    import pillow_heif

    pillow_heif.register_heif_opener()
    return encode(picture, format, quality=95, **options)


@pytest.mark.anyio
@pytest.mark.parametrize("format", FOREIGN)
async def test_what_models_cannot_read_is_kept_as_what_they_can(intake: PillowIntake, format: str) -> None:
    plain = await intake.clean(foreign(corners(), format), REFERENCE)
    assert (plain.format, plain.width, plain.height, plain.changed) == (PictureFormat.JPEG, 120, 80, ("converted",))
    assert near(opened(plain), corners(), 24)
    holed = corners("RGBA")
    holed.paste((0, 0, 0, 0), (10, 10, 30, 30))
    clear = await intake.clean(foreign(holed, format), REFERENCE)
    assert (clear.format, clear.has_alpha, clear.changed) == (PictureFormat.PNG, True, ("converted",))
    alpha = opened(clear).getchannel("A")
    assert [alpha.getpixel(place) for place in ((50, 50), (20, 20))] == [255, 0]
    with pytest.raises(MaskMismatch):
        await intake.clean(foreign(holed, format), AssetKind.MASK)


@pytest.mark.anyio
@pytest.mark.parametrize("format", FOREIGN)
async def test_no_metadata_of_a_telephone_gets_through(intake: PillowIntake, format: str) -> None:
    for laden in (
        foreign(corners(), format, exif=exif(1), xmp=xmp()),
        foreign(corners(), format) + struct.pack(">I4s", 8 + len(CANARY), b"uuid") + CANARY,
        foreign(corners(), format) + CANARY,
    ):
        assert CANARY in laden
        clean = await intake.clean(laden, REFERENCE)
        check_bare(clean)
        assert clean.changed == ("converted", "metadata_removed")


@pytest.mark.anyio
@pytest.mark.parametrize("format", FOREIGN)
async def test_a_turned_photograph_is_turned_upright(intake: PillowIntake, format: str) -> None:
    turned = corners().transpose(Image.Transpose.ROTATE_90)
    clean = await intake.clean(foreign(turned, format, exif=exif(6)), REFERENCE)
    assert (clean.width, clean.height) == (120, 80)
    assert near(opened(clean), corners(), 24)


@pytest.mark.anyio
async def test_films_are_no_uploads(intake: PillowIntake) -> None:
    film = foreign(corners(), "AVIF", save_all=True, append_images=[corners().rotate(90)])
    disguised = film[:8] + b"avif" + film[12:]
    burst = foreign(corners(), "HEIF", save_all=True, append_images=[corners().rotate(180)])
    for content in (film, disguised, burst, film[:8] + b"msf1" + film[12:16] + b"hevc" * 4):
        with pytest.raises(Animated) as caught:
            await intake.clean(content, REFERENCE)
        assert caught.value.facts == {"field": "file", "limit": 1}


@pytest.mark.anyio
@pytest.mark.parametrize("format", FOREIGN)
async def test_a_cut_or_oversized_photograph_is_refused_by_name(intake: PillowIntake, format: str) -> None:
    whole = foreign(corners(), format)
    for length in (24, len(whole) // 2, len(whole) - 40):
        with pytest.raises(Truncated):
            await intake.clean(whole[:length], REFERENCE)
    at = whole.index(b"ispe") + 8
    huge = whole[:at] + struct.pack(">II", 60_000, 60_000) + whole[at + 8 :]
    with pytest.raises((TooManyPixels, Truncated)):  # libavif and libheif have limits of their own
        await intake.clean(huge, REFERENCE)


def test_without_its_decoder_heic_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **more: Any) -> Any:
        if name == "pillow_heif":
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UnsupportedFormat, match="HEIC") as caught:
        DECODERS[PictureFormat.HEIC](None)  # type: ignore[arg-type]  # it does not come to the file
    assert caught.value.facts == {"field": "file", "allowed": ["png", "jpeg", "webp", "avif"]}


def test_the_pixels_a_file_says_it_has_are_read_without_a_decoder() -> None:
    for format, options in (("PNG", {}), ("JPEG", {}), ("WEBP", {}), ("WEBP", {"lossless": True}), ("AVIF", {}), ("HEIF", {})):
        content = foreign(corners(), format, **options)
        assert pixels_said(content, sniff(content)) == 120 * 80, format
    laden = encode(corners("RGBA"), "WEBP", exif=exif(6))
    assert pixels_said(laden, PictureFormat.WEBP) == 120 * 80
    for format in PictureFormat:
        for content in (b"", b"\xff\xd8\xff" + bytes(100), b"RIFF", b"\xff" * 500):
            assert pixels_said(content, format) in (None, pixels_said(content, format))


@pytest.mark.anyio
async def test_the_time_an_upload_may_take_goes_by_its_pixels() -> None:
    from tests.hostile import png

    intake = PillowIntake(picture_pool(0))
    seconds = {
        (10_000, 5_000): 20.0,
        (16_384, 16_384): 20.0,
        (5_000, 5_000): 10.0,
        (4_000, 3_000): 5.0,
        (10, 10): 5.0,
    }
    for (width, height), limit in seconds.items():
        assert intake._seconds(png(width, height), PictureFormat.PNG) == limit
    assert intake._seconds(b"\xff\xd8\xff", PictureFormat.JPEG) == 20.0
