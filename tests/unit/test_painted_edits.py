"""Edits are real: what the mask keeps stays as it was, to the byte; what it opens is painted."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from domain.media import PictureFormat
from domain.requests import Background, Quality
from tests.easel import QUALITIES, changed, holed, noise, opened, painted, pixels, png, request


@st.composite
def edits(draw: st.DrawFn) -> tuple[Image.Image, Image.Image]:
    """A reference and a mask of its size, of noise, half of it fully kept."""
    size = draw(st.integers(1, 90)), draw(st.integers(1, 90))
    seed = draw(st.integers(0, 2**32))
    reference = noise(seed, size, draw(st.sampled_from([3, 4])))
    grain = draw(st.sampled_from([1, 7, 40]))
    alpha = (
        noise(seed + 1, (max(1, size[0] // grain), max(1, size[1] // grain))).getchannel(0).resize(size, Image.Resampling.NEAREST)
    )
    mask = Image.new("RGBA", size)
    mask.putalpha(alpha.point([0 if value < 80 else value if value < 120 else 255 for value in range(256)]))
    return reference, mask


@settings(deadline=None, print_blob=True, max_examples=50)
@given(edits(), st.sampled_from(QUALITIES), st.sampled_from(["a red heart", "sea", "unheard of"]))
def test_pixels_outside_the_mask_stay_identical(edit: tuple[Image.Image, Image.Image], quality: Quality, prompt: str) -> None:
    reference, mask = edit
    asked = request(prompt, *reference.size, quality=quality)
    picture = painted(asked, png(reference), mask=png(mask)).picture
    result = opened(picture.content)
    assert (result.size, result.mode) == (reference.size, reference.mode)
    assert (picture.width, picture.height) == reference.size
    kept = np.asarray(mask)[:, :, 3] == 255
    assert (np.asarray(result)[kept] == np.asarray(reference)[kept]).all()


def test_inside_the_mask_the_prompt_is_painted() -> None:
    reference = png(Image.new("RGB", (120, 80), (20, 60, 200)))
    result = pixels(painted(request("a red heart"), reference, mask=holed((120, 80), (60, 10, 110, 60))).picture.content)
    inside = result[10:60, 60:110]
    assert (inside[:, :, 0] > inside[:, :, 2] + 20).mean() > 0.7
    assert result.shape == (80, 120, 3), "the reference's size, whatever the request says"


def test_a_half_transparent_mask_blends() -> None:
    size = (64, 64)
    reference = Image.new("RGB", size, (10, 200, 30))
    whole, half = (
        pixels(painted(request("a white cloud"), png(reference), mask=holed(size, (0, 0, 64, 64), alpha)).picture.content)
        for alpha in (0, 128)
    )
    between = (whole + pixels(reference)) / 2
    assert np.abs(half - between).mean() < 20
    assert changed(half, whole) > 0.5


def test_a_masked_edit_may_leave_nothing_inside() -> None:
    asked = request("a cat", background=Background.TRANSPARENT)
    result = opened(painted(asked, png(noise(3, (96, 96))), mask=holed((96, 96), (16, 16, 80, 80))).picture.content)
    alpha = np.asarray(result)[:, :, 3]
    assert (alpha[:16] == 255).all()
    assert (alpha[16:80, 16:80] == 0).any()


def test_a_lossless_webp_edit_keeps_the_rest_too() -> None:
    reference, mask = noise(4, (50, 40)), holed((50, 40), (0, 0, 20, 40))
    result = painted(request("a sun", output_format=PictureFormat.WEBP), png(reference), mask=mask).picture.content
    assert (pixels(result)[:, 20:] == pixels(reference)[:, 20:]).all()


def test_a_whole_repaint_keeps_the_composition_and_turns_the_colour() -> None:
    split = Image.new("RGB", (96, 96), (235, 235, 225))
    split.paste((40, 40, 60), (0, 48, 96, 96))
    result = pixels(painted(request("make it green"), png(split)).picture.content)
    assert result[:44].mean() > result[52:].mean() + 60, "what was light and dark is so still"
    assert (result[:, :, 1] > result[:, :, 0]).mean() > 0.9


def test_every_reference_leaves_a_trace() -> None:
    references = [png(noise(seed, (60, 60))) for seed in range(4)]
    whole = pixels(painted(request("collage", 128), *references).picture.content)
    for place in range(4):
        others = [
            png(Image.new("RGB", (60, 60), (255, 0, 0))) if at == place else content for at, content in enumerate(references)
        ]
        assert changed(whole, pixels(painted(request("collage", 128), *others).picture.content)) > 0.05


@pytest.mark.parametrize(
    ("format", "mode"),
    [("PNG", mode) for mode in ("RGB", "RGBA", "L", "LA", "P")]
    + [("JPEG", "RGB"), ("JPEG", "L"), ("WEBP", "RGB"), ("WEBP", "RGBA")],
)
def test_references_of_every_clean_kind_are_taken(format: str, mode: str) -> None:
    file = io.BytesIO()
    noise(5, (30, 20)).convert(mode).save(file, format)
    assert opened(painted(request("a bird", 40, 30), file.getvalue(), file.getvalue()).picture.content).size == (40, 30)
    assert opened(painted(request("a bird"), file.getvalue(), mask=holed((30, 20), (0, 0, 9, 9))).picture.content).size == (
        30,
        20,
    )


def test_a_hole_taller_than_one_band_is_filled_to_its_end() -> None:
    size = (24, 1300)
    reference = png(Image.new("RGB", size, (255, 0, 255)))
    result = pixels(painted(request("a green tree"), reference, mask=holed(size, (0, 0, 24, 1290))).picture.content)
    away = np.abs(result - (255, 0, 255)).max(axis=2)
    assert (away[:1290].max(axis=1) > 40).all()
    assert (away[1290:] == 0).all()
