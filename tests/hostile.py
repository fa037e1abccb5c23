"""What nobody should have to read: an endless stream of files, every one made from its seed alone, and any JSON."""

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator

from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)

CANARY = b"CANARY-5ecret"
"""Stands in every kind of metadata; must stand in nothing that intake gives back."""
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_TAILS = (
    b"PK\x03\x04\x14\0\0\0\0\0" + CANARY + b"PK\x05\x06" + bytes(18),
    b"<script>alert('" + CANARY + b"')</script>",
    b"%PDF-1.7\n" + CANARY + b"\n%%EOF",
    bytes(1000) + CANARY,
)

Made = tuple[str, bytes]
Corpus = list[Made]


def hostile_uploads(seed: int) -> Iterator[Made]:
    """(what was done, the file), for ever; equal seeds make equal streams."""
    chance = random.Random(seed)
    corpus = valid_uploads()
    kinds: list[Callable[[random.Random, Corpus], Made]] = [as_is, flipped, cut, spliced, rearranged, wrong_magic]
    kinds += [resized_header, with_tail, noise, _bomb]
    weights = [4, 20, 10, 10, 20, 4, 10, 6, 4, 1]
    while True:
        yield chance.choices(kinds, weights)[0](chance, corpus)


def valid_uploads() -> Corpus:
    """Small pictures of every mode and format, laden with metadata."""
    colour = Image.linear_gradient("L").resize((120, 80))
    rgb = Image.merge("RGB", (colour, colour.transpose(Image.Transpose.FLIP_TOP_BOTTOM), colour.rotate(90).resize((120, 80))))
    rgba = rgb.copy()
    rgba.putalpha(colour)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile[:24] + bytes(12) + profile[36:]  # without the time it was made: equal seeds make equal streams
    jpeg = {"exif": exif(6), "comment": CANARY, "icc_profile": profile, "xmp": xmp()}
    png = {"exif": exif(3), "pnginfo": png_texts(), "icc_profile": profile}
    webp = {"exif": exif(8), "xmp": xmp(), "icc_profile": profile}
    return [
        ("jpeg", encode(rgb, "JPEG", **jpeg)),
        ("jpeg-progressive", encode(rgb, "JPEG", progressive=True, **jpeg)),
        ("jpeg-grey", encode(rgb.convert("L"), "JPEG", exif=exif(5))),
        ("jpeg-cmyk", encode(rgb.convert("CMYK"), "JPEG", **jpeg)),
        ("png-rgb", encode(rgb, "PNG", **png)),
        ("png-rgba", encode(rgba, "PNG", **png)),
        ("png-palette", encode(rgb.quantize(16), "PNG", transparency=0, **png)),
        ("png-1", encode(rgb.convert("1"), "PNG", **png)),
        ("png-la", encode(rgba.convert("LA"), "PNG", **png)),
        ("png-16", encode(colour.convert("I;16"), "PNG", pnginfo=png_texts())),
        ("apng", encode(rgb, "PNG", save_all=True, append_images=[rgba.convert("RGB")])),
        ("webp", encode(rgb, "WEBP", **webp)),
        ("webp-alpha", encode(rgba, "WEBP", **webp)),
        ("webp-lossless", encode(rgba, "WEBP", lossless=True, **webp)),
        ("webp-animated", encode(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(90)], duration=10)),
        ("gif", encode(rgb, "GIF", comment=CANARY)),
        ("tiff", encode(rgb, "TIFF")),
    ]


def encode(picture: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def exif(orientation: int) -> bytes:
    """Camera, description and GPS position, all of them canaries."""
    tags = Image.Exif()
    tags[0x010E] = tags[0x010F] = tags[0x9286] = CANARY.decode()
    tags[0x0112] = orientation
    tags.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0), 29: CANARY.decode()})
    return tags.tobytes()


def xmp() -> bytes:
    return b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + CANARY + b"</x:xmpmeta>"


def png_texts() -> PngImagePlugin.PngInfo:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", CANARY.decode())
    texts.add_text("Author", CANARY.decode(), zip=True)
    texts.add_itxt("XML:com.adobe.xmp", xmp().decode())
    texts.add(b"prVt", CANARY)
    texts.add(b"tIME", bytes(7), after_idat=True)
    return texts


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, *between: bytes, depth: int = 8, colour: int = 2, scanlines: bytes = b"") -> bytes:
    """A PNG that says what it likes about itself; `between` are whole chunks before the pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    pixels = png_chunk(b"IDAT", zlib.compress(scanlines, 9))
    return b"".join((PNG_MAGIC, png_chunk(b"IHDR", header), *between, pixels, png_chunk(b"IEND", b"")))


def blank_png(width: int, height: int, *between: bytes) -> bytes:
    """Truthful and black: the smallest file for its pixels, and made at once however many they are."""
    size = height * (1 + width * 3)
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"".join((PNG_MAGIC, header, *between, png_chunk(b"IDAT", packed_zeros(size)), png_chunk(b"IEND", b"")))


def packed_zeros(size: int) -> bytes:
    """What zlib makes of `size` zero bytes, put together from the same megabyte over and over."""
    packer = zlib.compressobj(9)
    header = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    million = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    last = zlib.compressobj(9, wbits=-15)
    rest = last.compress(bytes(size % 2**20)) + last.flush()
    return header + million * (size // 2**20) + rest + struct.pack(">HH", size % 65521, 1)


def text_bomb(megabytes: int) -> bytes:
    return png_chunk(b"zTXt", b"Comment\0\0" + packed_zeros(megabytes * 2**20))


def profile_bomb(megabytes: int) -> bytes:
    return png_chunk(b"iCCP", b"profile\0\0" + packed_zeros(megabytes * 2**20))


def scan_bomb(side: int, scans: int) -> bytes:
    """A progressive JPEG whose last, nearly empty scan comes `scans` times: each costs a walk over all pixels."""
    plain = encode(Image.new("L", (side, side), 90), "JPEG", progressive=True)
    start = plain.rindex(b"\xff\xda")
    return plain[:start] + plain[start:-2] * scans + b"\xff\xd9"


def as_is(chance: random.Random, corpus: Corpus) -> Made:
    name, content = chance.choice(corpus)
    return f"{name} as it is", content


def flipped(chance: random.Random, corpus: Corpus) -> Made:
    name, content = chance.choice(corpus)
    changed = bytearray(content)
    for _ in range(chance.choice((1, 3, 10, 100))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    right = chance.random() < 0.7
    return f"{name} flipped", _right_sums(bytes(changed)) if right else bytes(changed)


def cut(chance: random.Random, corpus: Corpus) -> Made:
    name, content = chance.choice(corpus)
    return f"{name} cut", content[: chance.randrange(len(content))]


def spliced(chance: random.Random, corpus: Corpus) -> Made:
    (first, head), (second, tail) = chance.choice(corpus), chance.choice(corpus)
    return f"{first} into {second}", head[: chance.randrange(len(head))] + tail[chance.randrange(len(tail)) :]


def rearranged(chance: random.Random, corpus: Corpus) -> Made:
    """Whole chunks lost, doubled, swapped or filled with noise, each with a right checksum."""
    name, content = chance.choice(corpus)
    head, pieces = pieces_of(content)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(pieces))
        what = chance.randrange(4)
        if what == 0 and len(pieces) > 1:
            pieces.pop(at)
        elif what == 1:
            pieces.insert(chance.randrange(len(pieces)), pieces[at])
        elif what == 2:
            other = chance.randrange(len(pieces))
            pieces[at], pieces[other] = pieces[other], pieces[at]
        else:
            keep = min(8, len(pieces[at]))
            pieces[at] = pieces[at][:keep] + chance.randbytes(len(pieces[at]) - keep)
    return f"{name} rearranged", _right_sums(head + b"".join(pieces))


def wrong_magic(chance: random.Random, corpus: Corpus) -> Made:
    (first, head), (second, body) = chance.choice(corpus), chance.choice(corpus)
    return f"{second} with the magic of {first}", head[:12] + body[12:]


def resized_header(chance: random.Random, corpus: Corpus) -> Made:
    name, content = chance.choice(corpus)
    sides = [chance.choice((0, 1, 255, 5000, 16_383, 16_385, 65_535, 2**31 - 1)) for _ in range(2)]
    if content.startswith(PNG_MAGIC):
        content = _right_sums(content[:16] + struct.pack(">II", *sides) + content[24:])
    elif content.startswith(b"\xff\xd8") and (at := max(content.find(b"\xff\xc0"), content.find(b"\xff\xc2"))) > 0:
        content = content[: at + 5] + struct.pack(">HH", *(side & 0xFFFF for side in sides)) + content[at + 9 :]
    elif content.startswith(b"RIFF"):
        content = content[:24] + b"".join((side & 0xFFFFFF).to_bytes(3, "little") for side in sides) + content[30:]
    return f"{name} says {sides}", content


def with_tail(chance: random.Random, corpus: Corpus) -> Made:
    name, content = chance.choice(corpus)
    tail = chance.choice((*_TAILS, chance.choice(corpus)[1]))
    return f"{name} and more", content + tail


def noise(chance: random.Random, corpus: Corpus) -> Made:
    name, content = chance.choice(corpus)
    return f"{name}'s magic, then noise", content[: chance.choice((0, 3, 8, 12, 30, 60))] + chance.randbytes(
        chance.randrange(3000)
    )


def _bomb(chance: random.Random, corpus: Corpus) -> Made:
    tiny = png_chunk(b"prVt", b"")
    many: list[Callable[[], Made]] = [
        lambda: ("a black 48 megapixel PNG", blank_png(12_000, 4_000)),
        lambda: ("a 16000 x 16000 PNG of nothing", png(16_000, 16_000)),
        lambda: ("a PNG of one pixel with 64 MB of them", png(1, 1, scanlines=bytes(64_000_000))),
        lambda: ("a text bomb", blank_png(10, 10, text_bomb(60))),
        lambda: ("sixty text bombs below the limit", blank_png(10, 10, *[text_bomb(1)] * 60)),
        lambda: ("a colour profile bomb", blank_png(10, 10, profile_bomb(60))),
        lambda: ("a PNG of 50000 chunks", blank_png(10, 10, tiny * 50_000)),
        lambda: ("a JPEG of 300 scans", scan_bomb(1500, 300)),
        lambda: ("an animation of 4 billion frames", blank_png(10, 10, png_chunk(b"acTL", struct.pack(">II", 2**31, 0)))),
        lambda: ("a JPEG of 0xff only", b"\xff\xd8" + b"\xff" * 500_000),
    ]
    return chance.choice(many)()


def pieces_of(content: bytes) -> tuple[bytes, list[bytes]]:
    """What stands before the first chunk, and the chunks (PNG, RIFF) or marker segments (JPEG; the last holds the pixels)."""
    if content.startswith(PNG_MAGIC):
        return content[:8], list(_walk(content, 8, lambda at: 12 + int.from_bytes(content[at : at + 4])))
    if content.startswith(b"RIFF"):
        return content[:12], list(
            _walk(content, 12, lambda at: 8 + -2 * (-int.from_bytes(content[at + 4 : at + 8], "little") // 2))
        )
    if content.startswith(b"\xff\xd8"):

        def step(at: int) -> int:
            is_scan = content[at + 1] == 0xDA
            return len(content) - at if is_scan else 2 + int.from_bytes(content[at + 2 : at + 4])

        return content[:2], list(_walk(content, 2, step))
    return content[:4], [content[4:]]


def _walk(content: bytes, at: int, step: Callable[[int], int]) -> Iterator[bytes]:
    while at + 8 <= len(content):
        length = max(step(at), 8)
        yield content[at : at + length]
        at += length


def _right_sums(content: bytes) -> bytes:
    """PNG checksums put right, so that the damage gets past them; other formats have none."""
    if not content.startswith(PNG_MAGIC):
        return content
    head, pieces = pieces_of(content)
    return head + b"".join(png_chunk(piece[4:8], piece[8:-4]) if len(piece) >= 12 else piece for piece in pieces)
