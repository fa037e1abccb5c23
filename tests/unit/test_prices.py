"""Prices: credits always cover what the provider can cost, and a caller can foresee them."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.accounts import Mode
from domain.capabilities import Quality, Size
from domain.catalogue import Model
from domain.errors import PriceAboveMaximum, UnsupportedByModel
from domain.media import PictureFormat
from domain.prices import Quote, check_maximum, quote, quote_work, work_of, worst_cost
from domain.rates import Work
from domain.requests import Asked, PictureRequest, normalise
from tests.offer import CATALOGUE, TODAY, asset

MODELS = CATALOGUE.offered(TODAY)
PROPERTY = settings(deadline=None, print_blob=True)
SQUARE = Size(1024, 1024)
# The extremes of the rules (fewest and most pixels, both 1:3), and what people ask for.
SIZES = tuple(
    Size.parse(size)
    for size in [
        "816x816",
        "480x1440",
        "1440x480",
        "1024x1024",
        "1536x1024",
        "1024x1536",
        "1792x1008",
        "2048x2048",
        "2560x1440",
        "3840x2160",
        "2160x3840",
        "2880x2880",
        "3840x1280",
        "1280x3840",
    ]
)
FRAME_SIZES = tuple(
    Size.parse(size)
    for size in ["288x288", "384x384", "512x512", "768x512", "512x768", "720x720", "960x960", "288x512", "512x288"]
)
SOLD = [(plan.price, plan.credits) for plan in CATALOGUE.plans.values()] + [
    (p.price, p.credits) for p in CATALOGUE.packs.values()
]
CHEAPEST_CREDIT = min(Fraction(price, credits) for price, credits in SOLD if credits)
"""In cents."""


def canvases(model: Model) -> set[tuple[Size, ...]]:
    """All that a model may be asked to draw, as far as these lists go; the frames of one sheet count once."""
    can = model.capabilities
    frames = range(can.animation.least_frames, can.animation.most_frames + 1) if can.animation else ()
    found = set()
    for size, count in (*product(SIZES, [None]), *product(FRAME_SIZES, frames)):
        with suppress(UnsupportedByModel):
            can.check_size(size, frames=count, smaller=False)
            found.add(can.canvases(size, count))
    return found


def grid(model: Model) -> Iterator[Work]:
    """Every work that can be asked of a model: canvas, quality, references (and a mask), partial images, prompt band."""
    can, bands = model.capabilities, model.prices.prompt_bands
    lengths = [1, bands[0], *(band + 1 for band in bands[:-1]), bands[-1]]
    for canvas, quality in product(canvases(model), can.qualities):
        for references, partial_images, length in product(range(can.references + 2), range(can.partial_images + 1), lengths):
            yield Work(canvas, quality, references, partial_images, length)


def test_over_the_whole_grid_the_cheapest_credits_cover_the_worst_cost_with_margin() -> None:
    cells = 0
    families = {id(model.prices): model for model in MODELS}  # a snapshot costs what its model does (test_catalogue)
    for model in families.values():
        prices = model.prices
        cents, margin = CHEAPEST_CREDIT, Fraction(prices.margin_percent, 100)
        worth = int(cents * 10_000)  # of a credit, in millionths of a dollar, rounded down
        for work in grid(model):
            priced = quote_work(work, 1, prices)
            assert priced.unit >= 1
            assert priced.unit * worth * margin.denominator >= prices.worst_cost(work) * margin.numerator, (
                model.id,
                work,
                priced,
            )
            cells += 1
    print(f"{cells} cells of {len(families)} price lists")
    assert cells > 100_000


def test_the_grid_has_the_extremes() -> None:
    drawn = {canvas for model in MODELS for sheet in canvases(model) for canvas in sheet}
    assert min(drawn, key=lambda size: size.pixels).pixels < 700_000
    assert {Size(2880, 2880), Size(3840, 1280), Size(1280, 3840), Size(3840, 1920)} <= drawn


def test_the_cheapest_credit_is_worth_what_pictures_are_priced_with() -> None:
    for model in MODELS:
        assert model.prices.credit <= CHEAPEST_CREDIT * 10_000


# Published or measured by others; see models.toml for where.
TOKENS = {
    ("gpt-image-2", "low", "1024x1024"): 196,
    ("gpt-image-2", "high", "2048x2048"): 14_272,
    ("gpt-image-2", "medium", "1536x1024"): 1_372,
    ("gpt-image-2", "high", "1024x1024"): 7_024,
    ("gpt-image-2", "high", "1536x1024"): 5_488,
    ("gpt-image-2", "high", "1792x1024"): 5_063,
    ("gpt-image-2", "high", "3584x2048"): 12_329,
    ("gpt-image-2", "low", "960x720"): 130,
    ("gpt-image-2", "low", "976x704"): 129,
    ("gpt-image-2.5-flare", "low", "1024x1024"): 196,
    ("gpt-image-2.5-flare", "medium", "1024x1024"): 439,
    ("gpt-image-2.5-flare", "high", "1024x1024"): 1_756,
    ("gpt-image-2.5-flare", "xhigh", "1024x1024"): 3_122,
    ("gpt-image-2.5-flare", "max", "1024x1024"): 7_024,
}


@pytest.mark.parametrize(("model", "quality", "size"), TOKENS)
def test_output_tokens_are_as_published(model: str, quality: str, size: str) -> None:
    tokens = CATALOGUE.models[model].prices.output_tokens.tokens(Size.parse(size), Quality(quality))
    assert tokens == TOKENS[model, quality, size]


def test_low_and_medium_of_2_6_count_for_four_times_the_tokens_of_2_5_and_the_rest_the_same() -> None:
    older, newer = (CATALOGUE.models[f"gpt-image-{version}-flare"].prices.output_tokens for version in ("2.5", "2.6"))
    for quality, factor in (("low", 4), ("medium", 4), ("high", 1), ("xhigh", 1), ("max", 1)):
        ratio = newer.tokens(SQUARE, Quality(quality)) / older.tokens(SQUARE, Quality(quality))
        assert ratio == pytest.approx(factor, rel=0.01)


def test_mini_costs_what_is_published_by_the_picture() -> None:
    prices = CATALOGUE.models["gpt-image-1-mini"].prices
    for quality, cost in (("low", 5_000), ("medium", 11_000), ("high", 36_000)):
        assert prices.cost(image_output=prices.output_tokens.tokens(SQUARE, Quality(quality))) == cost


def test_the_price_list_that_people_will_quote() -> None:
    """1024x1024, in credits of about a cent. A change here is a change of prices: is it meant?"""
    listed = {
        "gpt-image-2": {"low": 1, "medium": 8, "high": 28},
        "gpt-image-2.5-flare": {"low": 1, "medium": 2, "high": 8, "xhigh": 13, "max": 28},
        "gpt-image-2.6-flare": {"low": 4, "medium": 8, "high": 8, "xhigh": 13, "max": 28},
        "gpt-image-1-mini": {"low": 1, "medium": 2, "high": 5},
        "gpt-image-1.5": {"low": 2, "medium": 6, "high": 18},
    }
    for id, prices in listed.items():
        model = CATALOGUE.models[id]
        assert {quality: model.prices.picture(Quality(quality), SQUARE) for quality in prices} == prices


def request_for(model: str = "gpt-image-2", **changes: object) -> PictureRequest:
    plain = normalise(Asked("a red fox in snow", quality="medium"), CATALOGUE.models[model], (), None, Mode.LIVE)
    return replace(plain, **changes)  # type: ignore[arg-type]  # fits by construction


def test_a_price_says_what_it_is_for() -> None:
    request = request_for(n=2, references=(asset().id, asset().id), partial_images=3, prompt="x" * 2_001)
    priced = quote(request, CATALOGUE.models["gpt-image-2"])
    assert priced == Quote(34, 17, (("picture", 16), ("references", 8), ("partial_images", 4), ("prompt", 6)))


def test_a_mask_is_paid_for_like_a_reference() -> None:
    references = tuple(asset().id for _ in range(4))
    unmasked = request_for(references=references)
    masked = replace(unmasked, mask=asset().id)
    model = CATALOGUE.models["gpt-image-2"]
    assert quote(masked, model) == quote(replace(unmasked, references=(*references, asset().id)), model)


def test_a_prompt_is_priced_by_its_bytes_and_a_short_one_is_free() -> None:
    model = CATALOGUE.models["gpt-image-2"]
    unit = quote(request_for(prompt="x"), model).unit
    assert quote(request_for(prompt="x" * 300), model).unit == unit
    assert quote(request_for(prompt="x" * 301), model).unit == unit + 1
    assert quote(request_for(prompt="雪" * 101), model).unit == unit + 1  # 303 bytes
    assert quote(request_for(prompt="\U0001f98a" * 32_000), model).unit == unit + 84


def test_a_gif_costs_what_its_sheet_costs() -> None:
    model = CATALOGUE.models["gpt-image-2.6-flare"]
    units = []
    for frames in (2, 8, 9, 12, 16):
        gif = request_for(
            model.id, size=Size(512, 512), output_format=PictureFormat.GIF, frame_count=frames, frame_duration_ms=200
        )
        units.append(quote(gif, model).unit)
    sheets = [Size(2048, 1024), Size(1536, 1536), Size(2048, 1536), Size(2048, 2048)]
    priced = [model.prices.picture(Quality.MEDIUM, sheet) for sheet in sheets]
    assert units == [priced[0], *priced]


def test_a_sheet_is_priced_as_the_dearer_of_its_layouts() -> None:
    model = CATALOGUE.models["gpt-image-2.6-flare"]
    wide = request_for(model.id, size=Size(512, 288), output_format=PictureFormat.GIF, frame_count=8, frame_duration_ms=200)
    lying, standing = (model.prices.picture(Quality.MEDIUM, sheet) for sheet in (Size(2048, 576), Size(1024, 1152)))
    assert quote(wide, model).unit == standing > lying


def test_a_small_picture_of_test_mode_costs_what_the_next_larger_size_does() -> None:
    tokens = CATALOGUE.models["gpt-image-1-mini"].prices.output_tokens
    assert tokens.tokens(Size(16, 16), Quality.LOW) == tokens.tokens(Size(512, 2048), Quality.LOW) == 625
    assert tokens.tokens(Size(1025, 1024), Quality.LOW) == tokens.tokens(Size(4096, 4096), Quality.LOW) == 750


def test_a_request_is_priced_by_its_own_model_only() -> None:
    with pytest.raises(ValueError, match="cannot be priced"):
        quote(request_for("gpt-image-2"), CATALOGUE.models["gpt-image-2.5-flare"])


def test_the_caller_s_maximum_is_the_most_that_is_held() -> None:
    priced = quote(request_for(n=3), CATALOGUE.models["gpt-image-2"])
    assert priced.credits == 24
    check_maximum(priced, None)
    check_maximum(priced, 24)
    with pytest.raises(PriceAboveMaximum) as refusal:
        check_maximum(priced, 23)
    assert refusal.value.facts == {"field": "max_credits", "credits": 24, "max_credits": 23}


models = st.sampled_from(MODELS)


@st.composite
def works(draw: st.DrawFn) -> tuple[Model, Work]:
    model = draw(models)
    quality = draw(st.sampled_from(model.capabilities.qualities))
    size = Size(draw(st.integers(16, 3_840)), draw(st.integers(16, 3_840)))
    return model, Work((size,), quality, draw(st.integers(0, 17)), draw(st.integers(0, 3)), draw(st.integers(1, 128_000)))


@PROPERTY
@given(works(), st.integers(1, 10))
def test_credits_are_the_unit_times_n_and_the_parts_add_up(job: tuple[Model, Work], n: int) -> None:
    model, work = job
    one, many = quote_work(work, 1, model.prices), quote_work(work, n, model.prices)
    assert one.unit == many.unit >= 1
    assert many.credits == n * one.credits == sum(credits for _, credits in many.breakdown)
    assert all(credits > 0 for _, credits in many.breakdown)


@PROPERTY
@given(works())
def test_more_of_anything_never_costs_less(job: tuple[Model, Work]) -> None:
    model, work = job
    unit = quote_work(work, 1, model.prices).unit
    for more in (
        replace(work, references=work.references + 1),
        replace(work, partial_images=work.partial_images + 1),
        replace(work, prompt_bytes=min(work.prompt_bytes * 2, 128_000)),
        *(replace(work, quality=better) for better in model.capabilities.qualities if _above(better, work.quality)),
    ):
        assert quote_work(more, 1, model.prices).unit >= unit


@PROPERTY
@given(models, st.integers(1, 60), st.integers(1, 60), st.integers(1, 30))
def test_more_pixels_of_the_same_shape_never_cost_less(model: Model, width: int, height: int, times: int) -> None:
    """Of another shape they may: the provider bills a square more than a wider picture with half as many pixels again."""
    small, large = Size(16 * width, 16 * height), Size(16 * width * times, 16 * height * times)
    for quality in model.capabilities.qualities:
        assert model.prices.picture(quality, large) >= model.prices.picture(quality, small)


@PROPERTY
@given(works())
def test_the_worst_cost_agrees_with_the_tokens_counted_anew(job: tuple[Model, Work]) -> None:
    model, work = job
    prices = model.prices
    dollars = (
        Fraction(prices.text_input, 10**6) * (work.prompt_bytes + prices.prompt_overhead_tokens)
        + Fraction(prices.image_input, 10**6) * 1_600 * work.references
        + Fraction(prices.image_output, 10**6)
        * (prices.output_tokens.tokens(work.canvases[0], work.quality) + 100 * work.partial_images)
    )
    assert prices.worst_cost(work) == ceil(dollars)


def test_the_cost_of_a_request_is_that_of_all_its_pictures() -> None:
    request = request_for(n=4)
    model = CATALOGUE.models["gpt-image-2"]
    assert worst_cost(request, model) == 4 * model.prices.worst_cost(work_of(request, model))


def _above(one: Quality, other: Quality) -> bool:
    return list(Quality).index(one) > list(Quality).index(other)
