"""A thumbnail is small, a WebP, and says in XMP what made its picture; and nothing else of it."""

import io

import pytest
from PIL import Image

from adapters.pictures.sketching import sketch_of
from adapters.provenance.xmp import packet
from domain.errors import BrokenImage
from domain.provenance import SourceType
from domain.renditions import THUMBNAIL_SIDE
from tests.hostile import CANARY, encode, exif


def shaded(width: int, height: int, mode: str = "RGB") -> Image.Image:
    picture = Image.linear_gradient("L").resize((width, height)).convert(mode)
    if mode == "RGBA":
        picture.paste((0, 0, 0, 0), (0, 0, width // 2, height))
    return picture


@pytest.mark.parametrize(
    ("size", "small"),
    [
        ((1024, 1024), (512, 512)),
        ((1536, 1024), (512, 341)),
        ((100, 3000), (17, 512)),
        ((300, 200), (300, 200)),
        ((1, 1), (1, 1)),
    ],
)
def test_no_side_is_longer_than_a_thumbnails_and_no_picture_grows(size: tuple[int, int], small: tuple[int, int]) -> None:
    sketch = sketch_of(encode(shaded(*size), "JPEG"), None)
    with Image.open(io.BytesIO(sketch.content)) as shown:
        assert (shown.format, shown.size, shown.mode) == ("WEBP", small, "RGB")
        assert max(shown.size) <= THUMBNAIL_SIDE


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF"])
def test_every_format_that_is_kept_can_be_sketched(format: str) -> None:
    sketch = sketch_of(encode(shaded(900, 600), format), packet(SourceType.GENERATED))
    with Image.open(io.BytesIO(sketch.content)) as shown:
        assert shown.size == (512, 341)
        assert b"trainedAlgorithmicMedia" in shown.info["xmp"]
    assert 20 <= len(sketch.blurhash) <= 40
    assert len(sketch.likeness.variants) == 8


def test_what_is_transparent_stays_so_and_counts_as_white() -> None:
    sketch = sketch_of(encode(shaded(640, 480, "RGBA"), "PNG"), None)
    with Image.open(io.BytesIO(sketch.content)) as shown:
        assert shown.mode == "RGBA"
        assert shown.getpixel((3, 3))[3] == 0  # type: ignore[index]  # an RGBA pixel is a tuple
    white = sketch_of(encode(Image.new("RGBA", (64, 64), (255, 0, 0, 0)), "PNG"), None)
    assert white.blurhash == sketch_of(encode(Image.new("RGB", (64, 64), "white"), "PNG"), None).blurhash


def test_a_thumbnail_holds_nothing_of_what_its_picture_says() -> None:
    sketch = sketch_of(encode(shaded(900, 600), "JPEG", exif=exif(1), comment=CANARY), None)
    assert CANARY not in sketch.content
    with Image.open(io.BytesIO(sketch.content)) as shown:
        assert "exif" not in shown.info
        assert "xmp" not in shown.info


def test_what_is_no_picture_is_not_sketched() -> None:
    for content in (b"", b"<svg/>", encode(shaded(90, 60), "PNG")[:60]):
        with pytest.raises(BrokenImage):
            sketch_of(content, None)
