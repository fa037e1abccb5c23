"""Sizes, qualities and file formats of the painter's pictures."""

import os
import pickle
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from adapters.image_models.brush.studio import Commission
from domain.media import MADE_FORMATS, PictureFormat
from domain.requests import Background, Quality
from tests.easel import QUALITIES, Pixels, changed, look, opened, painted, pixels, request


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (17, 31), (3, 200), (400, 16), (3840, 16), (640, 360), (1024, 1024)], ids=str)
@pytest.mark.parametrize("background", [Background.AUTO, Background.TRANSPARENT])
def test_every_size_comes_out_as_asked(size: tuple[int, int], background: Background) -> None:
    picture = painted(request("two cats, a mountain and a moon in snow", *size, background=background)).picture
    assert opened(picture.content).size == size == (picture.width, picture.height)


def test_the_largest_size_is_painted_within_the_memory_of_a_worker() -> None:
    source = (
        "import resource, pickle, sys; resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30));"
        "from adapters.image_models.brush.studio import paint;"
        "print(paint(pickle.loads(sys.stdin.buffer.read())).picture.width)"
    )
    commission = Commission(request("a castle", 3840, 2160, quality=Quality.LOW), (), None, 0)
    ran = subprocess.run(
        [sys.executable, "-c", source],
        input=pickle.dumps(commission),
        env={**os.environ, "PYTHONPATH": "src", "OPENBLAS_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
    )
    assert ran.stdout.strip() == b"3840"


def detail(seen: Pixels) -> float:
    """How much neighbouring pixels differ."""
    return float(np.abs(np.diff(seen, axis=0)).mean() + np.abs(np.diff(seen, axis=1)).mean())


@pytest.mark.parametrize("prompt", ["a red fox in snow", "a lighthouse by the sea", "quiet geometry"])
def test_quality_levels_differ_visibly_and_each_has_more_detail(prompt: str) -> None:
    levels = [look(prompt, 256, quality=quality) for quality in QUALITIES]
    assert all(np.abs(a - b).mean() > 4 for a, b in pairwise(levels))
    details = [detail(level) for level in levels]
    assert details == sorted(details)


def test_low_quality_is_flat() -> None:
    def covered(quality: Quality) -> float:
        """The part of the picture that its forty commonest colours paint."""
        _, counts = np.unique(look("a yellow house", 128, quality=quality).reshape(-1, 3), axis=0, return_counts=True)
        return float(np.sort(counts)[-40:].sum() / counts.sum())

    assert covered(Quality.LOW) > 0.7
    assert covered(Quality.MEDIUM) < 0.35


def test_complexity_adds_things_around_the_subject() -> None:
    asked = [request("a red car", 256, complexity=complexity) for complexity in ("low", "medium", "high")]
    low, medium, high = (pixels(painted(each).picture.content) for each in asked)
    sides = np.r_[0:80, 176:256]
    assert changed(low[:, sides], high[:, sides]) > 0.03
    assert detail(low[:, sides]) < detail(medium[:, sides]) < detail(high[:, sides])


# Files


def described(content: bytes) -> str:
    picture = opened(content)
    exif = picture.getexif()
    return f"{picture.info.get('Description', '')}{picture.info.get('comment', b'')!r}{exif.get(0x010E, '')}"


@pytest.mark.parametrize("format", MADE_FORMATS)
@pytest.mark.parametrize("background", list(Background))
def test_each_format_is_what_it_says_and_says_what_it_is(format: PictureFormat, background: Background) -> None:
    picture = painted(request("a green tree", 64, output_format=format, background=background, frame_count=3)).picture
    file = opened(picture.content)
    assert (file.format or "").lower() == format.value == picture.format.value
    assert "sandbox picture" in described(picture.content)
    see_through = background is Background.TRANSPARENT and format is not PictureFormat.JPEG
    assert picture.has_alpha == see_through == file.has_transparency_data
    if see_through:
        alpha = pixels(file.convert("RGBA").getchannel("A"), "L")
        assert (alpha == 0).mean() > 0.2
        assert (alpha == 255).mean() > 0.1


def test_png_names_its_software() -> None:
    assert opened(painted(request()).picture.content).info["Software"] == "GPT Image 2 painter"


@pytest.mark.parametrize("format", [PictureFormat.JPEG, PictureFormat.WEBP])
def test_compression_makes_smaller_files(format: PictureFormat) -> None:
    sizes = [len(painted(request(output_format=format, output_compression=level)).picture.content) for level in (0, 40, 80, None)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1] / 2


def test_partials_get_sharper_towards_the_picture() -> None:
    work = painted(request(width=128), partials=3)
    final = pixels(work.picture.content)
    away = [float(np.abs(pixels(partial) - final).mean()) for partial in work.partials]
    assert len(away) == 3
    assert away[0] > away[1] > away[2] > 0
    assert work.picture == painted(request(width=128)).picture, "asking to look on changes nothing"


@pytest.mark.parametrize("size", [1, 16, 96])
@pytest.mark.parametrize("count", [2, 3, 16])
@pytest.mark.parametrize("background", [Background.AUTO, Background.TRANSPARENT])
def test_a_gif_has_the_frames_asked_for_and_moves(size: int, count: int, background: Background) -> None:
    asked = request(
        "a duck", size, output_format=PictureFormat.GIF, frame_count=count, frame_duration_ms=70, background=background
    )
    file = opened(painted(asked).picture.content)
    assert getattr(file, "n_frames", 1) == count
    frames = []
    for number in range(count):
        file.seek(number)
        assert file.info["duration"] == 70
        frames.append(pixels(file.convert("RGBA"), "RGBA"))
    if size == 96:
        assert all((a != b).any(axis=2).mean() > 0.01 for a, b in pairwise(frames))
