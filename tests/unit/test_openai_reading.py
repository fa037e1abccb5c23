"""What OpenAI answers, read piece by piece: whatever comes, nothing is raised, and what can be used is used."""

import base64
import io
import itertools
import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from adapters.image_models.openai import bounds
from adapters.image_models.openai.answers import read
from adapters.image_models.openai.errors import ErrorObject
from adapters.image_models.openai.events import EventBuffer
from adapters.image_models.openai.picture_headers import NoPicture, read_header
from domain.attempts import Usage
from domain.media import MADE_FORMATS, PictureFormat
from tests.hostile import ANY_JSON, hostile_uploads, valid_uploads
from tests.offer import CATALOGUE, ask
from tests.provider_pictures import picture

PRICES = CATALOGUE.models["gpt-image-2"].prices


@pytest.mark.parametrize(("name", "file"), [(name, file) for name, file in valid_uploads() if name != "tiff"])
def test_a_header_is_read_as_a_decoder_reads_it(name: str, file: bytes) -> None:
    seen = read_header(file)
    with Image.open(io.BytesIO(file)) as opened:
        assert (seen.format.value.upper(), seen.width, seen.height) == (opened.format, *opened.size)
        assert seen.has_alpha is opened.has_transparency_data


@pytest.mark.parametrize("format", MADE_FORMATS)
def test_a_picture_that_ends_too_early_is_none(format: PictureFormat) -> None:
    whole = picture(format.value, 64, 48, 1, alpha=True, frames=3)
    assert read_header(whole).format is format
    for end in range(len(whole) - 2):
        with pytest.raises(NoPicture):
            read_header(whole[:end])


def test_no_bytes_break_the_reading_of_headers() -> None:
    told = 0
    for _, file in itertools.islice(hostile_uploads(7), 1_500):
        try:
            told += read_header(file).width > 0
        except NoPicture:
            continue
    assert told > 100


EVENTS = [
    (b'event: image_generation.partial_image\ndata: {"a": 1}\n\n', "image_generation.partial_image", b'{"a": 1}'),
    (b": keep-alive\n\n", "", b""),
    (b"\n\n\r\n\n", "", b""),
    (b"retry: 7\r\n\n", "", b""),
    (b'data: {"d":"%s"}\n\n' % (b"x" * 50), "", b'{"d":"%s"}' % (b"x" * 50)),
    (b'event: x\r\ndata: {"b": 2}\r\n\r\n', "x", b'{"b": 2}'),
    (b'data:{"c":\ndata: 3}\n\n', "", b'{"c":\n3}'),
    (b'event: y\rdata: {"e": 5}\r\r', "y", b'{"e": 5}'),
    (b'data: {"f":\rdata: 6}\r\n\n', "", b'{"f":\n6}'),
    (b'data: {"g": 7}\n\r', "", b'{"g": 7}'),
    (b"\r\r\n\r", "", b""),
    (b"data: [DONE]\n\n", "", b"[DONE]"),
]


@given(st.lists(st.sampled_from(EVENTS)), st.randoms())
def test_events_are_the_same_however_the_line_cuts_them(events: list[tuple[bytes, str, bytes]], chance: Any) -> None:
    stream = b"".join(event for event, _, _ in events)
    buffer, found, at = EventBuffer(1_000), list[tuple[str, bytes]](), 0
    while at < len(stream):
        size = chance.randint(1, 12)
        found += [(event.name, bytes(event.data)) for event in buffer.feed(stream[at : at + size])]
        at += size
    assert found == [(name, told) for _, name, told in events if told]
    assert not buffer.rest.strip()


def test_empty_lines_take_no_time() -> None:
    buffer, began = EventBuffer(100), time.thread_time()
    for end in (b"\n", b"\r"):
        for _ in range(64):
            assert list(buffer.feed(end * 65_536)) == []
    (event,) = buffer.feed(b"data: 1\n\n")
    assert bytes(event.data) == b"1"
    assert time.thread_time() - began < 0.1


@pytest.mark.parametrize("crumb", [b":\n\n", b":\n", b"data: 1\n\n", b"data: 1\n", b"event: x\r\n\r\n", b"data: 1\r\r"])
def test_crumbs_without_end_are_too_much(crumb: bytes) -> None:
    buffer, began = EventBuffer(100), time.thread_time()
    with pytest.raises(bounds.TooLarge):
        list(buffer.feed(crumb * 20_000 + b"\n"))
    assert time.thread_time() - began < 0.1


def test_large_events_are_not_copied_more_than_once() -> None:
    piece, buffer, found = b"x" * 65_536, EventBuffer(100), []
    tracemalloc.start()
    for _ in range(4):
        for part in (b"data: ", *[piece] * 64, b"\n\n"):
            found += [len(event.data) for event in buffer.feed(part)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == [64 * 65_536] * 4
    assert peak < 64 * 65_536 * 2.2


PICTURE = picture("png", 32, 32, 1)
GOOD = {"created": 1, "data": [{"b64_json": base64.b64encode(PICTURE).decode()}], "output_format": "png"}
USAGE = {"input_tokens": 30, "output_tokens": 200, "input_tokens_details": {"text_tokens": 10, "image_tokens": 20}}


@given(st.sampled_from(["created", "usage", "error", "output_format", "background", "size", "extra"]), ANY_JSON)
def test_nothing_beside_a_picture_costs_the_picture(field: str, value: object) -> None:
    (seen,) = read(json.dumps(GOOD | {field: value}).encode(), ask(), PRICES).pictures
    assert seen.content == PICTURE


@given(
    st.binary(max_size=60)
    | ANY_JSON.map(lambda said: json.dumps(said).encode())
    | ANY_JSON.map(lambda said: json.dumps({"data": said}).encode())
)
def test_no_answer_breaks_the_reading_of_answers(body: bytes) -> None:
    found = read(body, ask(), PRICES)
    assert found.pictures == []


def test_nesting_without_end_is_no_answer() -> None:
    for body in (b"[" * 100_000, b'{"data":' + b"[" * 100_000, b'{"error":' + b'{"a":' * 100_000):
        assert read(body, ask(), PRICES).pictures == []
        assert ErrorObject.in_body(body) == ErrorObject()


CRUMBS = b"[" + b"1," * (4 << 20) + b"1]"


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":%s}' % CRUMBS,
        b'{"error":%s}' % CRUMBS,
        b'{"usage":%s,"error":{"code":%s}}' % (CRUMBS, CRUMBS),
        b'{"data":[{"b64_json":%s}]}' % CRUMBS,
        b'{"data":[%s{}]}' % (b'{"b64_json":"eA=="},' * (1 << 18)),
    ],
    ids=["data", "error", "usage", "item", "items"],
)
def test_an_answer_of_crumbs_builds_nothing(body: bytes) -> None:
    request = ask(n=2)
    tracemalloc.start()
    assert read(body, request, PRICES).pictures == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_a_picture_beside_crumbs_is_kept() -> None:
    good = base64.b64encode(PICTURE)
    body = b'{"usage":%s,"error":%s,"data":[{"b64_json":"%s","thoughts":%s},1%s]}' % (CRUMBS, CRUMBS, good, CRUMBS, b",1" * 99)
    assert len(read(body, ask(n=2), PRICES).pictures) == 1


@pytest.mark.parametrize(
    ("usage", "tokens", "cost"),
    [
        (USAGE, Usage(30, 200), PRICES.cost(text_input=10, image_input=20, image_output=200)),
        (USAGE | {"input_tokens_details": None}, Usage(30, 200), PRICES.cost(image_input=30, image_output=200)),
        (USAGE | {"input_tokens_details": {"text_tokens": 10}}, Usage(30, 200), PRICES.cost(image_input=30, image_output=200)),
        (
            USAGE | {"input_tokens_details": {"text_tokens": 1, "image_tokens": 1}},
            Usage(30, 200),
            PRICES.cost(image_input=30, image_output=200),
        ),
        ({"output_tokens": 200}, Usage(0, 200), PRICES.cost(image_output=200)),
        ({"input_tokens": 30}, Usage(30), PRICES.cost(image_input=30)),
        ({"input_tokens": 30, "output_tokens": "many"}, Usage(30), PRICES.cost(image_input=30)),
        ({"output_tokens": 0}, Usage(), 0),
        ({"output_tokens": True}, Usage(), None),
        ({"output_tokens": 10**12}, Usage(), None),
        (None, Usage(), None),
        ("free", Usage(), None),
    ],
)
def test_no_token_that_is_counted_is_reckoned_too_cheap(usage: object, tokens: Usage, cost: int | None) -> None:
    found = read(json.dumps(GOOD | {"usage": usage}).encode(), ask(), PRICES)
    assert (found.usage, found.cost) == (tokens, cost)
    assert len(found.pictures) == 1


@pytest.mark.parametrize(
    "spoil", [lambda text: text[:-3], lambda text: "!" + text[1:], lambda text: 7, lambda text: None, lambda text: ""]
)
def test_one_spoilt_picture_spoils_no_other(spoil: Callable[[str], object]) -> None:
    good = base64.b64encode(PICTURE).decode()
    body = json.dumps({"data": [{"b64_json": good}, {"b64_json": spoil(good)}, {"b64_json": good}, "nonsense"]})
    assert len(read(body.encode(), ask(n=4), PRICES).pictures) == 2
