"""Catalogue files that are not quite right: each is refused at start-up, naming file, table and key."""

import tomllib
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from domain.catalogue import Catalogue, CatalogueInvalid, Promotion
from tests.offer import CATALOGUE, MODELS, PLANS

# What is changed in the packaged file, into what, and what is said of it.

BROKEN_MODELS: Mapping[str, tuple[str, str, str]] = {
    "no TOML": ("[pricing]", "[pricing", "models.toml: "),
    "unknown key": (
        "transparent = true\ncomplexities",
        "transparant = true\ntransparent = true\ncomplexities",
        "transparant: is not known",
    ),
    "unknown table": ("[pricing]", "[pricings]\n[pricing]", "models.toml: pricings: is not known here"),
    "missing key": ("image_output = 30_000_000\n", "", "[prices.gpt-image-2] image_output: is missing"),
    "missing table": ("[pricing]", "[cents]", "pricing: is missing"),
    "text for number": ("text_input = 5_000_000", 'text_input = "5"', "[prices.gpt-image-2] text_input: must be a whole number"),
    "fraction": ("text_input = 5_000_000", "text_input = 5.0", "text_input: must be a whole number"),
    "flag for number": ("partial_tokens = 100", "partial_tokens = true", "partial_tokens: must be a whole number"),
    "number for flag": ("transparent = true", "transparent = 1", "transparent: must be true or false"),
    "text for list": ('output_formats = ["png", "jpeg", "webp"]', 'output_formats = "png"', "output_formats: must be a list"),
    "number for table": (
        "[capabilities.gpt-image-2.free_sizes]",
        "free_sizes = 1\n[capabilities.gpt-image-2.fs]",
        "free_sizes: must be",
    ),
    "negative": ("text_input = 5_000_000", "text_input = -5", "text_input: must be from 1 to"),
    "beyond a bigint": ("text_input = 5_000_000", "text_input = 9_223_372_036_854_775_808", "text_input: must be from 1 to"),
    "quoted date": ("released = 2026-04-21", 'released = "2026-04-21"', "[models.gpt-image-2] released: must be a date"),
    "time for date": ("released = 2026-04-21", "released = 2026-04-21T00:00:00Z", "released: must be a date"),
    "empty text": ('prices = "gpt-image-2"', 'prices = ""', "prices: must be a text in quotes"),
    "unknown capabilities": (
        'capabilities = "gpt-image-2"',
        'capabilities = "x"',
        '[models.gpt-image-2] capabilities: "x" is not one of',
    ),
    "unknown provider": ('provider = "openai"', 'provider = "acme"', 'provider: "acme" is not one of openai'),
    "unknown default": ('default_model = "gpt-image-2"', 'default_model = "dall-e-2"', 'default_model: "dall-e-2" is not one of'),
    "unknown quality": (
        'qualities = ["low", "medium", "high"]',
        'qualities = ["low", "hd"]',
        'qualities: "hd" is not one of low',
    ),
    "dear before cheap": ('qualities = ["low", "medium", "high"]', 'qualities = ["high", "medium", "low"]', "cheapest first"),
    "quality twice": ('qualities = ["low", "medium", "high"]', 'qualities = ["low", "low"]', "qualities: names something twice"),
    "no quality": ('qualities = ["low", "medium", "high"]', "qualities = []", "qualities: must name some"),
    "svg": (
        '["png", "jpeg", "webp", "gif"]',
        '["png", "svg"]',
        '[capabilities."gpt-image-2.6"] output_formats: "svg" is not one of',
    ),
    "no png": ('output_formats = ["png", "jpeg", "webp"]', 'output_formats = ["jpeg"]', "output_formats: must name png"),
    "gif without frames": (
        'output_formats = ["png", "jpeg", "webp"]',
        'output_formats = ["png", "gif"]',
        "animation: goes with the format gif",
    ),
    "bad size": (
        'sizes = ["1024x1024", "1536x1024", "1024x1536", "1792x1008", "1008x1792"]',
        'sizes = ["1024"]',
        "sizes: a size is written",
    ),
    "no size": (
        'sizes = ["1024x1024", "1536x1024", "1024x1536", "1792x1008", "1008x1792"]',
        "sizes = []",
        "sizes: must name at least one",
    ),
    "size against the rule": (
        'sizes = ["1024x1024", "1536x1024"',
        'sizes = ["1000x1000"',
        "sizes: 1000x1000: both sides must be divisible by 16",
    ),
    "frame against the rule": (
        'sizes = ["512x512"',
        'sizes = ["800x800"',
        "animation: 800x800: there may be at most 8294400 pixels",
    ),
    "more references than the service": ("references = 16", "references = 17", "references: must be from 0 to 16"),
    "row too short": ("[8, 4, 2]", "[8, 4]", "layouts: each row must be a list of 3 numbers"),
    "cells too few": ("[8, 4, 2]", "[8, 4, 1]", "layouts: a sheet must have a cell for each frame"),
    "layouts too few": (", [16, 4, 4]]", "]", "layouts: must ascend in frames up to most_frames = 16"),
    "layouts descending": ("[[8, 4, 2], [9, 3, 3]", "[[9, 3, 3], [8, 4, 2]", "layouts: must ascend"),
    "default outside": ("default_frames = 9", "default_frames = 17", "default_frames: must be from 2 to 16"),
    "bands descending": ("[300, 1_000,", "[1_000, 300,", "[pricing] prompt_bands: must ascend"),
    "bands too short": (", 128_000]", "]", "prompt_bands: must ascend, up to 128000 bytes at least"),
    "margin of a loss": ("margin_percent = 130", "margin_percent = 99", "margin_percent: must be from 100"),
    "worthless credit": ("credit = 10_000 ", "credit = 0 ", "[pricing] credit: must be from 1"),
    "better is cheaper": (
        "{ low = 16, medium = 48, high = 96 }",
        "{ low = 16, medium = 48, high = 47 }",
        "high: must not be less",
    ),
    "quality without price": (
        "{ low = 16, medium = 48, high = 96 }",
        "{ low = 16, medium = 48 }",
        "must have exactly the qualities",
    ),
    "price without quality": (
        "{ low = 16, medium = 48, high = 96 }",
        "{ low = 1, medium = 2, high = 3, max = 4 }",
        "must have exactly",
    ),
    "price of no quality": (
        "{ low = 16, medium = 48, high = 96 }",
        "{ low = 1, medium = 2, high = 3, hd = 4 }",
        "hd: is not known here",
    ),
    "size without price": ("1536x1024 = { low = 750, medium = 1_875, high = 6_500 }\n", "", "must have exactly the sizes"),
    "listed prices, free sizes": (
        'prices = "gpt-image-2"',
        'prices = "gpt-image-1.5"',
        "must have exactly the sizes of its models",
    ),
    "end without advice": (
        'replacement = "gpt-image-2.6-flare"\ncap',
        "cap",
        "[models.gpt-image-1-mini] replacement: is missing",
    ),
    "advice without end": ("shutdown_date = 2026-12-01\n", "", "[models.gpt-image-1-mini] shutdown_date: is missing"),
    "advice to nobody": (
        'replacement = "gpt-image-2.5-sunburst"',
        'replacement = "x"',
        "replacement of gpt-image-1: x is not among the models",
    ),
    "advice to the retired": (
        'replacement = "gpt-image-2.5-sunburst"',
        'replacement = "dall-e-3"',
        "dall-e-3 is not among the models",
    ),
    "advice to the dying": (
        'replacement = "gpt-image-2.6-flare"\ncap',
        'replacement = "gpt-image-1.5"\ncap',
        "replacement of gpt-image-1-mini: gpt-image-1.5 must outlive",
    ),
    "retired and not": (
        "[retired.gpt-image-1]",
        "[retired.gpt-image-2]",
        "replacement of gpt-image-2: a model is either retired or not",
    ),
}

BROKEN_PLANS: Mapping[str, tuple[str, str, str]] = {
    "no TOML": ('currency = "usd"', "currency = usd", "plans.toml: "),
    "unknown key": ("trial_days = 30", "trial_days = 30\ncolour = 1", "[plans.free] colour: is not known here"),
    "missing key": ("priority = 20\n", "", "[plans.free] priority: is missing"),
    "foreign money": ('currency = "usd"', 'currency = "eur"', 'currency: "eur" is not one of usd'),
    "default not free": ('default_plan = "free"', 'default_plan = "pro"', 'default_plan: "pro" is not one of free'),
    "sold at a loss": (
        "price = 10_000\ncredits = 10_000",
        "price = 10_000\ncredits = 10_001",
        "[packs.large] credits: would be sold below",
    ),
    "plan at a loss": ("credits = 9_500", "credits = 9_901", "[plans.studio] credits: would be sold below 10000 millionths"),
    "money for nothing": ("price = 500\ncredits = 400", "price = 500\ncredits = 0", "[packs.small] credits: must be above 0"),
    "empty pack": ("price = 500\ncredits = 400", "price = 0\ncredits = 0", "[packs.small] credits: must be above 0"),
    "endless trial": ("trial_days = 30", "trial_days = 0", "[plans.free] trial_days: must be from 1"),
    "nothing may be open": ("open_generations = 10\n", "open_generations = 0\n", "open_generations: must be from 1"),
    "plan and pack": ("[plans.studio]", "[plans.small]", "plans.toml: small: is the id of a plan and of a pack"),
    "sold maybe": ("[packs.small]", '[packs.small]\nsold = "no"', "[packs.small] sold: must be true or false"),
    "bad id": ("[plans.starter]", '[plans."Star ter"]', "Star ter: an id has small letters"),
}


@pytest.mark.parametrize(("old", "new", "complaint"), BROKEN_MODELS.values(), ids=BROKEN_MODELS)
def test_a_broken_models_file_is_refused_naming_file_table_and_key(old: str, new: str, complaint: str) -> None:
    assert old in MODELS
    with pytest.raises(CatalogueInvalid) as refusal:
        Catalogue.parse(MODELS.replace(old, new, 1), PLANS)
    assert str(refusal.value).startswith("models.toml: ")
    assert complaint in str(refusal.value)


@pytest.mark.parametrize(("old", "new", "complaint"), BROKEN_PLANS.values(), ids=BROKEN_PLANS)
def test_a_broken_plans_file_is_refused_naming_file_table_and_key(old: str, new: str, complaint: str) -> None:
    assert old in PLANS
    with pytest.raises(CatalogueInvalid) as refusal:
        Catalogue.parse(MODELS, PLANS.replace(old, new, 1))
    assert str(refusal.value).startswith("plans.toml: ")
    assert complaint in str(refusal.value)


PROMOTION = "[promotions.WELCOME]\ncredits = 100\ndays = 30\nends = 2027-03-31\nmost = 10\n"


def test_a_promotion_is_read_and_the_packaged_file_has_none() -> None:
    assert not CATALOGUE.promotions
    read = Catalogue.parse(MODELS, f"{PLANS}\n{PROMOTION}").promotions
    assert dict(read) == {"WELCOME": Promotion("WELCOME", 100, 30, date(2027, 3, 31), 10)}


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("WELCOME", "welcome", "[promotions.welcome] welcome: a code has 3 to 32 capital letters"),
        ("WELCOME", "AB", "[promotions.AB] AB: a code has 3 to 32 capital letters"),
        ("credits = 100", "credits = 0", "[promotions.WELCOME] credits: must be from 1"),
        ("days = 30", "days = 0", "days: must be from 1"),
        ("most = 10", "most = 0", "most: must be from 1"),
        ("most = 10\n", "", "most: is missing"),
        ("ends = 2027-03-31", 'ends = "2027-03-31"', "ends: must be a date"),
        ("most = 10", "most = 10\nfor = 1", "for: is not known here"),
    ],
)
def test_a_broken_promotion_is_refused(old: str, new: str, complaint: str) -> None:
    with pytest.raises(CatalogueInvalid) as refusal:
        Catalogue.parse(MODELS, f"{PLANS}\n{PROMOTION.replace(old, new, 1)}")
    assert complaint in str(refusal.value)


def test_no_key_of_the_files_can_be_left_out() -> None:
    """But for those that say what a model has beyond others."""
    optional = {"free_sizes", "animation", "complexities", "output_grid", "output_tokens"}
    for file, text in (("models", MODELS), ("plans", PLANS)):
        for path in _leaves(tomllib.loads(text)):
            if path[0] in ("models", "plans", "packs", "retired", "capabilities", "prices") and len(path) < 3:
                continue
            content = tomllib.loads(text)
            _cut(content, path)
            shortened = _written(content)
            texts = (shortened, PLANS) if file == "models" else (MODELS, shortened)
            if path[-1] in optional - {"output_grid", "output_tokens"}:
                continue
            with pytest.raises(CatalogueInvalid):
                Catalogue.parse(*texts)


def test_writing_the_files_out_again_changes_nothing() -> None:
    assert Catalogue.parse(_written(tomllib.loads(MODELS)), _written(tomllib.loads(PLANS))) == CATALOGUE


def _leaves(content: Mapping[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for key, value in content.items():
        found.append((*path, key))
        if isinstance(value, dict):
            found += _leaves(value, (*path, key))
    return found


def _cut(content: dict[str, Any], path: tuple[str, ...]) -> None:
    for part in path[:-1]:
        content = content[part]
    del content[path[-1]]


def _written(content: Mapping[str, Any]) -> str:
    return "\n".join(f"{_quoted(key)} = {_inline(value)}" for key, value in content.items())


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(key)} = {_inline(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return _quoted(value) if isinstance(value, str) else str(value)


def _quoted(text: str) -> str:
    return f'"{text}"'
