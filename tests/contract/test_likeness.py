"""A picture is known again by what it looks like, whatever became of its file."""

import io
import math
import struct

import numpy as np
import pytest
from PIL import Image, ImageFilter

from adapters.intake import PillowIntake
from domain.errors import BrokenImage
from domain.media import ALIKE, AssetKind
from tests.hostile import encode

SEEDS = range(5)


def motif(seed: int, width: int = 320, height: int = 240) -> Image.Image:
    """Clouds of every size, other ones for each seed."""
    chance = np.random.default_rng(seed)
    shown = np.zeros((height, width, 3))
    for cells in (4, 9, 20, 45):
        noise = Image.fromarray(chance.integers(0, 256, (cells, cells, 3), np.uint8))
        shown += np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC), np.float64) / cells**0.6
    return Image.fromarray((255 * shown / shown.max()).astype(np.uint8))


@pytest.mark.anyio
@pytest.mark.parametrize("seed", [0, 1])
async def test_a_picture_written_anew_looks_the_same(intake: PillowIntake, seed: int) -> None:
    picture = motif(seed)
    own = await intake.likeness(encode(picture, "PNG"))
    assert own.tells
    assert len(own.pdq) == 64
    seen = {
        "q40": encode(picture, "JPEG", quality=40),
        "webp": encode(picture, "WEBP", quality=60),
        "half": encode(picture.resize((160, 120)), "PNG"),
        "twice": encode(picture.resize((640, 480)), "JPEG"),
        "blurred": encode(picture.filter(ImageFilter.GaussianBlur(2)), "PNG"),
        "grey": encode(picture.convert("L"), "PNG"),
        "alpha": encode(picture.convert("RGBA"), "PNG"),
    }
    for name, content in seen.items():
        assert own.distance((await intake.likeness(content)).pdq) <= ALIKE, name


@pytest.mark.anyio
async def test_other_pictures_differ_in_half_of_the_bits(intake: PillowIntake) -> None:
    seen = [await intake.likeness(encode(motif(seed), "JPEG")) for seed in SEEDS]
    apart = [one.distance(other.pdq) for one in seen for other in seen if one is not other]
    assert min(apart) > 80
    assert 115 < sum(apart) / len(apart) < 141


@pytest.mark.anyio
async def test_a_turned_or_mirrored_picture_is_found_among_the_variants(intake: PillowIntake) -> None:
    picture = motif(7)
    own = await intake.likeness(encode(picture, "PNG"))
    found = set()
    for turn in Image.Transpose:
        turned = await intake.likeness(encode(picture.transpose(turn), "PNG"))
        near = [index for index, variant in enumerate(own.variants) if turned.distance(variant) <= ALIKE]
        assert len(near) == 1, turn
        found.update(near)
    assert found == set(range(1, 8))
    assert own.variants[0] == own.pdq


@pytest.mark.anyio
async def test_what_shows_nothing_is_told_from_nothing(intake: PillowIntake) -> None:
    tiny = motif(1).resize((4, 200))
    for content in (
        encode(Image.new("RGB", (300, 200), "navy"), "PNG"),
        encode(Image.new("L", (1, 1)), "PNG"),
        encode(tiny, "PNG"),
    ):
        assert not (await intake.likeness(content)).tells
    with pytest.raises(BrokenImage):
        await intake.likeness(b"\x89PNG\r\n\x1a\n")


@pytest.mark.anyio
async def test_an_upload_is_hashed_upright_and_as_it_is_kept(intake: PillowIntake) -> None:
    picture = motif(3)
    exif = Image.Exif()
    exif[0x0112] = 6
    clean = await intake.clean(encode(picture.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif), AssetKind.REFERENCE)
    assert clean.likeness is not None
    assert clean.likeness.distance((await intake.likeness(encode(picture, "PNG"))).pdq) <= 8
    kept = await intake.likeness(clean.content)
    assert clean.likeness.distance(kept.pdq) <= 8
    assert Image.open(io.BytesIO(clean.content)).size == picture.size


def test_the_hash_is_that_of_the_published_description() -> None:
    """By sums over every pixel, as the description gives them, and not as the adapter does."""
    from adapters.pictures import pdq

    picture = motif(1, 300, 200).convert("L")
    pixels = np.asarray(picture, np.float64)
    for _ in range(2):
        for axis, window in ((1, 3), (0, 2)):  # 300 / 128 and 200 / 128, rounded up
            shifted = [
                np.take(pixels, range(pixels.shape[axis]), axis) if step == 0 else _shifted(pixels, step, axis)
                for step in range(-(window - 1 - window // 2), window // 2 + 1)
            ]
            pixels = np.nanmean(np.stack(shifted), axis=0)
    samples = pixels[[int((row + 0.5) * 200 / 64) for row in range(64)]][:, [int((c + 0.5) * 300 / 64) for c in range(64)]]
    wave = [[math.cos(math.pi / 128 * frequency * (2 * at + 1)) for at in range(64)] for frequency in range(1, 17)]
    waves = np.array([[sum(d * (samples[r] @ a) for r, d in enumerate(down)) for a in wave] for down in wave])
    median = sorted(waves.ravel())[127]
    number = sum(1 << place for place, wave in enumerate(waves.ravel()) if wave > median)
    assert pdq.likeness(picture).distance(f"{number:064x}") <= 2  # two sums of the same numbers may round apart


def _shifted(pixels: np.ndarray, step: int, axis: int) -> np.ndarray:
    """Pixel i becomes pixel i + step; beyond the edge there is nothing."""
    moved = np.roll(pixels, -step, axis)
    edge: list[slice] = [slice(None)] * 2
    edge[axis] = slice(-step, None) if step > 0 else slice(None, -step)
    moved = moved.copy()
    moved[tuple(edge)] = np.nan
    return moved


@pytest.mark.anyio
@pytest.mark.parametrize("size", [(16_385, 1), (8_000, 6_251)])
async def test_a_film_of_more_pixels_than_an_upload_may_have_is_not_drawn(intake: PillowIntake, size: tuple[int, int]) -> None:
    bomb = bytearray(encode(Image.new("P", (size[0], 1)), "GIF"))
    bomb[6:10] = struct.pack("<HH", *size)
    with pytest.raises(BrokenImage):
        await intake.likeness(bytes(bomb))
