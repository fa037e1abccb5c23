"""Small pictures of every kind that an upload may be or pretend to be, laden with canaries: what hostile files are made from."""

import io
import random
import struct
import zlib
from collections.abc import Iterator
from functools import cache

from PIL import Image, ImageCms

from tests.hostile import CANARY, PNG_MAGIC, Corpus, encode, exif, png_chunk, png_texts, xmp

SIZES = ((8, 8), (1, 40), (40, 1), (33, 17), (64, 48))
LARGE = (320, 200)
_NOISE = random.Random(5)


@cache
def corpus() -> Corpus:
    """(kind, file). Made once for each process, within a second; the same in every process."""
    small = [made for size in SIZES for made in (*_jpegs(size), *_pngs(size), *_webps(size))]
    large = [*_jpegs(LARGE), *_pngs(LARGE), *_webps(LARGE)]
    rare = [made for size in (SIZES[0], SIZES[-1]) for made in (*_animated(size), *_avifs(size), *_others(size))]
    return small + large + rare


@cache
def masks() -> Corpus:
    """For a picture of 64 x 48: good ones, and some of every other sort."""
    colour = _colour((64, 48))
    hole = Image.new("L", colour.size, 255)
    hole.paste(0, (8, 8, 24, 24))
    holed, opaque, faint, clear = (colour.copy() for _ in range(4))
    holed.putalpha(hole)
    opaque.putalpha(255)
    faint.putalpha(254)
    clear.putalpha(0)
    grey = Image.merge("LA", (hole, hole))
    return [
        ("mask", encode(holed, "PNG")),
        ("mask with words", encode(holed, "PNG", exif=exif(6), pnginfo=png_texts())),
        ("mask that covers all", encode(opaque, "PNG")),
        ("mask that covers nearly all", encode(faint, "PNG")),
        ("mask that covers nothing", encode(clear, "PNG")),
        ("mask in grey", encode(grey, "PNG")),
        ("mask of a palette", encode(holed.quantize(16), "PNG")),
        ("mask of 16 bits", deep_png((64, 48), 6)),
        ("mask without alpha", encode(colour, "PNG")),
        ("mask in WebP", encode(holed, "WEBP", lossless=True)),
        ("mask in JPEG", encode(colour, "JPEG")),
        ("mask of another size", encode(holed.resize((5, 3)), "PNG")),
    ]


def deep_png(size: tuple[int, int], colour: int, *between: bytes, interlaced: bool = False) -> bytes:
    """16 bits a channel, which Pillow cannot write: truthful, and noise. `colour`: as in PNG."""
    width, height = size
    line = width * {0: 1, 2: 3, 4: 2, 6: 4}[colour] * 2
    scanlines = b"".join(b"\0" + _NOISE.randbytes(line) for _ in range(height))
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, int(interlaced)))
    return b"".join((PNG_MAGIC, header, *between, png_chunk(b"IDAT", zlib.compress(scanlines)), png_chunk(b"IEND", b"")))


def segment(marker: int, body: bytes) -> bytes:
    """Of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def iptc() -> bytes:
    """Photoshop's segment with a caption."""
    caption = b"\x1c\x02\x78" + struct.pack(">H", len(CANARY)) + CANARY
    return segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(caption)) + caption + b"\0")


def thumbnailed_exif(thumbnail: bytes) -> bytes:
    """A camera's, with a picture inside the picture."""
    tags = struct.pack("<H", 1) + struct.pack("<HHII", 0x010F, 2, len(CANARY), 62)
    first = tags + struct.pack("<I", 26)  # the next directory begins behind this one
    second = struct.pack("<H", 2) + struct.pack("<HHII", 0x0201, 4, 1, 80) + struct.pack("<HHII", 0x0202, 4, 1, len(thumbnail))
    body = b"II*\0" + struct.pack("<I", 8) + first + second + bytes(4)
    return b"Exif\0\0" + body.ljust(62, b"\0") + CANARY.ljust(18, b"\0") + thumbnail


@cache
def _profiles() -> tuple[bytes, ...]:
    """Good; its time of making left out (equal seeds make equal files). Then broken ones: cut, of noise, for other colours."""
    good = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    good = good[:24] + bytes(12) + good[36:]
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    wrong = good[:16] + b"CMYK" + good[20:]
    return good, good[:100], CANARY * 40, lab[:24] + bytes(12) + lab[36:], wrong, good[:128] + b"\xff" * 400


def _colour(size: tuple[int, int]) -> Image.Image:
    grey = Image.linear_gradient("L").resize(size)
    return Image.merge("RGB", (grey, grey.transpose(Image.Transpose.FLIP_TOP_BOTTOM), grey.point(lambda shade: 255 - shade)))


def _jpegs(size: tuple[int, int]) -> Iterator[tuple[str, bytes]]:
    rgb, (good, *broken) = _colour(size), _profiles()
    laden = {"exif": exif(6), "comment": CANARY, "icc_profile": good, "xmp": xmp()}
    plain = encode(rgb, "JPEG", **laden)
    yield "jpeg", plain
    yield "jpeg, progressive", encode(rgb, "JPEG", progressive=True, **laden)
    yield "jpeg, grey", encode(rgb.convert("L"), "JPEG", exif=exif(5), comment=CANARY)
    yield "jpeg, CMYK", encode(rgb.convert("CMYK"), "JPEG", **laden)
    yield "jpeg, CMYK with a profile of its own kind", encode(rgb.convert("CMYK"), "JPEG", icc_profile=broken[3])
    yield "jpeg, restarts", encode(rgb, "JPEG", restart_marker_blocks=1, subsampling=2, **laden)
    yield "jpeg, IPTC", plain[:2] + iptc() + plain[2:]
    yield "jpeg, thumbnail", encode(rgb, "JPEG", exif=thumbnailed_exif(encode(rgb.resize((8, 8)), "JPEG", comment=CANARY)))
    for number, profile in enumerate(broken):
        yield f"jpeg, broken profile {number}", encode(rgb, "JPEG", icc_profile=profile)
    at = plain.index(b"\xff\xc0")
    for name, marker in {"lossless": 0xC3, "arithmetic": 0xC9, "extended": 0xC1, "hierarchical": 0xC5}.items():
        yield f"jpeg, {name}", plain[: at + 1] + bytes((marker,)) + plain[at + 2 :]
    yield "jpeg, 12 bits", plain[: at + 4] + b"\x0c" + plain[at + 5 :]


def _pngs(size: tuple[int, int]) -> Iterator[tuple[str, bytes]]:
    rgb, (good, *broken) = _colour(size), _profiles()
    grey = rgb.getchannel("R")
    rgba = rgb.copy()
    rgba.putalpha(grey)
    laden = {"exif": exif(3), "pnginfo": png_texts(), "icc_profile": good}
    yield "png", encode(rgb, "PNG", **laden)
    yield "png, alpha", encode(rgba, "PNG", **laden)
    yield "png, palette", encode(rgb.quantize(4), "PNG", pnginfo=png_texts())
    yield "png, palette and one clear", encode(rgb.quantize(16), "PNG", transparency=0, **laden)
    yield "png, palette and many clear", encode(rgb.quantize(16), "PNG", transparency=bytes((0, 100, 200)), **laden)
    yield "png, more clear than palette", encode(rgb.quantize(2), "PNG", transparency=bytes(200))
    yield "png, one bit", encode(rgb.convert("1"), "PNG", pnginfo=png_texts())
    yield "png, grey", encode(grey, "PNG", transparency=7, pnginfo=png_texts())
    yield "png, colour and one clear", encode(rgb, "PNG", transparency=(0, 255, 255), pnginfo=png_texts())
    yield "png, grey and alpha", encode(rgba.convert("LA"), "PNG", pnginfo=png_texts())
    yield "png, 16 bits grey", encode(grey.convert("I;16"), "PNG", transparency=3, pnginfo=png_texts())
    for colour in (0, 2, 4, 6):
        yield f"png, 16 bits of {colour}", deep_png(size, colour, png_chunk(b"tEXt", b"Comment\0" + CANARY))
    yield "png, 16 bits and one clear", deep_png(size, 2, png_chunk(b"tRNS", bytes(6)))
    yield "png, says it is interlaced", deep_png(size, 2, interlaced=True)
    for number, profile in enumerate(broken):
        yield f"png, broken profile {number}", encode(rgb, "PNG", icc_profile=profile)


def _webps(size: tuple[int, int]) -> Iterator[tuple[str, bytes]]:
    rgb, (good, *broken) = _colour(size), _profiles()
    rgba = rgb.copy()
    rgba.putalpha(rgb.getchannel("R"))
    laden = {"exif": exif(8), "xmp": xmp(), "icc_profile": good, "method": 0}
    yield "webp", encode(rgb, "WEBP", **laden)
    yield "webp, bare", encode(rgb, "WEBP", method=0)
    yield "webp, alpha", encode(rgba, "WEBP", **laden)
    yield "webp, lossless", encode(rgba, "WEBP", lossless=True, **laden)
    for number, profile in enumerate(broken[:2]):
        yield f"webp, broken profile {number}", encode(rgb, "WEBP", icc_profile=profile, method=0)
    whole = encode(rgba, "WEBP", **laden)
    for flags in (0x00, 0x02, 0x3E, 0xFF):
        yield f"webp, flags {flags:#x}", whole[:20] + bytes((flags,)) + whole[21:]


def _animated(size: tuple[int, int]) -> Iterator[tuple[str, bytes]]:
    one, two = _colour(size), _colour(size).rotate(90)
    moving = {"save_all": True, "append_images": [two, one]}
    yield "gif", encode(one, "GIF", comment=CANARY)
    yield "gif, animated", encode(one, "GIF", **moving)
    yield "apng", encode(one, "PNG", **moving)
    yield "webp, animated", encode(one, "WEBP", duration=10, **moving)
    yield "avif, animated", encode(one, "AVIF", speed=10, **moving)
    yield "mpo", encode(one, "MPO", **moving)
    yield "tiff, many pages", encode(two, "TIFF", save_all=True, append_images=[two])


def _avifs(size: tuple[int, int]) -> Iterator[tuple[str, bytes]]:
    rgb, (good, *broken) = _colour(size), _profiles()
    rgba = rgb.copy()
    rgba.putalpha(rgb.getchannel("R"))
    yield "avif", encode(rgb, "AVIF", speed=10, exif=exif(6), xmp=xmp(), icc_profile=good)
    yield "avif, bare", encode(rgb, "AVIF", speed=10)
    yield "avif, alpha", encode(rgba, "AVIF", speed=10, exif=exif(3), xmp=xmp())
    yield "avif, 4:4:4", encode(rgb, "AVIF", speed=10, subsampling="4:4:4", quality=100)
    yield "avif, grey", encode(rgb, "AVIF", speed=10, subsampling="4:0:0")
    yield "avif, broken profile", encode(rgb, "AVIF", speed=10, icc_profile=broken[1])


def _others(size: tuple[int, int]) -> Iterator[tuple[str, bytes]]:
    import pillow_heif

    rgb = _colour(size)
    for format in ("TIFF", "BMP", "ICO", "JPEG2000", "PPM", "TGA", "PCX", "DDS", "SGI"):
        yield format.lower(), encode(rgb, format)
    buffer = io.BytesIO()
    pillow_heif.from_pillow(rgb).save(buffer, quality=50, exif=exif(6))
    yield "heic", buffer.getvalue()
    yield "svg", b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>' + CANARY + b"</script></svg>"
    yield "svg with a doctype", b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>'
    yield "jxl", b"\xff\x0a" + _NOISE.randbytes(80)
    yield "jxl in boxes", b"\0\0\0\x0cJXL \r\n\x87\n" + _NOISE.randbytes(80)
    yield "psd", b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, *size, 8, 3) + bytes(20)
    yield "eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n" + CANARY
    yield "zip", b"PK\x03\x04\x14\0\0\0\0\0" + CANARY
    yield "elf", b"\x7fELF\2\1\1" + bytes(60)
    yield "html", b"<!doctype html><script>" + CANARY + b"</script>"
    yield "php", b"GIF89a<?php echo 1; ?>"
