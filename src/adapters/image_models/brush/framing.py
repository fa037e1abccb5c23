"""From painted frames to a file: png, jpeg, webp or gif, each saying in its metadata what it is."""

import io
from collections.abc import Iterator, Sequence

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from domain.media import PictureFormat

SOFTWARE = "GPT Image 2 painter"
STATEMENT = "sandbox picture"
"""In every file's description or comment: a drawing by the painter, not the work of a paid model."""
_IMAGE_DESCRIPTION, _SOFTWARE = 0x010E, 0x0131
_SEE_THROUGH = 255
"""The gif palette entry that stands for "nothing here"."""


def framed(
    frames: Sequence[Image.Image], format: PictureFormat, compression: int | None, duration_ms: int, *, exact: bool
) -> bytes:
    """The file. Only a gif takes more than the first frame, each shown for `duration_ms`.

    `compression` is 0..100 as OpenAI counts it (None: 100), for jpeg and webp. `exact` asks for lossless webp unless a lower
    compression was named: the untouched part of an edit then stays as it was.
    """
    first, file = frames[0], io.BytesIO()
    quality = 100 if compression is None else min(max(compression, 0), 100)
    if format is PictureFormat.PNG:
        words = PngInfo()
        words.add_text("Software", SOFTWARE)
        words.add_text("Description", STATEMENT)
        first.save(file, "PNG", pnginfo=words, compress_level=1)
    elif format is PictureFormat.JPEG:
        opaque(first).save(file, "JPEG", quality=quality, subsampling=0 if quality > 90 else 2, comment=STATEMENT, exif=_exif())
    elif format is PictureFormat.WEBP:
        if exact and quality == 100:
            first.save(file, "WEBP", lossless=True, quality=20, method=1, exact=True, exif=_exif())
        else:
            first.save(file, "WEBP", quality=quality, method=1, exif=_exif())
    else:
        _gif(file, frames, duration_ms)
    return file.getvalue()


def opaque(picture: Image.Image) -> Image.Image:
    """On white paper, if anything shows through."""
    if picture.mode == "RGB":
        return picture
    paper = Image.new("RGB", picture.size, (255, 255, 255))
    paper.paste(picture, mask=picture.getchannel("A"))
    return paper


def unfinished(picture: Image.Image, count: int) -> Iterator[Image.Image]:
    """`count` earlier states of a picture, each sharper than the one before."""
    for number in range(count):
        coarse = max(1.5, 32 * 0.4**number)
        extent = max(1, round(picture.width / coarse)), max(1, round(picture.height / coarse))
        yield picture.resize(extent, Image.Resampling.BOX).resize(picture.size, Image.Resampling.BICUBIC)


def _exif() -> bytes:
    exif = Image.Exif()
    exif[_IMAGE_DESCRIPTION] = STATEMENT
    exif[_SOFTWARE] = SOFTWARE
    return exif.tobytes()


def _gif(file: io.BytesIO, frames: Sequence[Image.Image], duration_ms: int) -> None:
    seen_through = frames[0].mode == "RGBA"
    palette = opaque(frames[0]).quantize(_SEE_THROUGH, method=Image.Quantize.FASTOCTREE)
    pages: list[Image.Image] = []
    for frame in frames:
        page = opaque(frame).quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
        if seen_through:
            page.paste(_SEE_THROUGH, mask=frame.getchannel("A").point([255 if value < 128 else 0 for value in range(256)]))
        if pages and page.tobytes() == pages[-1].tobytes():
            _stir(page)
        pages.append(page)
    pages[0].save(
        file,
        "GIF",
        save_all=True,
        append_images=pages[1:],
        duration=duration_ms,
        loop=0,
        optimize=False,
        disposal=2 if seen_through else 1,
        comment=STATEMENT,
        **({"transparency": _SEE_THROUGH} if seen_through else {}),
    )


def _stir(page: Image.Image) -> None:
    """Change one corner pixel: Pillow would merge a frame equal to the one before it, and the count was asked for."""
    colours = page.getpalette() or []
    old = page.tobytes()[0]
    shown = colours[old * 3 : old * 3 + 3]
    other = next(entry for entry in range(_SEE_THROUGH) if colours[entry * 3 : entry * 3 + 3] != shown)
    page.putpixel((0, 0), other)
