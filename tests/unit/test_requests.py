"""Asking for pictures: what is filled in, and which sizes there are."""

import pytest

from domain.accounts import Mode
from domain.capabilities import Background, Quality, Size
from domain.errors import InvalidRequest, UnsupportedByModel
from domain.media import PictureFormat
from domain.requests import Fault, Kind, PictureRequest, Sandbox
from tests.offer import CATALOGUE, ask, asset, mask

OLD, FREE, RICH, NEW = "gpt-image-1-mini", "gpt-image-2", "gpt-image-2.5-flare", "gpt-image-2.6-sunburst"


def test_a_prompt_alone_is_a_request() -> None:
    assert ask() == PictureRequest(
        model=FREE,
        prompt="a red fox in snow",
        n=1,
        size=Size(1024, 1024),
        quality=Quality.MEDIUM,
        output_format=PictureFormat.PNG,
    )
    assert ask().kind is Kind.GENERATE


def test_all_that_is_asked_for_is_kept() -> None:
    references, first_mask = [asset(), asset(640, 480)], mask()
    request = ask(
        NEW,
        references,
        first_mask,
        Mode.TEST,
        n=3,
        size="1536x1024",
        quality="max",
        complexity="low",
        background="transparent",
        output_format="webp",
        output_compression=40,
        moderation="low",
        partial_images=2,
        metadata={"project": "x"},
        sandbox=Sandbox(Fault.TIME_OUT, 2_000),
    )
    assert request == PictureRequest(
        model=NEW,
        prompt="a red fox in snow",
        n=3,
        size=Size(1536, 1024),
        quality=Quality.MAX,
        output_format=PictureFormat.WEBP,
        background=Background.TRANSPARENT,
        complexity="low",
        output_compression=40,
        moderation="low",
        partial_images=2,
        references=(references[0].id, references[1].id),
        mask=first_mask.id,
        sandbox=Sandbox(Fault.TIME_OUT, 2_000),
        metadata={"project": "x"},
    )
    assert request.kind is Kind.EDIT


def test_auto_is_the_same_as_saying_nothing() -> None:
    assert ask(size="auto", quality="auto", background="auto", moderation="auto") == ask()


def test_defaults_belong_to_the_model_and_the_format() -> None:
    assert ask(NEW).complexity == "high"
    assert ask(RICH).complexity is None
    assert ask(output_format="jpeg").output_compression == 100
    assert ask(output_format="png").output_compression is None
    gif = ask(NEW, output_format="gif")
    assert (gif.frame_count, gif.frame_duration_ms, gif.size) == (9, 200, Size(512, 512))


# The size of an edit


@pytest.mark.parametrize(
    ("reference", "drawn"),
    [
        ((800, 800), "1024x1024"),
        ((3000, 2000), "1536x1024"),
        ((2000, 3000), "1024x1536"),
        ((1920, 1080), "1792x1008"),
        ((1080, 1920), "1008x1792"),
        ((9000, 300), "1792x1008"),
        ((1, 16_384), "1008x1792"),
    ],
)
def test_an_edit_takes_the_size_most_like_its_first_reference(reference: tuple[int, int], drawn: str) -> None:
    assert str(ask(references=[asset(*reference), asset(100, 900)]).size) == drawn


def test_a_model_with_few_sizes_takes_the_nearest_of_those() -> None:
    assert ask(OLD, [asset(1920, 1080)]).size == Size(1536, 1024)


def test_a_masked_edit_is_as_large_as_what_it_changes() -> None:
    assert ask(references=[asset(1600, 1200)], mask=mask(1600, 1200)).size == Size(1600, 1200)


def test_a_masked_edit_of_a_size_the_model_has_not_takes_the_nearest() -> None:
    assert ask(references=[asset(1601, 1201)], mask=mask(1601, 1201)).size == Size(1536, 1024)
    assert ask(OLD, [asset(1600, 1200)], mask(1600, 1200)).size == Size(1536, 1024)


def test_the_painter_keeps_any_size_of_a_masked_edit() -> None:
    assert ask(references=[asset(301, 201)], mask=mask(301, 201), mode=Mode.TEST).size == Size(301, 201)


def test_an_animated_edit_takes_the_nearest_frame() -> None:
    assert ask(NEW, [asset(1920, 1080)], output_format="gif").size == Size(768, 512)


def test_a_gif_is_drawn_without_a_mask() -> None:
    with pytest.raises(InvalidRequest) as refused:
        ask(NEW, [asset(1024, 1024)], mask(1024, 1024), output_format="gif")
    assert refused.value.facts["field"] == "mask"


def test_a_size_that_is_asked_for_wins() -> None:
    assert ask(references=[asset(1600, 1200)], mask=mask(1600, 1200), size="1024x1024").size == Size(1024, 1024)


# Sizes


@pytest.mark.parametrize("size", ["3840x2160", "2160x3840", "2880x2880", "3840x1280", "816x816", "480x1440", "1440x480"])
def test_a_model_with_free_sizes_draws_to_the_edge_of_its_rules(size: str) -> None:
    assert str(ask(size=size).size) == size


@pytest.mark.parametrize(
    ("size", "rule", "limit"),
    [
        ("1000x1000", "multiple", 16),
        ("1024x1025", "multiple", 16),
        ("1024x336", "proportions", 3),
        ("336x1024", "proportions", 3),
        ("3856x2048", "longest_side", 3_840),
        ("2896x2880", "most_pixels", 8_294_400),
        ("800x816", "least_pixels", 655_360),
        ("1024x512", "least_pixels", 655_360),
    ],
)
def test_a_size_against_the_rules_names_the_rule(size: str, rule: str, limit: int) -> None:
    with pytest.raises(UnsupportedByModel) as refusal:
        ask(size=size)
    assert refusal.value.facts == {"field": "size", "rule": rule, "limit": limit}


@pytest.mark.parametrize(
    "size", ["", "large", "1024", "1024X1024", "1024x", "x", "-16x16", "1e3x16", "1024x1024x1", " 1024x1024", "\uff11\uff16x16"]
)
def test_a_size_that_is_none_is_refused(size: str) -> None:
    with pytest.raises(UnsupportedByModel) as refusal:
        ask(size=size)
    assert refusal.value.facts["field"] == "size"


@pytest.mark.parametrize("size", ["0x1024", "1024x00000", "999999x16"])
def test_a_side_of_nothing_or_of_millions_is_refused(size: str) -> None:
    with pytest.raises(UnsupportedByModel) as refusal:
        ask(size=size)
    assert refusal.value.facts == {"field": "size", "limit": 99_999}


def test_a_model_with_fixed_sizes_says_which() -> None:
    with pytest.raises(UnsupportedByModel) as refusal:
        ask(OLD, size="1792x1008")
    assert refusal.value.facts == {"field": "size", "allowed": ["1024x1024", "1536x1024", "1024x1536"]}


def test_in_test_mode_the_painter_draws_small_pictures_of_every_model() -> None:
    for model in CATALOGUE.models:
        assert ask(model, mode=Mode.TEST, size="16x16").size == Size(16, 16)
        assert ask(model, mode=Mode.TEST, size="101x53").size == Size(101, 53)
        assert ask(model, mode=Mode.TEST, size="1535x1023").size == Size(1535, 1023)


@pytest.mark.parametrize(
    ("size", "rule", "limit"),
    [
        ("15x15", "shortest_side", 16),
        ("64x16", "proportions", 3),
        ("3841x3000", "longest_side", 3_840),
        ("2881x2880", "most_pixels", 8_294_400),
    ],
)
def test_in_test_mode_the_other_rules_of_size_hold(size: str, rule: str, limit: int) -> None:
    with pytest.raises(UnsupportedByModel) as refusal:
        ask(mode=Mode.TEST, size=size)
    assert refusal.value.facts == {"field": "size", "rule": rule, "limit": limit}


@pytest.mark.parametrize("size", ["1537x1024", "1025x1025", "15x1024"])
def test_in_test_mode_a_model_with_fixed_sizes_draws_nothing_larger(size: str) -> None:
    with pytest.raises(UnsupportedByModel):
        ask(OLD, mode=Mode.TEST, size=size)


def test_frames_must_fit_one_sheet() -> None:
    assert ask(NEW, output_format="gif", size="960x960", frame_count=9).frame_count == 9
    with pytest.raises(UnsupportedByModel) as refusal:
        ask(NEW, output_format="gif", size="1024x1024", frame_count=6)
    assert refusal.value.facts == {"field": "size", "rule": "longest_side", "limit": 3_840}
    with pytest.raises(UnsupportedByModel) as refusal:
        ask(NEW, output_format="gif", size="1024x1024")
    assert refusal.value.facts == {"field": "size", "rule": "most_pixels", "limit": 8_294_400}
