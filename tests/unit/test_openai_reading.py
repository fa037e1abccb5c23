"""What OpenAI answers, read piece by piece: whatever comes, nothing is raised, and what can be used is used."""

import base64
import io
import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from adapters.image_models.openai.allowance import allowance, duration, retry_after
from adapters.image_models.openai.answers import read
from adapters.image_models.openai.complaints import Complaint
from adapters.image_models.openai.events import EventBuffer, content
from adapters.image_models.openai.looks import NoPicture, look
from domain.attempts import Allowance, Stage, Usage
from domain.media import PictureFormat
from tests.hostile import hostile_uploads, valid_uploads
from tests.offer import CATALOGUE, ask
from tests.provider_pictures import picture

PRICES = CATALOGUE.models["gpt-image-2"].prices
KNOWN = {"PNG", "JPEG", "WEBP", "GIF"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(("name", "file"), [(name, file) for name, file in valid_uploads() if name != "tiff"])
def test_a_header_is_read_as_a_decoder_reads_it(name: str, file: bytes) -> None:
    seen = look(file)
    with Image.open(io.BytesIO(file)) as opened:
        assert (seen.format.value.upper(), seen.width, seen.height) == (opened.format, *opened.size)
        assert seen.has_alpha is opened.has_transparency_data


@pytest.mark.parametrize("format", list(PictureFormat))
def test_a_picture_that_ends_too_early_is_none(format: PictureFormat) -> None:
    whole = picture(format.value, 64, 48, 1, alpha=True, frames=3)
    assert look(whole).format is format
    for end in range(len(whole) - 2):
        with pytest.raises(NoPicture):
            look(whole[:end])


def test_no_bytes_break_the_reading_of_headers() -> None:
    told = 0
    for _, file in itertools.islice(hostile_uploads(7), 1_500):
        try:
            told += look(file).width > 0
        except NoPicture:
            continue
    assert told > 100


DURATIONS = {
    "6ms": 0.006,
    "1s": 1,
    "1m12s": 72,
    "2h": 7200,
    "1h0m30.5s": 3630.5,
    "1d": 86_400,
    "12": 12,
    "0.5": 0.5,
    "900d": 86_400,
    **dict.fromkeys(("soon", "", None, "-3", "nan", "1e999", "5 apples")),
}


@pytest.mark.parametrize(("written", "seconds"), DURATIONS.items())
def test_durations_are_read_as_they_are_written(written: str | None, seconds: float | None) -> None:
    assert duration(written) == seconds


def limits(requests: str = "", images: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for kind, said in (("requests", requests), ("images", images)):
        if said:
            found |= {
                f"x-ratelimit-{name}-{kind}": v for name, v in zip(("limit", "remaining", "reset"), said.split("/"), strict=True)
            }
    return found


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, None),
        (limits("60/59/1s"), Allowance(60, 59, 1.0)),
        (limits("60/59/1s", "5/2/24s"), Allowance(5, 2, 24.0)),
        (limits("60/1/1s", "5/2/24s"), Allowance(60, 1, 1.0)),
        (limits("60/99/1s"), Allowance(60, 60, 1.0)),
        (limits("60/0/later"), Allowance(60, 0, 0.0)),
        (limits("many/few/1s"), None),
        (limits("0/0/1s"), None),
        (limits("1e30/5/1s"), None),
    ],
)
def test_the_tighter_limit_counts(headers: dict[str, str], told: Allowance | None) -> None:
    assert allowance(headers) == told


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "9"}, 9.0),
        ({"retry-after": "1e300"}, 86_400.0),
        ({"retry-after": "whenever"} | limits("9/0/8s"), 8.0),
        (limits("9/0/8s", "5/0/1m"), 60.0),
        (limits("9/1/8s"), None),
    ],
)
def test_the_most_exact_header_says_when_to_come_back(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_a_date_says_when_to_come_back() -> None:
    at = datetime.now(UTC) + timedelta(seconds=90)
    assert retry_after({"retry-after": format_datetime(at, usegmt=True)}) == pytest.approx(90, abs=5)
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0


@given(
    st.dictionaries(st.sampled_from([*sorted(limits("1/1/1", "1/1/1")), "retry-after", "retry-after-ms"]), st.text(max_size=12))
)
def test_no_header_breaks_the_reading_of_limits(headers: dict[str, str]) -> None:
    wait, told = retry_after(headers), allowance(headers)
    assert wait is None or 0 <= wait <= 86_400
    assert told is None or 0 <= told.spare <= told.capacity


EVENTS = [
    (b'event: image_generation.partial_image\ndata: {"a": 1}\n\n', "image_generation.partial_image", b'{"a": 1}'),
    (b": keep-alive\n\n", "", b""),
    (b'event: x\r\ndata: {"b": 2}\r\n\r\n', "x", b'{"b": 2}'),
    (b'data:{"c":\ndata: 3}\n\n', "", b'{"c":\n3}'),
    (b"data: [DONE]\n\n", "", b"[DONE]"),
]


@given(st.lists(st.sampled_from(EVENTS)), st.randoms())
def test_events_are_the_same_however_the_line_cuts_them(events: list[tuple[bytes, str, bytes]], chance: Any) -> None:
    stream = b"".join(event for event, _, _ in events)
    buffer, found, at = EventBuffer(), list[tuple[str, bytes]](), 0
    while at < len(stream):
        size = chance.randint(1, 12)
        for whole in buffer.feed(stream[at : at + size]):
            name, told = content(whole)
            found.append((name, bytes(told)))
        at += size
    assert found == [(name, told) for _, name, told in events]
    assert not buffer.rest


PICTURE = picture("png", 32, 32, 1)
GOOD = {"created": 1, "data": [{"b64_json": base64.b64encode(PICTURE).decode()}], "output_format": "png"}
USAGE = {"input_tokens": 30, "output_tokens": 200, "input_tokens_details": {"text_tokens": 10, "image_tokens": 20}}


@given(st.sampled_from(["created", "usage", "error", "output_format", "background", "size", "extra"]), JSON)
def test_nothing_beside_a_picture_costs_the_picture(field: str, value: object) -> None:
    (seen,) = read(json.dumps(GOOD | {field: value}).encode(), ask(), PRICES).pictures
    assert seen.content == PICTURE


@given(
    st.binary(max_size=60)
    | JSON.map(lambda said: json.dumps(said).encode())
    | JSON.map(lambda said: json.dumps({"data": said}).encode())
)
def test_no_answer_breaks_the_reading_of_answers(body: bytes) -> None:
    found = read(body, ask(), PRICES)
    assert found.pictures == []


def test_nesting_without_end_is_no_answer() -> None:
    for body in (b"[" * 100_000, b'{"data":' + b"[" * 100_000, b'{"error":' + b'{"a":' * 100_000):
        assert read(body, ask(), PRICES).pictures == []
        assert Complaint.in_body(body) == Complaint()


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
        ({"input_tokens": 30}, Usage(), None),
        ({"output_tokens": True}, Usage(), None),
        ({"output_tokens": 10**12}, Usage(), None),
        (None, Usage(), None),
        ("free", Usage(), None),
    ],
)
def test_a_cost_is_never_reckoned_too_low(usage: object, tokens: Usage, cost: int | None) -> None:
    found = read(json.dumps(GOOD | {"usage": usage}).encode(), ask(), PRICES)
    assert (found.usage, found.cost) == (tokens, cost)
    assert len(found.pictures) == 1


@given(JSON | st.dictionaries(st.sampled_from(["code", "type", "message", "param", "categories", "moderation_details"]), JSON))
def test_no_complaint_breaks_the_reading_of_complaints(error: object) -> None:
    told = Complaint.of(error)
    assert told.code is None or (told.code.isascii() and 0 < len(told.code) <= 64)
    assert told.refusal(Stage.OUTPUT)
    assert told.words("refused")


@pytest.mark.parametrize(
    ("more", "stage", "categories"),
    [
        ({"moderation_stage": "input", "categories": ["violence", "self-harm"]}, Stage.INPUT, ("violence", "self-harm")),
        ({"moderation_details": {"moderation_stage": "output", "categories": "other"}}, Stage.OUTPUT, ("other",)),
        ({"categories": {"violence": True, "hate": False}}, None, ("violence",)),
        ({"message": "no. safety_violations=[sexual, violence]."}, None, ("sexual", "violence")),
        ({"moderation_stage": "dreaming", "categories": [7, None]}, None, ()),
    ],
)
def test_stage_and_categories_are_found_wherever_they_stand(
    more: dict[str, Any], stage: Stage | None, categories: tuple[str, ...]
) -> None:
    told = Complaint.of({"code": "moderation_blocked", "message": "no"} | more)
    assert (told.refuses_content, told.stage, told.categories) == (True, stage, categories)


@pytest.mark.parametrize(
    "spoil", [lambda text: text[:-3], lambda text: "!" + text[1:], lambda text: 7, lambda text: None, lambda text: ""]
)
def test_one_spoilt_picture_spoils_no_other(spoil: Callable[[str], object]) -> None:
    good = base64.b64encode(PICTURE).decode()
    body = json.dumps({"data": [{"b64_json": good}, {"b64_json": spoil(good)}, {"b64_json": good}, "nonsense"]})
    assert len(read(body.encode(), ask(n=4), PRICES).pictures) == 2
