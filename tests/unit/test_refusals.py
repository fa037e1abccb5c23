"""Every way of asking for what cannot be done: each is refused before anything is held, and says which field and which limit."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from domain.accounts import Mode
from domain.errors import (
    CardNumberRefused,
    DomainError,
    InvalidRequest,
    InvalidText,
    LimitExceeded,
    MaskMismatch,
    UnsupportedByModel,
)
from domain.media import Asset, AssetKind, PictureFormat
from domain.requests import Asked, Fault, Kind, Sandbox, normalise
from tests.offer import CATALOGUE, ask, asset, mask

FREE, RICH, NEW = "gpt-image-2", "gpt-image-2.5-flare", "gpt-image-2.6-sunburst"

# Model, what is asked, the error, its facts. For sizes see test_requests.

REFUSED: Sequence[tuple[str, str, Mapping[str, Any], type[DomainError], Mapping[str, Any]]] = [
    ("an empty prompt", FREE, {"prompt": ""}, InvalidText, {"field": "prompt", "limit": 1, "reason": "too_short"}),
    ("a blank prompt", FREE, {"prompt": " \n"}, InvalidText, {"field": "prompt", "limit": 1, "reason": "too_short"}),
    (
        "an over-long prompt",
        FREE,
        {"prompt": "x" * 32_001},
        InvalidText,
        {"field": "prompt", "limit": 32_000, "reason": "too_long"},
    ),
    ("a NUL in the prompt", FREE, {"prompt": "a\0b"}, InvalidText, {"field": "prompt", "reason": "nul"}),
    ("half a surrogate", FREE, {"prompt": "a\ud83e"}, InvalidText, {"field": "prompt", "reason": "lone_surrogate"}),
    ("a card in the prompt", FREE, {"prompt": "4242 4242 4242 4242"}, CardNumberRefused, {"field": "prompt"}),
    ("a card in a label", FREE, {"metadata": {"a": "4242424242424242"}}, CardNumberRefused, {"field": "metadata"}),
    ("many labels", FREE, {"metadata": {str(k): "" for k in range(17)}}, LimitExceeded, {"field": "metadata", "limit": 16}),
    (
        "a long label",
        FREE,
        {"metadata": {"k": "v" * 513}},
        InvalidText,
        {"field": "metadata", "limit": 512, "reason": "too_long"},
    ),
    ("no picture", FREE, {"n": 0}, LimitExceeded, {"field": "n", "limit": 1}),
    ("eleven pictures", FREE, {"n": 11}, LimitExceeded, {"field": "n", "limit": 10}),
    ("pixels in all", FREE, {"n": 3, "size": "3840x2160"}, LimitExceeded, {"field": "n", "limit": 16_600_000}),
    (
        "pixels of all frames",
        NEW,
        {"n": 3, "size": "960x960", "output_format": "gif"},
        LimitExceeded,
        {"field": "n", "limit": 16_600_000},
    ),
    (
        "max of 2",
        FREE,
        {"quality": "max"},
        UnsupportedByModel,
        {"field": "quality", "allowed": ["auto", "low", "medium", "high"]},
    ),
    ("hd", FREE, {"quality": "hd"}, UnsupportedByModel, {"field": "quality", "allowed": ["auto", "low", "medium", "high"]}),
    (
        "svg",
        NEW,
        {"output_format": "svg"},
        UnsupportedByModel,
        {"field": "output_format", "allowed": ["png", "jpeg", "webp", "gif"]},
    ),
    (
        "gif of 2",
        FREE,
        {"output_format": "gif"},
        UnsupportedByModel,
        {"field": "output_format", "allowed": ["png", "jpeg", "webp"]},
    ),
    ("complexity of 2.5", RICH, {"complexity": "low"}, UnsupportedByModel, {"field": "complexity", "allowed": []}),
    (
        "odd complexity",
        NEW,
        {"complexity": "max"},
        UnsupportedByModel,
        {"field": "complexity", "allowed": ["low", "medium", "high"]},
    ),
    (
        "odd background",
        FREE,
        {"background": "red"},
        InvalidRequest,
        {"field": "background", "allowed": ["auto", "opaque", "transparent"]},
    ),
    (
        "transparent jpeg",
        FREE,
        {"background": "transparent", "output_format": "jpeg"},
        InvalidRequest,
        {"field": "background", "allowed": ["png", "webp"]},
    ),
    (
        "transparent gif",
        NEW,
        {"background": "transparent", "output_format": "gif"},
        InvalidRequest,
        {"field": "background", "allowed": ["png", "webp"]},
    ),
    (
        "compressed png",
        FREE,
        {"output_compression": 50},
        InvalidRequest,
        {"field": "output_compression", "allowed": ["jpeg", "webp"]},
    ),
    (
        "overcompressed",
        FREE,
        {"output_format": "jpeg", "output_compression": 101},
        LimitExceeded,
        {"field": "output_compression", "limit": 100},
    ),
    (
        "undercompressed",
        FREE,
        {"output_format": "webp", "output_compression": -1},
        LimitExceeded,
        {"field": "output_compression", "limit": 0},
    ),
    ("no moderation", FREE, {"moderation": "none"}, InvalidRequest, {"field": "moderation", "allowed": ["auto", "low"]}),
    ("four partials", FREE, {"partial_images": 4}, LimitExceeded, {"field": "partial_images", "limit": 3}),
    ("fewer partials than none", FREE, {"partial_images": -1}, LimitExceeded, {"field": "partial_images", "limit": 0}),
    (
        "partials of a gif",
        NEW,
        {"partial_images": 1, "output_format": "gif"},
        InvalidRequest,
        {"field": "partial_images", "limit": 0},
    ),
    ("frames of a png", NEW, {"frame_count": 4}, InvalidRequest, {"field": "frame_count", "allowed": ["gif"]}),
    ("timing of a png", NEW, {"frame_duration_ms": 4}, InvalidRequest, {"field": "frame_duration_ms", "allowed": ["gif"]}),
    ("one frame", NEW, {"output_format": "gif", "frame_count": 1}, LimitExceeded, {"field": "frame_count", "limit": 2}),
    ("17 frames", NEW, {"output_format": "gif", "frame_count": 17}, LimitExceeded, {"field": "frame_count", "limit": 16}),
    (
        "a flicker",
        NEW,
        {"output_format": "gif", "frame_duration_ms": 19},
        LimitExceeded,
        {"field": "frame_duration_ms", "limit": 20},
    ),
    (
        "a slide show",
        NEW,
        {"output_format": "gif", "frame_duration_ms": 10_001},
        LimitExceeded,
        {"field": "frame_duration_ms", "limit": 10_000},
    ),
    ("a live sandbox", FREE, {"sandbox": Sandbox(Fault.FAIL)}, InvalidRequest, {"field": "sandbox"}),
]


@pytest.mark.parametrize(("model", "asked", "error", "facts"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_cannot_be_done_is_refused_saying_why(
    model: str, asked: Mapping[str, Any], error: type[DomainError], facts: Mapping[str, Any]
) -> None:
    with pytest.raises(error) as refusal:
        ask(model, **asked)
    assert refusal.value.facts == facts


@pytest.mark.parametrize("field", ["size", "quality", "complexity", "background", "output_format", "moderation"])
def test_an_empty_word_is_refused_rather_than_guessed(field: str) -> None:
    empty: Mapping[str, Any] = {field: ""}
    with pytest.raises(DomainError) as refusal:
        ask(NEW, **empty)
    assert refusal.value.facts["field"] == field


def test_svg_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedByModel, match="svg output is off"):
        ask(NEW, output_format="svg")


def test_a_sandbox_sleeps_ten_minutes_at_most() -> None:
    assert ask(mode=Mode.TEST, sandbox=Sandbox(latency_ms=600_000)).sandbox == Sandbox(None, 600_000)
    for latency, limit in ((600_001, 600_000), (-1, 0)):
        with pytest.raises(LimitExceeded) as refusal:
            ask(mode=Mode.TEST, sandbox=Sandbox(latency_ms=latency))
        assert refusal.value.facts == {"field": "sandbox.latency_ms", "limit": limit}


# References and masks


def test_sixteen_references_are_taken_and_not_one_more() -> None:
    assert len(ask(references=[asset() for _ in range(16)]).references) == 16
    with pytest.raises(LimitExceeded) as refusal:
        ask(references=[asset() for _ in range(17)])
    assert refusal.value.facts == {"field": "images", "limit": 16}


def test_an_output_can_be_edited_again() -> None:
    assert ask(references=[asset(kind=AssetKind.OUTPUT)]).kind is Kind.EDIT


def test_a_reference_is_named_once() -> None:
    twice = asset()
    with pytest.raises(InvalidRequest) as refusal:
        ask(references=[twice, twice])
    assert refusal.value.facts == {"field": "images"}


def test_a_mask_is_no_reference() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        ask(references=[mask()])
    assert refusal.value.facts == {"field": "images"}


def test_a_gif_is_no_reference() -> None:
    with pytest.raises(UnsupportedByModel) as refusal:
        ask(references=[asset(kind=AssetKind.OUTPUT, format=PictureFormat.GIF)])
    assert refusal.value.facts == {"field": "images", "allowed": ["png", "jpeg", "webp"]}


PICTURE = asset()


@pytest.mark.parametrize(
    ("reason", "references", "first_mask"),
    [
        ("no_reference", [], mask()),
        ("size", [PICTURE], mask(1024, 1023)),
        ("size", [asset(512, 512), PICTURE], mask()),
        ("no_alpha", [PICTURE], replace(mask(), has_alpha=False)),
        ("no_alpha", [PICTURE], replace(mask(), format=PictureFormat.WEBP)),
        ("not_a_mask", [PICTURE], asset(has_alpha=True)),
        ("not_a_mask", [PICTURE], PICTURE),
    ],
)
def test_a_mask_that_does_not_fit_says_why(reason: str, references: Sequence[Asset], first_mask: Asset) -> None:
    with pytest.raises(MaskMismatch) as refusal:
        ask(references=references, mask=first_mask)
    assert refusal.value.facts == {"field": "mask", "reason": reason}


def test_a_picture_is_not_its_own_mask_even_when_it_was_fetched_but_once() -> None:
    asked = Asked("a fox", images=(PICTURE.id,), mask=PICTURE.id)
    with pytest.raises(MaskMismatch) as refusal:
        normalise(asked, CATALOGUE.models[FREE], [PICTURE], None, Mode.LIVE)
    assert refusal.value.facts == {"field": "mask", "reason": "not_a_mask"}


def test_assets_other_than_those_named_are_a_fault_of_ours() -> None:
    first, second, fitting = asset(), asset(), mask()
    model = CATALOGUE.models[FREE]
    for references, given in (([], None), ([second], None), ([first], None), ([first], mask())):
        with pytest.raises(ValueError, match="must be the asset"):
            normalise(Asked("a fox", images=(first.id,), mask=fitting.id), model, references, given, Mode.LIVE)
