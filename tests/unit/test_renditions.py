"""Renditions: closed lists, never larger than the picture, and a label that can be read on anything."""

import io
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest
from PIL import Image

from adapters.pictures.rendering import label_font, labelled, render
from domain.accounts import AccountId, Mode
from domain.errors import BrokenImage, InvalidRequest, TooManyPixels
from domain.media import Asset, AssetId, AssetKind, PictureFormat
from domain.provenance import Act, SourceType
from domain.renditions import RenditionFormat, RenditionWidth, Shape, made_as, shape_of
from tests.hostile import CANARY, encode, exif
from tests.pictures import corners, near

PNG, JPEG, WEBP, GIF, AVIF = (PictureFormat(name) for name in ("png", "jpeg", "webp", "gif", "avif"))
OUTPUT = Asset(
    AssetId(UUID(int=1)), AccountId(UUID(int=2)), Mode.TEST, AssetKind.OUTPUT, PNG, 1536, 1024, 9, "", False,
    datetime(2030, 1, 1, tzinfo=UTC), UUID(int=3), 1, 0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("format", "width", "label", "shape"),
    [
        (None, None, False, None),
        ("png", None, False, None),
        ("png", 2048, False, None),
        ("webp", None, False, Shape(WEBP, 1536, 1024, label=False)),
        ("jpeg", 2048, False, Shape(JPEG, 1536, 1024, label=False)),
        (None, 512, False, Shape(PNG, 512, 341, label=False)),
        ("avif", 1024, True, Shape(AVIF, 1024, 683, label=True)),
        (None, None, True, Shape(PNG, 1536, 1024, label=True)),
    ],
)
def test_what_is_asked_for_is_spelt_out_and_never_larger_than_the_picture(
    format: str | None, width: int | None, label: bool, shape: Shape | None
) -> None:
    wanted = RenditionFormat(format) if format else None, RenditionWidth(width) if width else None
    assert shape_of(OUTPUT, *wanted, label=label) == shape


def test_a_film_stays_what_it_is_until_something_else_is_wanted() -> None:
    film = replace(OUTPUT, format=GIF)
    assert shape_of(film, None, None, label=False) is None
    assert shape_of(film, None, RenditionWidth.SMALL, label=False) == Shape(PNG, 512, 341, label=False)


def test_no_upload_is_labelled_as_made_by_ai_and_none_is_drawn_without_end() -> None:
    upload = replace(OUTPUT, kind=AssetKind.REFERENCE, generation_id=None, attempt=None, index=None, width=10_000, height=5_000)
    with pytest.raises(InvalidRequest):
        shape_of(upload, None, RenditionWidth.SMALL, label=True)
    with pytest.raises(TooManyPixels):
        shape_of(upload, RenditionFormat.AVIF, None, label=False)
    assert shape_of(upload, RenditionFormat.AVIF, RenditionWidth.LARGE, label=False) == Shape(AVIF, 2048, 1024, label=False)


def test_what_was_done_is_what_is_signed() -> None:
    shape = Shape(WEBP, 512, 341, label=True)
    assert made_as(OUTPUT, shape, SourceType.GENERATED).acts == (Act.RESIZED, Act.EDITED, Act.TRANSCODED)
    whole = Shape(JPEG, 1536, 1024, label=False)
    assert made_as(OUTPUT, whole, None) == made_as(OUTPUT, replace(whole, height=9), None)
    assert made_as(OUTPUT, whole, None).acts == (Act.TRANSCODED,)


@pytest.mark.parametrize("source", ["PNG", "JPEG", "WEBP", "GIF"])
@pytest.mark.parametrize("format", [PNG, JPEG, WEBP, AVIF])
def test_each_format_is_drawn_from_each_and_holds_nothing_but_pixels(source: str, format: PictureFormat) -> None:
    told = {"comment": CANARY} if source in ("JPEG", "GIF") else {"exif": exif(1)}
    content = render(encode(corners(), source, **told), Shape(format, 120, 80, label=False))
    assert CANARY not in content
    with Image.open(io.BytesIO(content)) as drawn:
        assert (drawn.format, drawn.size) == (format.upper(), (120, 80))
        assert near(drawn, corners(), 40)
        assert not {"exif", "xmp", "comment"} & set(drawn.info)


def test_a_narrower_copy_keeps_its_proportions_and_its_alpha() -> None:
    holed = corners("RGBA").resize((1200, 800))
    holed.paste((0, 0, 0, 0), (0, 0, 600, 400))
    content = encode(holed, "PNG")
    for format in (PNG, WEBP, AVIF):
        with Image.open(io.BytesIO(render(content, Shape(format, 512, 341, label=False)))) as drawn:
            assert (drawn.size, drawn.mode) == ((512, 341), "RGBA")
            assert drawn.getpixel((100, 100))[3] == 0  # type: ignore[index]  # an RGBA pixel is a tuple
    with Image.open(io.BytesIO(render(content, Shape(JPEG, 512, 341, label=False)))) as flat:
        assert min(flat.getpixel((100, 100))) > 250  # type: ignore[arg-type]  # so is an RGB one


@pytest.mark.parametrize("size", [(512, 341), (1024, 1024), (400, 1600), (2048, 300)])
@pytest.mark.parametrize("colour", ["white", "black", "gray"])
def test_the_label_is_a_twentieth_of_the_shorter_side_high_and_stands_out(size: tuple[int, int], colour: str) -> None:
    _, top, _, bottom = label_font(size).getbbox("A", anchor="ls")
    assert bottom - top >= 0.05 * min(size)
    plain = Image.new("RGB", size, colour)
    marked = labelled(plain.copy())
    changed = np.argwhere((np.asarray(marked) != np.asarray(plain)).any(axis=2))
    assert np.ptp(changed[:, 0]) >= 0.05 * min(size)
    words = np.asarray(marked.convert("L"))[changed[:, 0].min() : changed[:, 0].max() + 1]
    assert words.max() > 240
    assert np.sort(words.ravel())[len(words.ravel()) // 50] < 110


def test_the_smallest_picture_can_be_labelled_too() -> None:
    for size in ((1, 1), (30, 2), (2, 30)):
        assert labelled(Image.new("RGB", size, "gray")).size == size
        assert labelled(Image.new("RGBA", size, "gray")).size == size


def test_what_cannot_be_decoded_is_not_rendered() -> None:
    for content in (b"", b"<svg/>", encode(corners(), "PNG")[:60]):
        with pytest.raises(BrokenImage):
            render(content, Shape(PNG, 10, 10, label=False))
