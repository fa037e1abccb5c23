"""Bad calls by way of HTTP: headers, filters, cursors, keys and files that are not what they should be."""

import socket
import struct
from contextlib import suppress

import pytest
from PIL import Image

from domain.limits import LIMITS
from tests.hostile import PNG_MAGIC, blank_png, encode, packed_zeros, png, png_chunk, text_bomb
from tests.http_house import House, check_problem
from tests.kill_matrix import a_png
from tests.service import Customer

CARD = "4242 4242 4242 4242"
BIG = 2**64


@pytest.mark.parametrize(
    ("sent", "status", "problem"),
    [
        ({}, 415, "unsupported-media-type"),
        ({"Content-Type": "text/plain"}, 415, "unsupported-media-type"),
        ({"Content-Type": "application/json; charset=latin-1"}, 202, ""),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415, "unsupported-media-type"),
        ({"Content-Type": "application/json", "Idempotency-Key": "x" * 256}, 400, "invalid-text"),
        ({"Content-Type": "application/json", "Idempotency-Key": "schön"}, 400, "invalid-text"),
        ({"Content-Type": "application/json", "Idempotency-Key": CARD}, 400, "card-number-refused"),
        ({"Content-Type": "application/json", "Prefer": "wait=-1"}, 202, ""),
    ],
    ids=str,
)
def test_a_bad_header_is_refused_or_ignored(
    served: House, buyer: Customer, sent: dict[str, str], status: int, problem: str
) -> None:
    headers = [(name.encode(), value.encode()) for name, value in (buyer.headers | sent).items()]
    body = b'{"prompt": "a boat", "size": "16x16", "quality": "low"}'
    answer = served.client.post("/v1/generations", headers=headers, content=body)
    if problem:
        check_problem(answer, status, problem)
    assert answer.status_code == status
    assert CARD not in answer.text


@pytest.mark.parametrize(
    ("query", "member"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        (f"limit={BIG}", "limit"),
        ("limit=ten", "limit"),
        ("limit=1&limit=2", "limit"),
        ("after=", "after"),
        ("after=abc", "after"),
        (f"after={'a' * 256}", "after"),
        ("state=done", "state"),
        ("kind=both", "kind"),
        ("created_after=yesterday", "created_after"),
        ("created_after=2026-01-01T00:00:00", "created_after"),
        ("model=%00", "model"),
        ("modell=x", None),
    ],
)
def test_a_bad_filter_is_named(served: House, buyer: Customer, query: str, member: str | None) -> None:
    answer = served.client.get(f"/v1/generations?{query}", headers=buyer.headers)
    problem = {"after": "invalid-cursor", "model": "invalid-text"}.get(member or "", "invalid-request")
    if query.startswith(("after=aaaa", "after=")) and len(query) in (6, 262):
        problem = "invalid-request"
    check_problem(answer, 400, problem, **({"field": member} if member else {}))


def one_bit(side: int) -> bytes:
    """Some 40 kB that decode to a gigabyte of RGBA."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    pixels = png_chunk(b"IDAT", packed_zeros(side * (1 + side // 8)))
    return PNG_MAGIC + header + pixels + png_chunk(b"IEND", b"")


JPEG = encode(Image.new("RGB", (64, 64), "red"), "JPEG")
FILES: dict[str, tuple[bytes, str | None, int, str, dict[str, object]]] = {
    "a truncated PNG": (a_png()[:-40], None, 422, "truncated", {"field": "file"}),
    "a truncated JPEG": (JPEG[: len(JPEG) // 2], None, 422, "truncated", {"field": "file"}),
    "a header alone": (a_png()[:33], None, 422, "truncated", {}),
    "words": (b"this is a picture, trust me", None, 415, "unsupported-format", {"field": "file"}),
    "nothing": (b"", None, 415, "unsupported-format", {"field": "file"}),
    "a GIF": (encode(Image.new("RGB", (9, 9)), "GIF"), None, 415, "unsupported-format", {"field": "file"}),
    "a program": (b"\x7fELF" + bytes(999), None, 415, "unsupported-format", {"field": "file"}),
    "JPEG words before a PNG": (b"\xff\xd8\xff" + a_png(), None, 422, "truncated", {}),
    "40 kB that decode to a gigabyte": (one_bit(16_384), None, 422, "too-many-pixels", {"limit": LIMITS["upload_pixels"]}),
    "a side too long": (blank_png(16_385, 1), None, 422, "too-many-pixels", {"limit": LIMITS["upload_side"]}),
    "pixels the header does not own up to": (png(1, 1, scanlines=bytes(64_000_000)), None, 201, "", {}),
    "a text that unpacks to 60 MB": (blank_png(10, 10, text_bomb(60)), None, 422, "truncated", {}),
    "an animation": (
        encode(Image.new("RGB", (9, 9)), "WEBP", save_all=True, append_images=[Image.new("RGB", (9, 9), "red")]),
        None,
        422,
        "animated",
        {"limit": 1},
    ),
    "a mask without alpha": (a_png(), "mask", 422, "mask-mismatch", {"field": "file", "reason": "no_alpha"}),
    "a mask that is no PNG": (JPEG, "mask", 422, "mask-mismatch", {"field": "file", "reason": "no_alpha"}),
    "a mask of 5 MB": (a_png() + bytes(5 * 2**20), "mask", 413, "too-many-bytes", {"limit": LIMITS["mask_bytes"]}),
    "26 MB": (a_png() + bytes(26 * 2**20), None, 413, "too-many-bytes", {"limit": LIMITS["upload_bytes"]}),
    "another purpose": (a_png(), "avatar", 400, "invalid-request", {"field": "purpose", "allowed": ["reference", "mask"]}),
}


@pytest.mark.parametrize("case", FILES)
def test_a_bad_file_is_refused_or_made_harmless(served: House, buyer: Customer, case: str) -> None:
    content, purpose, status, problem, members = FILES[case]
    before = served.left(buyer)
    answer = served.upload(buyer, content, purpose)
    if not problem:
        assert answer.status_code == status, answer.text
        assert answer.json()["bytes"] < 1_000, "only the pixels are kept"
        return
    check_problem(answer, status, problem, **members)
    assert served.left(buyer) == before


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "not a form"),
        (b"--x\r\n", "not a form"),
        (b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nmask\r\n--x--\r\n', "file is missing"),
        (b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nbytes\r\n--x--\r\n', "sent as a file"),
        (b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\nb\r\n--x--\r\n', "no such part"),
    ],
)
def test_a_broken_form_is_refused(served: House, buyer: Customer, body: bytes, detail: str) -> None:
    headers = buyer.headers | {"Content-Type": "multipart/form-data; boundary=x"}
    answer = served.client.post("/v1/media", headers=headers, content=body)
    check_problem(answer, 400, "invalid-request")
    assert detail in answer.json()["detail"]


@pytest.mark.parametrize(
    ("before", "again"),
    [
        (b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Big: ", b"x" * 4096),
        (b"GET /health/live HTTP/1.1\r\nHost: x\r\n", b"X-Big: x\r\n" * 400),
        (b"GET /", b"x" * 4096),
        (b"POST /v1/quotes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=", b"x" * 4096),
        (b"POST /v1/quotes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\nX: ", b"x" * 4096),
    ],
    ids=["one header", "many headers", "the address", "a chunk's extension", "a trailer"],
)
def test_what_has_no_end_is_cut_off(served: House, before: bytes, again: bytes) -> None:
    """Before it fills the memory of a process that serves others too, and before anybody has shown a key."""
    sent = 0
    address = (served.client.base_url.host, served.client.base_url.port or 0)
    with suppress(ConnectionError), socket.create_connection(address, timeout=30) as connection:
        connection.sendall(before)
        while sent < 32 * 2**20:
            connection.sendall(again)
            sent += len(again)
    assert sent < 32 * 2**20, "it was taken in"
    assert served.client.get("/health/live").status_code == 200
