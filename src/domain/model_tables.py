"""Capabilities and prices as models.toml writes them, checked as they are read. Everything here raises CatalogueInvalid."""

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType

from domain.capabilities import Animation, Capabilities, Layout, Quality, Size, SizeRule
from domain.errors import UnsupportedByModel
from domain.limits import LIMITS
from domain.media import MADE_FORMATS, PictureFormat
from domain.rates import Grid, Listed, Prices
from domain.strict_toml import Table


def capabilities_in(table: Table) -> Capabilities:
    qualities = tuple(Quality(word) for word in table.some_of("qualities", tuple(Quality)))
    formats = tuple(PictureFormat(word) for word in table.some_of("output_formats", MADE_FORMATS))
    if not qualities or list(qualities) != sorted(qualities, key=list(Quality).index):
        raise table.wrong("qualities", "must name some, the cheapest first")
    if PictureFormat.PNG not in formats:
        raise table.wrong("output_formats", "must name png, the default")
    can = Capabilities(
        qualities=qualities,
        default_quality=Quality(table.one_of("default_quality", qualities)),
        sizes=_sizes(table, "sizes"),
        free_sizes=_size_rule(table.table("free_sizes")) if "free_sizes" in table else None,
        output_formats=formats,
        transparent=table.flag("transparent"),
        complexities=table.texts("complexities") if "complexities" in table else (),
        references=table.integer("references", most=LIMITS["references"]),
        partial_images=table.integer("partial_images", most=3),
        animation=_animation(table.table("animation")) if "animation" in table else None,
    )
    if (can.animation is not None) != (PictureFormat.GIF in formats) or (can.animation and not can.free_sizes):
        raise table.wrong("animation", "goes with the format gif and with free_sizes")
    _check_sizes(table, can)
    return can


def _check_sizes(table: Table, can: Capabilities) -> None:
    """What "auto" chooses must be allowed, with any number of frames."""
    frames = can.animation.layouts if can.animation else ()
    sizes = [("sizes", size, None) for size in can.sizes]
    framed = [("animation", size, layout.frames) for layout in frames for size in (can.animation.sizes if can.animation else ())]
    for key, size, count in [*sizes, *framed]:
        try:
            can.check_size(size, frames=count, smaller=False)
        except UnsupportedByModel as refusal:
            raise table.wrong(key, f"{size}: {refusal.detail}") from None


def _sizes(table: Table, key: str) -> tuple[Size, ...]:
    sizes = tuple(_size(table, key, text) for text in table.texts(key))
    if not sizes:
        raise table.wrong(key, "must name at least one size")
    return sizes


def _size(table: Table, key: str, text: str) -> Size:
    try:
        return Size.parse(text)
    except UnsupportedByModel as refusal:
        raise table.wrong(key, refusal.detail) from None


def _size_rule(table: Table) -> SizeRule:
    return SizeRule(
        multiple=table.integer("multiple", least=1),
        widest=table.integer("widest", least=1),
        longest_side=table.integer("longest_side", least=1),
        least_pixels=table.integer("least_pixels"),
        most_pixels=table.integer("most_pixels", least=1, most=LIMITS["request_pixels"]),
    )


def _animation(table: Table) -> Animation:
    layouts = tuple(Layout(*row) for row in table.integer_rows("layouts", width=3, least=1))
    least = table.integer("least_frames", least=1)
    most = table.integer("most_frames", least=least)
    shortest = table.integer("least_milliseconds", least=1)
    longest = table.integer("most_milliseconds", least=shortest)
    if any(layout.frames > layout.columns * layout.rows for layout in layouts):
        raise table.wrong("layouts", "a sheet must have a cell for each frame")
    if any(fewer.frames >= more.frames for fewer, more in pairwise(layouts)) or not layouts or layouts[-1].frames != most:
        raise table.wrong("layouts", f"must ascend in frames up to most_frames = {most}")
    return Animation(
        least_frames=least,
        most_frames=most,
        default_frames=table.integer("default_frames", least=least, most=most),
        least_milliseconds=shortest,
        most_milliseconds=longest,
        default_milliseconds=table.integer("default_milliseconds", least=shortest, most=longest),
        sizes=_sizes(table, "sizes"),
        layouts=layouts,
    )


def prices_in(table: Table, pricing: Table) -> Prices:
    bands = pricing.integers("prompt_bands", least=1)
    longest = 4 * LIMITS["prompt_characters"]
    if any(shorter >= longer for shorter, longer in pairwise(bands)) or not bands or bands[-1] < longest:
        raise pricing.wrong("prompt_bands", f"must ascend, up to {longest} bytes at least")
    return Prices(
        text_input=table.integer("text_input", least=1),
        image_input=table.integer("image_input", least=1),
        image_output=table.integer("image_output", least=1),
        output_tokens=_listed(table) if "output_tokens" in table else Grid(_by_quality(table.table("output_grid"))),
        prompt_overhead_tokens=table.integer("prompt_overhead_tokens"),
        reference_tokens=table.integer("reference_tokens", least=1),
        partial_tokens=table.integer("partial_tokens"),
        prompt_bands=bands,
        credit=pricing.integer("credit", least=1),
        margin_percent=pricing.integer("margin_percent", least=100),
    )


def _listed(table: Table) -> Listed:
    return Listed({_size(table, "output_tokens", row.name): _by_quality(row) for row in table.tables("output_tokens")})


def _by_quality(table: Table) -> Mapping[Quality, int]:
    """Numbers by quality, none smaller than that of a lesser quality."""
    numbers = {quality: table.integer(quality, least=1) for quality in Quality if quality in table}
    for (_, less), (quality, more) in pairwise(numbers.items()):
        if more < less:
            raise table.wrong(quality, "must not be less than for a lesser quality")
    return MappingProxyType(numbers)


def check_priced(table: Table, can: Capabilities, prices: Prices) -> None:
    tokens = prices.output_tokens
    rows = list(tokens.by_size.values()) if isinstance(tokens, Listed) else [tokens.edges]
    if any(set(row) != set(can.qualities) for row in rows):
        raise table.wrong("output_tokens", f"must have exactly the qualities {', '.join(can.qualities)}")
    if isinstance(tokens, Listed) and (can.free_sizes or set(tokens.by_size) != set(can.sizes)):
        raise table.wrong("output_tokens", "must have exactly the sizes of its models")
