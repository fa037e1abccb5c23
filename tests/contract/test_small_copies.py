"""Who judges sees all of a picture, small: every frame of a film, and what a transparent ground would hide."""

import io

import numpy as np
import pytest
from PIL import Image

from adapters.small_copies import SIDE, small_copy


def written(picture: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def copied(content: bytes) -> Image.Image:
    copy = small_copy(content)
    assert copy is not None
    picture = Image.open(io.BytesIO(copy))
    assert picture.format == "JPEG"
    return picture


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_a_large_picture_becomes_small(format: str) -> None:
    content = written(Image.new("RGB", (3000, 1500), "navy"), format)
    assert copied(content).size == (SIDE, SIDE // 2)


def test_a_small_picture_keeps_its_size() -> None:
    assert copied(written(Image.new("RGB", (64, 48), "navy"), "PNG")).size == (64, 48)


@pytest.mark.parametrize("ink", ["white", "black"])
def test_what_is_drawn_on_nothing_is_seen(ink: str) -> None:
    picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    picture.paste(ink, (0, 0, 32, 64))
    shades = np.asarray(copied(written(picture, "PNG")).convert("L"), np.int64)
    assert shades.max() - shades.min() > 100


def test_all_frames_of_a_film_lie_beside_each_other() -> None:
    colours = ("red", "lime", "blue", "white", "black")
    frames = [Image.new("RGB", (90, 60), colour) for colour in colours]
    sheet = copied(written(frames[0], "GIF", save_all=True, append_images=frames[1:])).convert("RGB")
    assert sheet.size == (270, 120)
    for place, frame in enumerate(frames):
        at = (place % 3 * 90 + 45, place // 3 * 60 + 30)
        shown, drawn = (np.asarray(each, np.int64) for each in (sheet.crop((*at, at[0] + 1, at[1] + 1)), frame))
        assert abs(shown[0, 0] - drawn[0, 0]).max() < 30


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", written(Image.new("RGB", (99, 99)), "PNG")[:80]])
def test_what_cannot_be_drawn_has_no_copy(content: bytes) -> None:
    assert small_copy(content) is None
