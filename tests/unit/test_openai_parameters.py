"""What we send to OpenAI: for every request that can be asked for, only what the SDK's types and the published interface know."""

import io
import json
from pathlib import Path
from typing import IO, Any, Literal, Required, Union, get_args, get_origin, get_type_hints

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.image_edit_params import ImageEditParams
from openai.types.image_generate_params import ImageGenerateParams
from pydantic import ConfigDict, InstanceOf, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from adapters.image_models.openai import bounds
from adapters.image_models.openai.parameters import is_streamed, parameters_of
from application.ports import ModelCall
from domain.capabilities import Capabilities, Quality, Size
from domain.errors import UnsupportedByModel
from domain.media import PictureFormat
from domain.requests import PictureRequest
from tests.offer import CATALOGUE, ask, asset
from tests.offer import mask as mask_asset
from tests.provider_pictures import picture

SPEC = Path(__file__).parents[3] / "shared" / "specs" / "openai-images.json"
NEWER_FIELDS = {"complexity", "frame_count", "frame_duration_ms", "safety_identifier"}
"""Known to the SDK, and younger than the published interface."""
NEWER_VALUES = {"quality": {"xhigh", "max"}, "output_format": {"gif"}}
NEVER_SENT = {"input_fidelity", "response_format", "style", "svg", "user", "markup"}
FILE = picture("png", 32, 32, 1, alpha=True)


async def nobody(index: int, content: bytes) -> None:
    """Sees partial images and says nothing."""


@st.composite
def calls(draw: st.DrawFn) -> ModelCall:
    """Any request that any model of the catalogue takes."""
    model = draw(st.sampled_from(sorted(CATALOGUE.models)))
    can = CATALOGUE.models[model].capabilities
    known = [asset() for _ in range(draw(st.integers(0, can.references)))]
    masked: bool = draw(st.booleans())
    mask = mask_asset() if known and masked else None
    format = draw(st.sampled_from([format for format in can.output_formats if not (mask and format is PictureFormat.GIF)]))
    asked: dict[str, Any] = {"output_format": format.value, "n": draw(st.integers(1, 2)), "size": _size(draw, can, format)}
    asked["quality"] = draw(st.sampled_from([None, "auto", *can.qualities]))
    asked["moderation"] = draw(st.sampled_from([None, "auto", "low"]))
    clear = can.transparent and format in (PictureFormat.PNG, PictureFormat.WEBP)
    asked["background"] = draw(st.sampled_from([None, "auto", "opaque", *(["transparent"] if clear else [])]))
    if can.complexities:
        asked["complexity"] = draw(st.sampled_from([None, *can.complexities]))
    if format in (PictureFormat.JPEG, PictureFormat.WEBP):
        asked["output_compression"] = draw(st.none() | st.integers(0, 100))
    if format is PictureFormat.GIF and can.animation:
        asked["frame_count"] = draw(st.integers(can.animation.least_frames, can.animation.most_frames))
        asked["frame_duration_ms"] = draw(st.integers(can.animation.least_milliseconds, can.animation.most_milliseconds))
    else:
        asked["partial_images"] = draw(st.integers(0, can.partial_images))
    asked["prompt"] = draw(st.text("a fox in snow é🦊\n", min_size=1, max_size=50).filter(str.strip))
    request = ask(model, known, mask, **asked)
    listener = draw(st.sampled_from([None, nobody]))
    return ModelCall(request, (FILE,) * len(known), FILE if mask else None, "subject-7f3a", partial=listener)


def _size(draw: st.DrawFn, can: Capabilities, format: PictureFormat) -> str | None:
    listed = can.animation.sizes if format is PictureFormat.GIF and can.animation else can.sizes
    size = draw(st.sampled_from([None, *map(str, listed)]))
    free = can.free_sizes
    if size is None or free is None or format is PictureFormat.GIF or draw(st.booleans()):
        return size
    sides = st.integers(1, free.longest_side // free.multiple).map(lambda part: part * free.multiple)
    wish = Size(draw(sides), draw(sides))
    try:
        can.check_size(wish, frames=None, smaller=False)
    except UnsupportedByModel:
        return size
    return str(wish)


def _typed(name: str, typed: Any) -> TypeAdapter[Any]:
    """One of the SDK's parameter types, made to refuse every name it does not know, and with a type of file one can check."""
    fields = {field: _with_files(hint) for field, hint in get_type_hints(typed, include_extras=True).items()}
    strict = TypedDict(name, fields, total=False)  # type: ignore[misc]  # its fields are known at run time only
    return TypeAdapter(with_config(ConfigDict(extra="forbid"))(strict))


def _with_files(hint: Any) -> Any:
    if hint == IO[bytes]:
        return InstanceOf[io.BytesIO]
    origin, parts = get_origin(hint), get_args(hint)
    if origin is None or origin is Literal:
        return hint
    inner = tuple(_with_files(part) for part in parts)
    return Union[inner] if origin is Union else (Required[inner[0]] if origin is Required else origin[inner])  # noqa: UP007


GENERATE, STREAMED = (_typed(f"G{n}", typed) for n, typed in enumerate(get_args(ImageGenerateParams)))
EDIT, EDIT_STREAMED = (_typed(f"E{n}", typed) for n, typed in enumerate(get_args(ImageEditParams)))


@given(calls())
def test_what_is_sent_is_of_the_sdk_s_own_types(call: ModelCall) -> None:
    said = parameters_of(call)
    more = said.pop("extra_body", {})
    edits, plain = (EDIT_STREAMED, EDIT), (STREAMED, GENERATE)
    (edits if call.references else plain)[not is_streamed(call)].validate_python(said)
    assert not said.keys() & NEVER_SENT
    assert more in ({}, {"moderation": "low"})


def test_a_name_the_sdk_does_not_know_would_be_seen() -> None:
    for wrong in ({"seed": 7}, {"quality": "best"}, {"n": "many"}, {"output_format": "tiff"}):
        with pytest.raises(ValidationError):
            GENERATE.validate_python({"prompt": "a fox"} | wrong)
    with pytest.raises(ValidationError):
        EDIT.validate_python({"prompt": "a fox"})


@given(calls())
def test_what_is_sent_is_what_was_asked(call: ModelCall) -> None:
    said, request = parameters_of(call), call.request
    assert (said["model"], said["prompt"], said["n"], said["size"]) == (
        request.model,
        request.prompt,
        request.n,
        str(request.size),
    )
    assert said["quality"] == request.quality.value
    assert said["safety_identifier"] == call.subject
    assert said.get("moderation", said.get("extra_body", {}).get("moderation", "auto")) == request.moderation
    assert ("stream" in said) is ("partial_images" in said) is is_streamed(call)
    assert len(said.get("image", [])) == len(call.references)
    assert ("mask" in said) is (call.mask is not None)
    optional = ("complexity", "output_compression", "frame_count", "frame_duration_ms")
    assert {name for name in optional if name in said} == {name for name in optional if getattr(request, name) is not None}
    assert all(value is not None for value in said.values())


@given(calls())
def test_what_is_sent_fits_the_published_interface(call: ModelCall) -> None:
    """Where it is at hand; it is older than the models, so what is newer is named above."""
    if not SPEC.exists():
        return
    said = parameters_of(call)
    edit = bool(call.references)
    older = {name: value for name, value in said.items() if name not in NEWER_FIELDS}
    for name, values in NEWER_VALUES.items():
        if older.get(name) in values:
            del older[name]
    if edit:
        older["image"] = ["" for _ in older["image"]]
        older.pop("mask", None)
        older.pop("extra_body", None)  # moderation: of the JSON form only, in that version
    name = "CreateImageEditRequest" if edit else "CreateImageRequest"
    errors = [error.message for error in _published(name).iter_errors(older)]
    assert errors == []
    assert older.keys() <= _published_fields(name)


@given(calls())
def test_more_is_never_cheaper_to_wait_for(call: ModelCall) -> None:
    request = call.request
    assert 180 <= bounds.seconds(request) <= bounds.LONGEST_SECONDS
    raw = request.n * request.size.pixels * (1 if request.output_format is PictureFormat.GIF else 3)
    assert bounds.most_bytes(request, streamed=False) >= max(raw * 4 // 3, 16 << 20)
    assert bounds.most_bytes(request, streamed=True) >= bounds.most_bytes(request, streamed=False)


@pytest.mark.parametrize(
    ("asked", "references", "seconds"),
    [
        ({"quality": "low"}, 0, 180),
        ({"quality": "medium"}, 2, 240),
        ({"quality": "high"}, 0, 360),
        ({"quality": "max"}, 0, 600),
        ({"quality": "low", "size": "3840x2160"}, 0, 600),
        ({"quality": "low", "size": "2560x1440"}, 0, 180),
        ({"quality": "low"}, 16, 600),
    ],
)
def test_time_is_given_by_quality_size_and_references(asked: dict[str, Any], references: int, seconds: int) -> None:
    request = ask("gpt-image-2.6-sunburst", [asset() for _ in range(references)], **asked)
    assert bounds.seconds(request) == seconds
    assert seconds <= 615, "what one attempt has for its call"


def test_every_quality_has_its_time() -> None:
    times = [bounds.seconds(_of(quality)) for quality in Quality]
    assert times == sorted(times)


def test_a_reference_is_sent_as_a_stream_of_its_own_bytes() -> None:
    call = ModelCall(ask(references=[asset()]), (FILE,), None, "s")
    ((name, content, kind),) = parameters_of(call)["image"]
    assert (name, kind) == ("reference-1.png", "image/png")
    assert isinstance(content, io.BytesIO)
    assert content.getvalue() is FILE or content.getvalue() == FILE


def _of(quality: Quality) -> PictureRequest:
    return ask("gpt-image-2.6-sunburst", quality=quality.value)


def _published_fields(name: str) -> set[str]:
    return set(json.loads(SPEC.read_text())["components"]["schemas"][name]["properties"])


_validators: dict[str, Any] = {}


def _published(name: str) -> Any:
    if name not in _validators:
        spec = json.loads(SPEC.read_text())
        _validators[name] = jsonschema_rs.Draft202012Validator(
            spec["components"]["schemas"][name] | {"components": spec["components"]}
        )
    return _validators[name]
