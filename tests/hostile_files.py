"""Hostile uploads by class, for ever, each made from its seed alone: tiny for the most part, so that many can be asked about."""

import random
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from tests import hostile
from tests.hostile import CANARY, PNG_MAGIC, Corpus, blank_png, png, png_chunk, profile_bomb, scan_bomb, text_bomb
from tests.hostile_corpus import corpus, deep_png, masks, segment

HEAVY_EVERY, HEAVY_FIRST = 2_500, (400, 2_000, 200)
"""Files between two that cost a second or more; and where the first of them come, so that each of them has come early."""
ODD_FORM = "odd forms"
FILE_LIMIT = 25 * 1024 * 1024
MASK_LIMIT = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Hostile:
    """`name`: its class. `what`: what was done to what. `mask`: it's sent as one. `form`: the whole body, where that is odd."""

    name: str
    what: str
    content: bytes
    mask: bool = False
    form: bytes | None = None


Made = tuple[str, bytes]
Maker = Callable[[random.Random, Corpus], Made]
BOUNDARY = b"----hostile"


def hostile_files(seed: int) -> Iterator[Hostile]:
    """Equal seeds make equal streams."""
    chance, files = random.Random(seed), corpus()
    names, weights = list(CLASSES), [weight for weight, _ in CLASSES.values()]
    heavy = list(HEAVY)
    place = 0
    while True:
        place += 1
        if place % HEAVY_EVERY == 0 or place in range(*HEAVY_FIRST):
            yield Hostile("heavy bombs", heavy[0], HEAVY[heavy[0]]())
            heavy.append(heavy.pop(0))
            continue
        (name,) = chance.choices(names, weights)
        if name == ODD_FORM:
            yield Hostile(name, *_odd_form(chance, files))
        elif name == "masks":
            what, content = chance.choice(masks())
            if chance.random() < 0.3:
                what, content = CLASSES["flipped"][1](chance, masks())
            yield Hostile(name, what, content, mask=True)
        else:
            what, content = CLASSES[name][1](chance, files)
            yield Hostile(name, what, content, mask=chance.random() < 0.05)


def form(content: bytes, *, mask: bool = False) -> bytes:
    purpose = b'--%s\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nmask\r\n' % BOUNDARY if mask else b""
    head = b'--%s\r\nContent-Disposition: form-data; name="file"; filename="x.png"\r\n\r\n' % BOUNDARY
    return purpose + head + content + b"\r\n--%s--\r\n" % BOUNDARY


# The classes that tests/hostile.py has no maker for


def _bad_sums(chance: random.Random, files: Corpus) -> Made:
    name, content = chance.choice([made for made in files if made[1].startswith(PNG_MAGIC)])
    head, pieces = hostile.pieces_of(content)
    at = chance.randrange(len(pieces))
    pieces[at] = pieces[at][:-4] + chance.randbytes(4)
    return f"{name} with a wrong sum", head + b"".join(pieces)


def _lying_header(chance: random.Random, files: Corpus) -> Made:
    """The header says another kind of picture than follows it."""
    name, content = chance.choice(files)
    changed = bytearray(content)
    if content.startswith(PNG_MAGIC):
        changed[24], changed[25] = chance.choice((1, 2, 4, 8, 16, 3)), chance.choice((0, 2, 3, 4, 6, 5))
        changed[26:29] = bytes(chance.choice((0, 0, 1)) for _ in range(3))
        changed[29:33] = struct.pack(">I", zlib.crc32(changed[12:29]))
    elif content.startswith(b"\xff\xd8") and (at := content.find(b"\xff\xc0")) > 0:
        changed[at + 1] = chance.choice((0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC9, 0xCA, 0xCB))
        changed[at + chance.choice((4, 9, 11, 12))] = chance.randrange(256)
    elif content.startswith(b"RIFF"):
        changed[chance.choice((4, 5, 16, 17, 20, 24, 27, 28))] = chance.randrange(256)
    else:
        changed[chance.randrange(min(48, len(changed)))] = chance.randrange(256)
    return f"{name} that lies", bytes(changed)


def _boxes(chance: random.Random, files: Corpus) -> Made:
    """AVIF and HEIC: boxes that are doubled, lost, nested, of another kind or another size."""
    name, content = chance.choice([made for made in files if made[1][4:8] == b"ftyp"])
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5))):
        kind = chance.choice((b"ftyp", b"meta", b"iloc", b"iprp", b"ipco", b"ispe", b"av1C", b"mdat", b"iinf", b"pitm", b"moov"))
        at = changed.find(kind)
        if at < 4:
            continue
        what = chance.randrange(4)
        if what == 0:
            changed[at - 4 : at] = struct.pack(">I", chance.choice((0, 1, 7, 8, 2**31, 2**32 - 1, chance.randrange(900))))
        elif what == 1:
            changed[at : at + 4] = chance.choice((b"free", b"meta", b"uuid", b"moov", b"idat"))
        elif what == 2:
            length = int.from_bytes(changed[at - 4 : at])
            changed[at - 4 : at - 4] = changed[at - 4 : at - 4 + min(length, 4_000)]
        else:
            changed[at + 4 : at + 8] = chance.randbytes(4)
    return f"{name} with odd boxes", bytes(changed)


def _with_head(chance: random.Random, files: Corpus) -> Made:
    """Something else first, and the picture behind it: or the other way round, which is the other's head."""
    name, content = chance.choice(files)
    heads = (b"%PDF-1.7\n", b"<html><script>1</script>", b"PK\x03\x04", b"GIF89a", b"BM", b"\xef\xbb\xbf", b"\0", b"#!/bin/sh\n")
    return f"{name} behind a head", chance.choice(heads) + content


def _huge_head(chance: random.Random, files: Corpus) -> Made:
    """Metadata of which there is far more than picture."""
    name, content = chance.choice(files)
    size = chance.choice((1_000, 20_000, 65_000))
    words = (CANARY * (size // len(CANARY) + 1))[:size]
    if content.startswith(PNG_MAGIC):
        extra = b"".join(png_chunk(kind, b"Comment\0" + words) for kind in (b"tEXt", b"prVt", b"eXIf"))
        return f"{name} with much text", content[:33] + extra + content[33:]
    if content.startswith(b"\xff\xd8"):
        markers = chance.choices((0xE0, 0xE1, 0xE2, 0xED, 0xEF, 0xFE), k=chance.choice((1, 5)))
        return f"{name} with many segments", content[:2] + b"".join(segment(each, words) for each in markers) + content[2:]
    if content.startswith(b"RIFF"):
        longer = content + b"XMP " + struct.pack("<I", size) + words + bytes(size % 2)
        return f"{name} with much XMP", longer[:4] + struct.pack("<I", len(longer) - 8) + longer[8:]
    return f"{name} with a box of words", content + struct.pack(">I", size + 8) + b"free" + words


def _light_bomb(chance: random.Random, _: Corpus) -> Made:
    return chance.choice(LIGHT)()


def _too_large(chance: random.Random, files: Corpus) -> Made:
    name, content = chance.choice(files)
    return f"{name} and too many bytes", content.ljust(FILE_LIMIT + chance.randrange(1, 20_000), b"\0")


def _tiny(chance: random.Random, files: Corpus) -> Made:
    return "next to nothing", chance.choice(files)[1][: chance.randrange(0, 24)]


def _odd_form(chance: random.Random, files: Corpus) -> tuple[str, bytes, bool, bytes]:
    """The picture is as good as any; the form around it is not."""
    name, content = chance.choice(files)
    whole = form(content)
    odd: dict[str, Callable[[], bytes]] = {
        "cut": lambda: whole[: chance.randrange(len(whole))],
        "two files": lambda: whole[: -len(BOUNDARY) - 8] + whole,
        "no file name": lambda: whole.replace(b'; filename="x.png"', b""),
        "another name": lambda: whole.replace(b'name="file"', b'name="%s"' % chance.choice((b"", b"photo", b"\xff", b"a" * 500))),
        "another purpose": lambda: form(content, mask=True).replace(b"\r\nmask\r\n", b"\r\n%s\r\n" % chance.randbytes(5)),
        "huge part header": lambda: whole.replace(
            b"\r\n\r\n", b"\r\nX: %s\r\n\r\n" % (b"y" * chance.choice((900, 9_000, 90_000))), 1
        ),
        "many part headers": lambda: whole.replace(b"\r\n\r\n", b"\r\nX: y" * chance.choice((9, 900)) + b"\r\n\r\n", 1),
        "odd file name": lambda: whole.replace(b"x.png", chance.choice((b"../../x", b"\0", b"x" * 3_000, CANARY, b"a\xff.svg"))),
        "an encoding": lambda: whole.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1),
        "no parts": lambda: b"--%s--\r\n" % BOUNDARY,
        "nothing": lambda: b"",
        "noise": lambda: chance.randbytes(300),
        "many boundaries": lambda: (b"--%s\r\n" % BOUNDARY) * chance.choice((3, 3_000)),
    }
    what = chance.choice(list(odd))
    return f"{name} in a form: {what}", content, False, odd[what]()


def _chunks() -> bytes:
    return blank_png(10, 10, png_chunk(b"prVt", b"") * 50_000)


@cache
def _text_bomb(megabytes: int) -> bytes:
    return blank_png(10, 10, text_bomb(megabytes))


@cache
def _profile_bomb(megabytes: int) -> bytes:
    return blank_png(10, 10, profile_bomb(megabytes))


@cache
def _scans(side: int, scans: int) -> bytes:
    return scan_bomb(side, scans)


@cache
def _deep() -> bytes:
    return deep_png((300, 200), 6)


LIGHT: tuple[Callable[[], Made], ...] = (
    lambda: ("a 16000 x 16000 PNG of nothing", png(16_000, 16_000)),
    lambda: ("a PNG of 2 billion a side", png(2**31 - 1, 2**31 - 1)),
    lambda: ("a PNG of one pixel too many", png(10_000, 5_001)),
    lambda: ("a PNG with a side too long", png(16_385, 1)),
    lambda: ("an animation of 4 billion frames", blank_png(10, 10, png_chunk(b"acTL", struct.pack(">II", 2**31, 0)))),
    lambda: ("a PNG of one pixel with a megabyte of them", png(1, 1, scanlines=bytes(1_000_000))),
    lambda: ("a text bomb of 2 MB", _text_bomb(2)),
    lambda: ("a profile bomb of 2 MB", _profile_bomb(2)),
    lambda: ("a JPEG of 0xff only", b"\xff\xd8" + b"\xff" * 5_000),
    lambda: ("a picture within the text of a picture", blank_png(9, 9, png_chunk(b"zTXt", b"x\0\0" + zlib.compress(png(9, 9))))),
    lambda: ("a JPEG of 20 scans", _scans(200, 20)),
    lambda: ("16 bits and large", _deep()),
)
HEAVY: Mapping[str, Callable[[], bytes]] = {
    "a black 48 megapixel PNG": cache(lambda: blank_png(12_000, 4_000)),
    "a PNG of one pixel with 64 MB of them": cache(lambda: png(1, 1, scanlines=bytes(64_000_000))),
    "a text bomb": cache(lambda: blank_png(10, 10, text_bomb(60))),
    "sixty text bombs below the limit": cache(lambda: blank_png(10, 10, *[text_bomb(1)] * 60)),
    "a colour profile bomb": cache(lambda: blank_png(10, 10, profile_bomb(60))),
    "a PNG of 50000 chunks": cache(_chunks),
    "a JPEG of 300 scans": cache(lambda: scan_bomb(800, 300)),
    "a PNG of 49 lines a megapixel long": cache(lambda: blank_png(16_384, 3_000)),
    "a mask's worth of a mask": cache(lambda: png(1, 1).ljust(MASK_LIMIT + 1, b"\0")),
}
"""Those that cost a worker a second, or the line many megabytes: each comes in its turn."""


CLASSES: Mapping[str, tuple[float, Maker]] = {
    "as they are": (12, hostile.as_is),
    "flipped": (14, hostile.flipped),
    "truncated": (10, hostile.cut),
    "spliced": (6, hostile.spliced),
    "rearranged": (12, hostile.rearranged),
    "wrong magic": (4, hostile.wrong_magic),
    "resized": (8, hostile.resized_header),
    "with tails": (6, hostile.with_tail),
    "with heads": (3, _with_head),
    "noise": (3, hostile.noise),
    "wrong sums": (3, _bad_sums),
    "lying headers": (8, _lying_header),
    "odd boxes": (3, _boxes),
    "huge heads": (3, _huge_head),
    "next to nothing": (1, _tiny),
    "bombs": (2, _light_bomb),
    "masks": (4, hostile.as_is),
    ODD_FORM: (2, hostile.as_is),
    "too large": (0.02, _too_large),
}
"""Weights and makers. Masks and odd forms are made otherwise."""
