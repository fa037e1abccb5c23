"""Anything asked for is either a request within all the rules, or a refusal that names its field."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from domain.accounts import Mode
from domain.capabilities import Quality, Size
from domain.catalogue import Model
from domain.errors import DomainError
from domain.limits import LIMITS, holds_card_number
from domain.media import Asset, AssetKind, PictureFormat
from domain.prices import quote, worst_cost
from domain.requests import Asked, Fault, PictureRequest, Sandbox, normalise
from tests.offer import CATALOGUE, asset

PROPERTY = settings(deadline=None, print_blob=True, max_examples=300)
MODELS = tuple(CATALOGUE.models.values())


def rarely(odd: st.SearchStrategy[Any], usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly what can be asked for: of all wrong things at once, only the first would ever be refused."""
    return st.integers(0, 99).flatmap(lambda number: odd if 40 <= number < 43 else usual)


sides = st.one_of(st.integers(50, 200).map(lambda side: 16 * side), st.integers(1, 5_000))
sizes = st.one_of(st.sampled_from(["3840x2160", "960x960", "2880x2880"]), st.builds("{}x{}".format, sides, sides))
words = st.text(min_size=1, max_size=60)
sandboxes = st.one_of(
    st.none(), st.builds(Sandbox, st.sampled_from([None, *Fault]), rarely(st.integers(-1, 10**6), st.integers(0, 9)))
)
pictures = st.builds(
    asset,
    st.integers(1, 5_000),
    st.integers(1, 5_000),
    rarely(st.sampled_from(AssetKind), st.just(AssetKind.REFERENCE)),
    rarely(st.just(PictureFormat.GIF), st.sampled_from([PictureFormat.PNG, PictureFormat.JPEG, PictureFormat.WEBP])),
)


@st.composite
def masks(draw: st.DrawFn, references: Sequence[Asset]) -> Asset | None:
    if not references or draw(st.booleans()):
        return None
    fitting = asset(references[0].width, references[0].height, AssetKind.MASK, has_alpha=True)
    odd = st.sampled_from([asset(has_alpha=True), replace(fitting, has_alpha=False), replace(fitting, width=fitting.width + 1)])
    chosen: Asset = draw(rarely(odd, st.just(fitting)))
    return chosen


@st.composite
def everything(draw: st.DrawFn) -> tuple[Asked, Model, list[Asset], Asset | None, Mode]:
    model: Model = draw(st.sampled_from(MODELS))
    can = model.capabilities
    references = draw(st.lists(pictures, max_size=draw(rarely(st.just(17), st.sampled_from([0, 0, 1, 3])))))
    mask = draw(masks(references))
    format = draw(rarely(st.sampled_from(["gif", "svg", "tiff", ""]), st.sampled_from([None, *can.output_formats])))
    gif, lossy = format == "gif" and can.animation, format in ("jpeg", "webp")
    common = [None, "auto", *(str(size) for size in (can.animation.sizes if gif and can.animation else can.sizes))]
    asked = Asked(
        prompt=draw(rarely(st.sampled_from(["", " ", "x" * 32_001, "4242424242424242"]), words)),
        n=draw(rarely(st.integers(-2, 12), st.sampled_from([None, 1, 2, 10]))),
        size=draw(st.one_of(st.sampled_from(common), sizes)),
        quality=draw(rarely(st.sampled_from(["hd", *Quality]), st.sampled_from([None, "auto", *can.qualities]))),
        complexity=draw(rarely(st.sampled_from(["low", "max"]), st.sampled_from([None, *can.complexities]))),
        background=draw(rarely(st.sampled_from(["red", "transparent"]), st.sampled_from([None, "auto", "opaque"]))),
        output_format=format,
        output_compression=draw(rarely(st.integers(-1, 101), st.integers(0, 100) if lossy else st.none())),
        moderation=draw(rarely(st.just("none"), st.sampled_from([None, "auto", "low"]))),
        partial_images=draw(rarely(st.integers(-1, 4), st.none() if gif else st.integers(0, 3))),
        images=tuple(reference.id for reference in references),
        mask=mask.id if mask else None,
        frame_count=draw(rarely(st.integers(0, 18), st.integers(2, 16) if gif else st.none())),
        frame_duration_ms=draw(rarely(st.integers(0, 20_000), st.integers(20, 10_000) if gif else st.none())),
        metadata=draw(st.dictionaries(words, st.text(max_size=20), max_size=3)),
        sandbox=draw(rarely(sandboxes, st.none())),
    )
    return asked, model, references, mask, draw(st.sampled_from(Mode))


def asked_of(asked: Asked, model: Model, references: list[Asset], mask: Asset | None, mode: Mode) -> PictureRequest | DomainError:
    try:
        return normalise(asked, model, references, mask, mode)
    except DomainError as refusal:
        return refusal


@PROPERTY
@given(everything())
def test_whatever_is_asked_gives_a_sound_request_or_a_refusal_that_names_its_field(
    case: tuple[Asked, Model, list[Asset], Asset | None, Mode],
) -> None:
    asked, model, references, mask, mode = case
    request = asked_of(asked, model, references, mask, mode)
    if isinstance(request, DomainError):
        event(f"refused: {request.facts['field']}")
        assert request.facts["field"]
        assert request.detail
        assert asked.prompt not in request.detail or len(asked.prompt) < 20
        return
    event("accepted")
    assert_within_the_rules(request, model, mode)
    assert normalise(asked, model, references, mask, mode) == request
    assert normalise(Asked.again(request), model, references, mask, mode) == request
    priced = quote(request, model)
    assert priced.credits * model.prices.credit * 100 >= worst_cost(request, model) * model.prices.margin_percent


def assert_within_the_rules(request: PictureRequest, model: Model, mode: Mode) -> None:
    """The rules of API.md and of the provider, written down once more."""
    can = model.capabilities
    assert request.model == model.id
    assert 1 <= len(request.prompt) <= 32_000
    assert request.prompt.strip()
    assert not holds_card_number(request.prompt)
    assert 1 <= request.n <= 10
    assert request.quality in can.qualities
    assert request.output_format in can.output_formats
    assert (request.complexity is not None) == bool(can.complexities)
    assert (request.output_compression is not None) == (request.output_format in ("jpeg", "webp"))
    assert request.background != "transparent" or request.output_format in ("png", "webp")
    assert request.moderation in ("auto", "low")
    assert 0 <= request.partial_images <= 3
    assert len(request.references) <= 16
    assert request.mask is None or request.references
    assert request.sandbox is None or mode is Mode.TEST
    gif = request.output_format is PictureFormat.GIF
    assert (request.frame_count is not None) == (request.frame_duration_ms is not None) == gif
    assert not gif or (model.id.startswith("gpt-image-2.6") and not request.partial_images)
    assert_size_within_the_rules(request, model, mode)


def assert_size_within_the_rules(request: PictureRequest, model: Model, mode: Mode) -> None:
    size, frames = request.size, request.frame_count
    columns, rows = (
        (1, 1) if frames is None else (4, 2) if frames <= 8 else (3, 3) if frames == 9 else (4, 3) if frames <= 12 else (4, 4)
    )
    sheet = Size(size.width * columns, size.height * rows)
    assert request.n * sheet.pixels <= LIMITS["request_pixels"]
    assert max(sheet.width, sheet.height) <= 3_840
    assert sheet.pixels <= 8_294_400
    if mode is Mode.TEST:
        assert min(size.width, size.height) >= 16
    elif model.capabilities.free_sizes:
        assert size.width % 16 == size.height % 16 == 0
        assert max(size.width, size.height) <= 3 * min(size.width, size.height)
        assert sheet.pixels >= 655_360
    else:
        assert str(size) in ("1024x1024", "1536x1024", "1024x1536")


@PROPERTY
@given(pictures, st.sampled_from(MODELS), st.sampled_from([None, "gif"]))
def test_an_edit_of_any_picture_has_a_size(reference: Asset, model: Model, format: str | None) -> None:
    reference = replace(reference, kind=AssetKind.REFERENCE, format=PictureFormat.PNG)
    gif = format if model.capabilities.animation else None
    asked = Asked("a fox", images=(reference.id,), output_format=gif)
    live, test = (normalise(asked, model, [reference], None, mode) for mode in Mode)
    assert_size_within_the_rules(live, model, Mode.LIVE)
    assert live.size == test.size
