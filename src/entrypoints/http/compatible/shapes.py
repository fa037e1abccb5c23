"""The shapes of OpenAI's image API: its parameters, and its answers as the models of its SDK read them."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from domain.limits import LIMITS
from domain.media import MADE_FORMATS, PictureFormat
from domain.requests import MODERATIONS, Background, Quality
from entrypoints.http.shapes import one_of

_SMALL = 2**31 - 1
_Ignored = Annotated[str, Meta(max_length=512, description="accepted, and neither kept nor passed on")]


class ImageBody(Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /v1/images/generations`: as OpenAI's `images.generate`. What is left out, null or "auto" is ours to choose."""

    prompt: Annotated[str, Meta(min_length=1, max_length=LIMITS["prompt_characters"], examples=["a red fox in snow"])]
    model: Annotated[str, Meta(description="an id of GET /v1/models", examples=["gpt-image-2"])] | None = None
    n: Annotated[int, Meta(ge=1, le=LIMITS["pictures"], description="how many pictures")] | None = None
    size: Annotated[str, Meta(description="WIDTHxHEIGHT in pixels, or auto", examples=["1024x1024"])] | None = None
    quality: Annotated[str, Meta(extra_json_schema=one_of("auto", *Quality))] | None = None
    complexity: str | None = None
    background: Annotated[str, Meta(extra_json_schema=one_of(*Background))] | None = None
    output_format: Annotated[str, Meta(extra_json_schema=one_of(*MADE_FORMATS))] | None = None
    output_compression: Annotated[int, Meta(ge=0, le=100)] | None = None
    moderation: Annotated[str, Meta(extra_json_schema=one_of(*MODERATIONS))] | None = None
    frame_count: Annotated[int, Meta(ge=1, le=_SMALL)] | None = None
    frame_duration_ms: Annotated[int, Meta(ge=1, le=_SMALL)] | None = None
    partial_images: Annotated[int, Meta(ge=0, le=_SMALL)] | None = None
    stream: bool | None = None
    response_format: Annotated[str, Meta(description="pictures are always answered as base64")] | None = None
    user: _Ignored | None = None
    safety_identifier: _Ignored | None = None


class EditFields(ImageBody, frozen=True, forbid_unknown_fields=True):
    """`POST /v1/images/edits` without its pictures: as OpenAI's `images.edit`."""

    input_fidelity: (
        Annotated[str, Meta(description="accepted and ignored: no model here has it", extra_json_schema=one_of("high", "low"))]
        | None
    ) = None


class ImageReference(Struct, frozen=True, forbid_unknown_fields=True):
    """One of the two: a data URL in base64, or the id of an asset. Addresses are not fetched."""

    image_url: Annotated[str, Meta(description="data:image/png;base64,…")] | None = None
    file_id: Annotated[str, Meta(max_length=64, description="the id of an asset")] | None = None


class EditBody(EditFields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An edit as JSON: its references in order, and a mask for the first."""

    images: Annotated[list[ImageReference], Meta(min_length=1, max_length=LIMITS["references"])]
    mask: ImageReference | None = None


class ImageData(Struct, frozen=True):
    """One picture."""

    b64_json: bytes


class TokenDetails(Struct, frozen=True):
    """Tokens by what they were."""

    image_tokens: int
    text_tokens: int


class ImageUsage(Struct, frozen=True):
    """Tokens as the model's provider counts them."""

    input_tokens: int
    input_tokens_details: TokenDetails
    output_tokens: int
    output_tokens_details: TokenDetails
    total_tokens: int


class ImagesAnswer(Struct, frozen=True):
    """The pictures, and what they came to be. `usage` is null where the provider did not tell it."""

    created: Annotated[int, Meta(description="seconds since 1970")]
    background: Literal["transparent", "opaque"]
    data: list[ImageData]
    output_format: PictureFormat
    quality: Quality | None
    size: str
    usage: ImageUsage | None


class OpenAIErrorFields(Struct, frozen=True):
    """`code` is stable; `param` names the parameter that is meant."""

    message: str
    type: str
    code: str | None
    param: str | None


class OpenAIError(Struct, frozen=True):
    """A refusal as OpenAI's clients read it. The header `x-should-retry: false` says that asking again cannot help."""

    error: OpenAIErrorFields
