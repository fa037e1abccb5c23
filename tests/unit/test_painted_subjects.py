"""A picture is a function of its request, and shows what the prompt named."""

import os
import pickle
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.image_models.brush.brief import read
from adapters.image_models.brush.motifs import MOTIFS, WORDS
from adapters.image_models.brush.pen import Pen, render
from adapters.image_models.brush.pigments import PIGMENTS, inks
from adapters.image_models.brush.studio import Commission, fingerprint, paint
from domain.media import AssetId
from domain.requests import Background, Quality, Sandbox, Size
from tests.easel import QUALITIES, Pixels, changed, look, noise, opened, painted, pixels, png, request


def test_the_same_request_gives_the_same_bytes_in_another_process() -> None:
    commission = Commission(request("two words nobody knows, and a purple castle", 64), (), None, 1)
    source = (
        "import pickle, sys; from hashlib import sha256; from adapters.image_models.brush.studio import paint;"
        "print(sha256(paint(pickle.loads(sys.stdin.buffer.read())).picture.content).hexdigest())"
    )
    sums = {
        subprocess.run(
            [sys.executable, "-c", source],
            input=pickle.dumps(commission),
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": "src"},
            check=True,
            capture_output=True,
        )
        .stdout.decode()
        .strip()
        for seed in ("1", "2")
    }
    assert sums == {sha256(paint(commission).picture.content).hexdigest()}


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "a red fox in the snow"},
        {"model": "gpt-image-2.6-flare"},
        {"n": 2},
        {"size": Size(96, 80)},
        {"quality": Quality.HIGH},
        {"background": Background.OPAQUE},
        {"complexity": "high"},
        {"output_compression": 50},
        {"moderation": "low"},
        {"frame_count": 3},
    ],
    ids=lambda change: next(iter(change)),
)
def test_everything_that_is_asked_changes_the_pixels(change: dict[str, Any]) -> None:
    first, second = painted(request()).picture, painted(request(**change)).picture
    assert opened(first.content).tobytes() != opened(second.content).tobytes()


def test_labels_faults_and_the_ids_of_references_change_nothing() -> None:
    reference = png(noise(1, (40, 30)))
    plain = Commission(request(), (reference,), None, 0)
    labelled = request(metadata={"a": "b"}, sandbox=Sandbox(None, 5), references=(AssetId(UUID(int=77)),))
    assert paint(plain) == paint(replace(plain, request=labelled))


def test_the_bytes_of_references_and_mask_count() -> None:
    asked = request(width=32)
    first, second = png(noise(1, (32, 32))), png(noise(2, (32, 32)))
    prints = {fingerprint(asked, *parts) for parts in (((), None), ((first,), None), ((second,), None), ((first,), second))}
    assert len(prints) == 4


def test_another_index_is_another_picture() -> None:
    seen = [pixels(painted(request("whispering algorithm", n=4), index=index).picture.content) for index in range(4)]
    assert all(changed(seen[a], seen[b]) > 0.3 for a in range(4) for b in range(a))


# What was asked shows

HUES = {
    "red": 0,
    "crimson": 348,
    "coral": 14,
    "brown": 24,
    "orange": 30,
    "gold": 46,
    "yellow": 57,
    "olive": 62,
    "lime": 85,
    "green": 120,
    "mint": 155,
    "turquoise": 174,
    "teal": 180,
    "cyan": 185,
    "azure": 207,
    "blue": 225,
    "navy": 228,
    "indigo": 260,
    "lavender": 260,
    "violet": 274,
    "purple": 283,
    "magenta": 305,
    "pink": 338,
    "maroon": 355,
}
"""The hue (degrees) people mean by a word."""


@pytest.mark.parametrize("size", [(48, 48), (128, 96), (60, 150)], ids=str)
@pytest.mark.parametrize("colour", HUES)
@pytest.mark.parametrize("prompt", ["a {} fox in snow", "{} quantum dream"])
def test_a_named_colour_is_the_dominant_hue(prompt: str, colour: str, size: tuple[int, int]) -> None:
    work = painted(request(prompt.format(colour), *size, quality=QUALITIES[HUES[colour] % 5]))
    hue, saturation, value = np.moveaxis(pixels(work.picture.content, "HSV"), 2, 0)
    coloured = (saturation > 50) & (value > 30)
    away = np.abs((hue * 360 / 255 - HUES[colour] + 180) % 360 - 180)
    assert (coloured & (away < 25)).sum() > 0.5 * coloured.sum()
    histogram = np.bincount(hue[coloured] // 8, weights=saturation[coloured], minlength=32)
    strongest = (float(histogram.argmax()) + 0.5) * 8 * 360 / 256
    assert abs((strongest - HUES[colour] + 180) % 360 - 180) < 24


@pytest.mark.parametrize(
    ("colour", "least", "most"), [("black", 0, 75), ("grey", 95, 175), ("silver", 150, 225), ("white", 200, 255)]
)
@pytest.mark.parametrize("prompt", ["{}", "a {} circle", "a {} cat", "{} reverie"])
def test_black_grey_and_white_are_dominant_by_lightness(prompt: str, colour: str, least: int, most: int) -> None:
    seen = look(prompt.format(colour))
    assert least <= np.median(seen.mean(axis=2)) <= most
    assert np.median(seen.max(axis=2) - seen.min(axis=2)) < 30, "and without a hue"


def test_enough_colours_and_subjects_have_names() -> None:
    assert len(PIGMENTS) >= 25
    asked = (
        "circle square triangle star heart hexagon moon sun mountain tree house fox cat dog fish bird boat car flower cloud robot"
    )
    assert {*asked.split(), "city", "castle", "mushroom"} <= set(WORDS)
    assert len(MOTIFS) >= 25


def test_every_subject_has_a_silhouette_of_its_own() -> None:
    seen: dict[str, Pixels] = {}
    for name, motif in MOTIFS.items():
        pen = Pen()
        motif.draw(pen, inks(PIGMENTS["teal"], None, PIGMENTS["pink"], (0, 0, 0)))
        seen[name] = pixels(render(pen.marks, 48, None), "RGBA")
    names = list(seen)
    shown = {name: float((layer[:, :, 3] > 128).mean()) for name, layer in seen.items()}
    assert {name: part for name, part in shown.items() if not 0.08 < part < 0.75} == {}
    alike = [(a, b) for at, a in enumerate(names) for b in names[:at] if changed(seen[a], seen[b]) < 0.07]
    assert alike == []


@pytest.mark.parametrize("subject", ["circle", "heart", "moon", "tree", "house", "cat", "fish", "boat", "robot", "castle"])
def test_a_named_subject_shows_on_its_own_sheet(subject: str) -> None:
    sheet = opened(painted(request(f"a teal {subject}", background=Background.TRANSPARENT)).picture.content)
    alpha = pixels(sheet.getchannel("A"), "L")
    assert 0.1 < (alpha > 128).mean() < 0.75
    ours = pixels(sheet, "RGBA")
    other = painted(request("a teal star", background=Background.TRANSPARENT)).picture.content
    assert changed(ours, pixels(other, "RGBA")) > 0.12


def test_a_subject_changes_the_middle_of_the_picture() -> None:
    middle = slice(24, 72)
    boat, robot = look("a blue boat"), look("a blue robot")
    assert changed(boat[middle, middle], robot[middle, middle]) > 0.5


def test_a_colour_belongs_to_the_word_it_stands_before() -> None:
    brief = read("a gold star on black")
    assert (brief.subjects[0].motif, brief.subjects[0].pigment, brief.dominant) == ("star", PIGMENTS["gold"], PIGMENTS["black"])
    brief = read("Three white cats under a red tree")
    assert [(subject.motif, subject.pigment) for subject in brief.subjects] == [("cat", PIGMENTS["white"])] * 3 + [
        ("tree", PIGMENTS["red"])
    ]


OTHER_WORDS = "snow winter night sea forest city desert galaxy quick silent lonely ancient dream memory justice algebra"
VOCABULARY = sorted({*WORDS, *PIGMENTS, *OTHER_WORDS.split()})


@settings(deadline=None, print_blob=True, max_examples=50)
@given(
    words=st.lists(
        st.sampled_from(VOCABULARY) | st.text(st.characters(categories=["L"]), min_size=1), min_size=2, max_size=9, unique=True
    ),
    cut=st.integers(1, 8),
    quality=st.sampled_from(QUALITIES),
)
def test_prompts_without_a_common_word_differ_in_a_third_of_the_picture(words: list[str], cut: int, quality: Quality) -> None:
    cut = min(cut, len(words) - 1)
    first, second = " ".join(words[:cut]), " ".join(words[cut:])
    assert changed(look(first, 128, quality=quality), look(second, 128, quality=quality)) >= 0.3


@pytest.mark.parametrize(
    "pair", [("black cat", "ebony kitten"), ("snowy", "frozen arctic"), ("red circle", "scarlet disc"), ("white", "ivory")]
)
def test_even_other_words_for_the_same_thing_give_another_picture(pair: tuple[str, str]) -> None:
    assert changed(look(pair[0], 128), look(pair[1], 128)) >= 0.3


@given(st.text(max_size=60))
@settings(deadline=None, print_blob=True, max_examples=40)
def test_any_text_is_painted(prompt: str) -> None:
    assert look(prompt, 16).shape == (16, 16, 3)
