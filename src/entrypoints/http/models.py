"""The catalogue over HTTP: which models there are, what they can do, what they cost, and the service's limits.

The list is the one OpenAI's clients read; `capabilities`, `prices`, `shutdown_date` and `replacement` are ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Literal, cast

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import MediaType, Request, Response, get
from litestar.params import FromPath
from msgspec import Meta, Struct

from application.ports import Today
from domain.capabilities import Animation, Background, Capabilities, Quality, Size, SizeRule
from domain.catalogue import Catalogue, Model
from domain.limits import LIMITS
from domain.media import PictureFormat
from domain.rates import Prices
from entrypoints.http.auth import PUBLIC
from entrypoints.http.bounds import NO_BODY


class FreeSizes(Struct, frozen=True):
    """Sizes beyond the list, in pixels; the longer side is at most `widest` times the shorter."""

    multiple: int
    widest: int
    longest_side: int
    least_pixels: int
    most_pixels: int


class ShownAnimation(Struct, frozen=True):
    """What a gif may be: its frames, the milliseconds each is shown, and the sizes "auto" chooses from."""

    least_frames: int
    most_frames: int
    default_frames: int
    least_milliseconds: int
    most_milliseconds: int
    default_milliseconds: int
    sizes: list[str]


class ShownCapabilities(Struct, frozen=True):
    """All that a model can be asked for. `references` and `partial_images` are the most it takes."""

    qualities: list[Quality]
    default_quality: Quality
    sizes: list[str]
    free_sizes: FreeSizes | None
    output_formats: list[PictureFormat]
    backgrounds: list[Background]
    complexities: list[str]
    references: int
    partial_images: int
    animation: ShownAnimation | None


class PromptBand(Struct, frozen=True):
    """What a prompt of up to so many bytes of UTF-8 adds to each picture."""

    bytes: int
    credits: int


class ShownPrices(Struct, frozen=True):
    """Credits for each picture. Other sizes, and animations: ask for a quote."""

    picture: Annotated[dict[str, dict[Quality, int]], Meta(description="by size and quality")]
    references: Annotated[list[int], Meta(description="what so many references (and a mask) add: none, one, two, …")]
    partial_images: Annotated[list[int], Meta(description="what so many partial images add: none, one, two, …")]
    prompt: list[PromptBand]


class ShownModel(Struct, frozen=True, kw_only=True):
    """A model. After `shutdown_date` (UTC) it is refused; `replacement` is what to use then."""

    id: str
    object: Literal["model"] = "model"
    created: Annotated[int, Meta(description="seconds since 1970")]
    owned_by: str
    capabilities: ShownCapabilities
    prices: ShownPrices
    shutdown_date: date | None
    replacement: str | None


class Models(Struct, frozen=True, kw_only=True):
    """Every model that can be asked for today, and the service's limits."""

    object: Literal["list"] = "list"
    data: list[ShownModel]
    default: Annotated[str, Meta(description="the model of a request that names none")]
    limits: dict[str, int]


@dataclass(slots=True)
class Listing:
    """The list as bytes, made anew when the day changes: it takes a millisecond, and anyone may ask."""

    day: date | None = None
    content: bytes = b""

    def on(self, day: date, catalogue: Catalogue) -> bytes:
        if self.day != day:
            offered = [_model(model) for model in catalogue.offered(day)]
            made = Models(data=offered, default=catalogue.default_model_id, limits=dict(LIMITS))
            self.day, self.content = day, msgspec.json.encode(made)
        return self.content


# Any query: other vendors' clients send parameters of their own here, and there is nothing to filter.
@get("/v1/models", operation_id="listModels", tags=["catalogue"], opt={"access": PUBLIC, "bounds": NO_BODY, "any_query": True})
@inject
async def list_models(
    request: Request[Any, Any, Any], catalogue: FromDishka[Catalogue], today: FromDishka[Today]
) -> Response[Models]:
    """Models with capabilities and prices, and the limits that hold for all of them."""
    listing: Listing = request.app.state.listing
    return cast(Response[Models], Response(listing.on(today(), catalogue), media_type=MediaType.JSON))


@get(
    "/v1/models/{model:str}",
    operation_id="getModel",
    tags=["catalogue"],
    opt={"access": PUBLIC, "bounds": NO_BODY, "refusals": (404,)},
)
@inject
async def show_model(model: FromPath[str], catalogue: FromDishka[Catalogue], today: FromDishka[Today]) -> ShownModel:
    """One of them. Refusals are in OpenAI's shape."""
    return _model(catalogue.model(model, today()))


def _model(model: Model) -> ShownModel:
    return ShownModel(
        id=model.id,
        created=int(datetime.combine(model.released, time(), UTC).timestamp()),
        owned_by=model.provider,
        capabilities=_capabilities(model.capabilities),
        prices=_prices(model.prices, model.capabilities),
        shutdown_date=model.shutdown_date,
        replacement=model.replacement,
    )


def _capabilities(can: Capabilities) -> ShownCapabilities:
    return ShownCapabilities(
        qualities=list(can.qualities),
        default_quality=can.default_quality,
        sizes=_words(can.sizes),
        free_sizes=_free_sizes(can.free_sizes) if can.free_sizes else None,
        output_formats=list(can.output_formats),
        backgrounds=[background for background in Background if can.transparent or background is not Background.TRANSPARENT],
        complexities=list(can.complexities),
        references=can.references,
        partial_images=can.partial_images,
        animation=_animation(can.animation) if can.animation else None,
    )


def _free_sizes(rule: SizeRule) -> FreeSizes:
    return FreeSizes(rule.multiple, rule.widest, rule.longest_side, rule.least_pixels, rule.most_pixels)


def _animation(can: Animation) -> ShownAnimation:
    return ShownAnimation(
        least_frames=can.least_frames,
        most_frames=can.most_frames,
        default_frames=can.default_frames,
        least_milliseconds=can.least_milliseconds,
        most_milliseconds=can.most_milliseconds,
        default_milliseconds=can.default_milliseconds,
        sizes=_words(can.sizes),
    )


def _prices(prices: Prices, can: Capabilities) -> ShownPrices:
    return ShownPrices(
        picture={
            str(size): {quality: prices.picture(quality, *can.canvases(size, None)) for quality in can.qualities}
            for size in can.sizes
        },
        references=[prices.references(count) for count in range(can.references + 2)],
        partial_images=[prices.partial_images(count) for count in range(can.partial_images + 1)],
        prompt=[PromptBand(band, prices.prompt(band)) for band in prices.prompt_bands],
    )


def _words(sizes: Sequence[Size]) -> list[str]:
    return [str(size) for size in sizes]
