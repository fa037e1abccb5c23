"""XMP that says what made a picture, put into files of every format as they lie: no pixel is written anew.

Credentials that a file carries are taken out on the way. New ones take their place, which name the old file as their parent.
"""

import struct
import zlib
from collections.abc import Iterator

from domain.media import PictureFormat
from domain.provenance import SourceType

PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_XMP = b"XML:com.adobe.xmp"
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_GIF_XMP = b"XMP DataXMP"
_GIF_C2PA = b"C2PA_GIF"
_BMFF_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_WEBP_WITH_XMP, _WEBP_WITH_ALPHA = 0x04, 0x10


def packet(source_type: SourceType) -> bytes:
    """The XMP of a picture that a model made: IPTC's digital source type, and nothing else."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
        f"<Iptc4xmpExt:DigitalSourceType>{source_type.address}</Iptc4xmpExt:DigitalSourceType>"
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    ).encode()


def with_xmp(content: bytes, format: PictureFormat, xmp: bytes | None) -> bytes:
    """The file with this XMP in place of its own, or as it is if there is none to write; without credentials either way.
    Raises ValueError or struct.error for a file that is broken."""
    match str(format.value):
        case "png":
            return _png(content, xmp)
        case "jpeg":
            return _jpeg(content, xmp)
        case "webp":
            return _webp(content, xmp)
        case "gif":
            return _gif(content, xmp)
        case _:
            return _bmff(content, xmp)


def _png(content: bytes, xmp: bytes | None) -> bytes:
    if not content.startswith(PNG_START):
        raise ValueError("no PNG")
    written = [PNG_START]
    for name, chunk in png_chunks(content):
        ours_to_write = xmp is not None and name == b"iTXt" and chunk[8:].startswith(_PNG_XMP)
        if name != b"caBX" and not ours_to_write:
            written.append(chunk)
        if name == b"IHDR" and xmp is not None:
            text = b"iTXt" + _PNG_XMP + b"\0\0\0\0\0" + xmp  # not compressed, of no language
            written.append(struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text)))
    return b"".join(written)


def png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and whole chunks; what follows the last is left out."""
    at, name = len(PNG_START), b""
    while name != b"IEND":
        length, name = struct.unpack_from(">I4s", content, at)
        if at + 12 + length > len(content):
            raise ValueError("a chunk is cut off")
        yield name, content[at : at + 12 + length]
        at += 12 + length


def _jpeg(content: bytes, xmp: bytes | None) -> bytes:
    if not content.startswith(b"\xff\xd8"):
        raise ValueError("no JPEG")
    first, at = [content[:2]], 2
    written: list[bytes] = []
    while content[at + 1] != 0xDA:
        marker, length = struct.unpack_from(">HH", content, at)
        if marker >> 8 != 0xFF or length < 2 or at + 2 + length + 2 > len(content):
            raise ValueError("a segment is broken")
        segment = content[at : at + 2 + length]
        at += 2 + length
        if marker == 0xFFE0 and not written:  # JFIF wants to be first
            first.append(segment)
        elif not (marker == 0xFFEB and segment[4:6] == b"JP") and not (
            xmp is not None and marker == 0xFFE1 and segment[4:].startswith(_JPEG_XMP)
        ):
            written.append(segment)
    if xmp is not None:
        first.append(struct.pack(">HH", 0xFFE1, 2 + len(_JPEG_XMP) + len(xmp)) + _JPEG_XMP + xmp)
    return b"".join((*first, *written, content[at:]))


def _webp(content: bytes, xmp: bytes | None) -> bytes:
    chunks = [(name, body) for name, body in webp_chunks(content) if name != b"C2PA" and not (xmp and name == b"XMP ")]
    if xmp is not None:
        header = bytearray(chunks.pop(0)[1]) if chunks[0][0] == b"VP8X" else _extended(*chunks[0])
        header[0] |= _WEBP_WITH_XMP
        chunks = [(b"VP8X", bytes(header)), *chunks, (b"XMP ", xmp)]
    written = b"".join(name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2) for name, body in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(written)) + b"WEBP" + written


def webp_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP":
        raise ValueError("no WebP")
    end, at = min(8 + int(struct.unpack_from("<I", content, 4)[0]), len(content)), 12
    while at + 8 <= end:
        name, length = struct.unpack_from("<4sI", content, at)
        if at + 8 + length > end:
            raise ValueError("a chunk is cut off")
        yield name, content[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _extended(name: bytes, body: bytes) -> bytearray:
    """The header of an extended file, for one that has a single picture and nothing else."""
    if name == b"VP8L":
        (bits,) = struct.unpack_from("<I", body, 1)
        width, height, flags = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, _WEBP_WITH_ALPHA if bits >> 28 & 1 else 0
    elif name == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", body, 6))
        flags = 0
    else:
        raise ValueError("no picture where a WebP has its own")
    return bytearray(struct.pack("<I", flags) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"))


def _gif(content: bytes, xmp: bytes | None) -> bytes:
    """XMP goes in behind the colours, with a magic tail by which readers of blocks find their way out of it."""
    if content[:4] != b"GIF8":
        raise ValueError("no GIF")
    start = 13 + (3 << (content[10] & 7) + 1 if content[10] & 0x80 else 0)
    written, at = [b"GIF89a" + content[6:start]], start
    if xmp is not None:
        tail = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
        written.append(b"\x21\xff\x0b" + _GIF_XMP + xmp + tail)
    while content[at] != 0x3B:
        end = _gif_block_end(content, at)
        name = content[at + 3 : at + 14] if content[at : at + 2] == b"\x21\xff" else b""
        if not name.startswith(_GIF_C2PA) and not (xmp is not None and name == _GIF_XMP):
            written.append(content[at:end])
        at = end
    return b"".join((*written, b";"))


def _gif_block_end(content: bytes, at: int) -> int:
    if content[at] == 0x2C:  # a picture: its place, its colours, its code size
        at += 11 + (3 << (content[at + 9] & 7) + 1 if content[at + 9] & 0x80 else 0)
    elif content[at] == 0x21:
        at += 2
    else:
        raise ValueError("no block of a GIF")
    while content[at]:
        at += 1 + content[at]
    return at + 1


def _bmff(content: bytes, xmp: bytes | None) -> bytes:
    """Behind the last box, where it moves nothing; what the encoder wrote itself stays."""
    if xmp is None or b"Iptc4xmpExt:DigitalSourceType" in content:
        return content
    return content + struct.pack(">I", 24 + len(xmp)) + b"uuid" + _BMFF_XMP + xmp
