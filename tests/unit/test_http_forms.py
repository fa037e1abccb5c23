"""Forms read as they come in: whole however they are cut, and ended at the first thing that does not belong."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import DomainError, IntakeBusy, InvalidRequest, InvalidText, LimitExceeded, TooManyBytes
from entrypoints.http.forms import File, Form, Part, read_form
from entrypoints.http.uploads import Uploads

PARTS = {
    "image": Part(1_000, is_file=True, most=3),
    "image[]": Part(1_000, is_file=True, most=3, said="image"),
    "mask": Part(100, is_file=True),
    "prompt": Part(40),
}


def text(name: str, value: bytes) -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)


def file(name: str, content: bytes) -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="%s"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    return head % name.encode() + content + b"\r\n"


def read(
    body: bytes, piece: int = 10_000, boundary: str = "b", end: bytes = b"--b--\r\n", uploads: Uploads | None = None
) -> Form:
    whole = body + end

    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, len(whole), piece):
            yield whole[start : start + piece]

    with (uploads or Uploads()).place() as share:
        return asyncio.run(read_form(boundary, stream(), PARTS, share.keep))


def sent(name: str, content: bytes) -> File:
    return File(name, content, hashlib.sha256(content).hexdigest())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=3), st.integers(1, 200))
def test_a_form_is_whole_however_it_is_cut(contents: list[bytes], piece: int) -> None:
    body = text("prompt", "ein Füchslein".encode()) + b"".join(file("image", content) for content in contents)
    form = read(body + file("mask", b"\r\n--"), piece)
    assert form.texts == {"prompt": "ein Füchslein"}
    assert form.files == [*(sent("image", content) for content in contents), sent("mask", b"\r\n--")]


@pytest.mark.parametrize(
    ("body", "refusal", "field"),
    [
        (text("colour", b"red"), InvalidRequest, "colour"),
        (text("4242 4242 4242 4242", b"red"), InvalidRequest, None),
        (b"--b\r\nContent-Disposition: form-data\r\n\r\nred\r\n", InvalidRequest, None),
        (b"--b\r\nContent-Type: text/plain\r\n\r\nred\r\n", InvalidRequest, None),
        (text("image", b"red"), InvalidRequest, "image"),
        (text("image[]", b"red"), InvalidRequest, "image"),
        (file("prompt", b"red"), InvalidRequest, "prompt"),
        (text("prompt", b"a") + text("prompt", b"a"), InvalidRequest, "prompt"),
        (file("mask", b"a") * 2, InvalidRequest, "mask"),
        (file("image[]", b"a") * 4, LimitExceeded, "image"),
        (file("image", b"a") * 1_000, LimitExceeded, "image"),
        (text("prompt", b"\xff"), InvalidText, "prompt"),
        (text("prompt", b"a" * 41), InvalidText, "prompt"),
        (file("mask", b"a" * 101), TooManyBytes, "mask"),
        (file("image[]", b"a" * 1_001), TooManyBytes, "image"),
        (b'--b\r\nContent-Disposition: form-data; name="prompt"\r\nX: ' + b"x" * 9_000 + b"\r\n\r\na\r\n", InvalidRequest, None),
        (b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n' + b"X: y\r\n" * 20 + b"\r\na\r\n", InvalidRequest, None),
        (b'--b\r\nContent-Disposition: form-data; name="prompt"\n\na\r\n', InvalidRequest, None),
        (b"nonsense", InvalidRequest, None),
    ],
    ids=range(19),
)
@pytest.mark.parametrize("piece", [7, 100_000])
def test_what_does_not_belong_is_refused_by_name(body: bytes, refusal: type[DomainError], field: str | None, piece: int) -> None:
    with pytest.raises(refusal) as refused:
        read(body, piece)
    assert refused.value.facts.get("field") == field
    assert "4242" not in str(refused.value.facts) + refused.value.detail


@pytest.mark.parametrize("end", [b"", b"--b", b"--b\r\n", b"--b\r\nContent-"])
def test_a_form_that_is_cut_off_is_none(end: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read(file("image", b"a" * 500), end=end)


@pytest.mark.parametrize("boundary", ["", "c", "b\n", "ü"])
def test_a_form_needs_its_boundary(boundary: str) -> None:
    with pytest.raises(InvalidRequest):
        read(file("image", b"a"), boundary=boundary)


def test_all_forms_together_take_no_more_memory_than_there_is_for_them() -> None:
    uploads = Uploads(most_bytes=1_500)
    with uploads.place() as other:
        other.keep(600)
        with pytest.raises(IntakeBusy):
            read(file("image", b"a" * 901), uploads=uploads)
        assert (uploads.held, uploads.under_way) == (600, 1)
        read(file("image", b"a" * 900), uploads=uploads)
    assert (uploads.held, uploads.under_way) == (0, 0)
