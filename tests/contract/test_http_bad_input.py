"""Bad input by way of HTTP: each is a problem document that names the field and the limit, and nothing is left behind."""

import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from PIL import Image

from adapters.postgres.embedded import EmbeddedPostgres
from domain.accounts import Mode, Scope, write_key
from domain.limits import LIMITS
from tests.clusters import new_database
from tests.easel import holed
from tests.hostile import PNG_MAGIC, blank_png, packed_zeros, png, png_chunk, text_bomb
from tests.http_house import House, check_problem, house
from tests.kill_matrix import a_png
from tests.service import Customer
from tests.world import new_id

pytestmark = pytest.mark.anyio
CARD = "4242 4242 4242 4242"
BIG = 2**64
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
async def served(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(new_database(postgres), tmp_path_factory.mktemp("served")) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Cast:
    """Who asks, and their pictures by name."""

    buyer: Customer
    live: Customer
    poor: Customer
    pictures: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
async def cast(served: House) -> Cast:
    made = Cast(await served.customer(), await served.customer(mode=Mode.LIVE), await served.customer(credits=2))
    other = await served.customer()
    made.pictures["picture"] = await served.picture(made.buyer, a_png())
    made.pictures["theirs"] = await served.picture(other, a_png())
    made.pictures["mask"] = await served.picture(made.buyer, holed((64, 64), (0, 0, 9, 9)), "mask")
    made.pictures["large mask"] = await served.picture(made.buyer, holed((65, 64), (0, 0, 9, 9)), "mask")
    return made


Said = dict[str, Any]
BODIES: dict[str, tuple[Any, int, str, Said]] = {
    "an unknown model": ({"model": "gpt-image-99"}, 400, "unknown-model", {"field": "model"}),
    "a retired model": ({"model": "dall-e-3"}, 400, "retired-model", {"field": "model", "replacement": "gpt-image-2.6-sunburst"}),
    "a size no model has": ({"size": "4096x4096"}, 400, "unsupported-by-model", {"field": "size", "limit": 3840}),
    "a size this model has not": ({"size": "1000x4000", "model": "gpt-image-1.5"}, 400, "unsupported-by-model", {"field": "size"}),
    "a size in words": ({"size": "large"}, 400, "unsupported-by-model", {"field": "size"}),
    "a quality the model has not": ({"quality": "max"}, 400, "unsupported-by-model", {"field": "quality"}),
    "a format the model has not": ({"output_format": "gif"}, 400, "unsupported-by-model", {"field": "output_format"}),
    "too many pictures": ({"n": 11}, 400, "limit-exceeded", {"field": "n", "limit": 10}),
    "no picture": ({"n": 0}, 400, "limit-exceeded", {"field": "n", "limit": 1}),
    "too many pixels": ({"n": 10, "size": "1792x1008"}, 400, "limit-exceeded", {"field": "n", "limit": 16_600_000}),
    "too many references": ({"images": [str(new_id()) for _ in range(17)]}, 400, "limit-exceeded", {"field": "images", "limit": 16}),
    "a reference twice": ({"images": ["picture", "picture"]}, 400, "invalid-request", {"field": "images"}),
    "a mask as a reference": ({"images": ["mask"]}, 400, "invalid-request", {"field": "images"}),
    "a mask of another size": (
        {"images": ["picture"], "mask": "large mask"},
        400,
        "invalid-mask",
        {"field": "mask", "reason": "size"},
    ),
    "a picture as a mask": ({"images": ["picture"], "mask": "picture"}, 400, "invalid-mask", {"field": "mask"}),
    "a mask for nothing": ({"mask": "mask"}, 400, "invalid-mask", {"field": "mask", "reason": "no_reference"}),
    "an empty prompt": ({"prompt": ""}, 400, "invalid-text", {"field": "prompt", "limit": 1, "reason": "too_short"}),
    "a blank prompt": ({"prompt": " \n "}, 400, "invalid-text", {"field": "prompt", "limit": 1, "reason": "too_short"}),
    "an over-long prompt": (
        {"prompt": "x" * 32_001},
        400,
        "invalid-text",
        {"field": "prompt", "limit": 32_000, "reason": "too_long"},
    ),
    "no prompt": (b"{}", 400, "invalid-request", {"field": "prompt"}),
    "a NUL": ({"prompt": "a\0b"}, 400, "invalid-text", {"field": "prompt", "reason": "nul"}),
    "half a surrogate pair": (rb'{"prompt": "a \ud800 b"}', 400, "invalid-request", {}),
    "bytes that are no text": (b'{"prompt": "\xff\xfe"}', 400, "invalid-request", {}),
    "a card number": ({"prompt": f"pay with {CARD}"}, 400, "card-number-refused", {"field": "prompt"}),
    "a card number in a label": ({"metadata": {"card": CARD}}, 400, "card-number-refused", {"field": "metadata"}),
    "a card number as a label": ({"metadata": {CARD: "x"}}, 400, "card-number-refused", {"field": "metadata"}),
    "a number beyond 64 bits": ({"n": BIG}, 400, "invalid-request", {"field": "n"}),
    "a negative one": ({"n": -BIG}, 400, "invalid-request", {"field": "n"}),
    "a maximum beyond 64 bits": ({"max_credits": BIG}, 400, "invalid-request", {"field": "max_credits"}),
    "a maximum below nothing": ({"max_credits": -1}, 400, "limit-exceeded", {"field": "max_credits", "limit": 0}),
    "a price above the maximum": ({"max_credits": 0}, 400, "price-above-maximum", {"field": "max_credits", "max_credits": 0}),
    "a fraction": ({"n": 1.5}, 400, "invalid-request", {"field": "n"}),
    "a number in words": ({"n": "1"}, 400, "invalid-request", {"field": "n"}),
    "a number that is none": (b'{"prompt": "x", "n": 1e999}', 400, "invalid-request", {}),
    "an unknown field": ({"promt": "a boat"}, 400, "invalid-request", {"field": "promt"}),
    "an unknown fault": ({"sandbox": {"fault": "explode"}}, 400, "invalid-request", {"field": "sandbox.fault"}),
    "too many labels": ({"metadata": {str(n): "" for n in range(17)}}, 400, "limit-exceeded", {"field": "metadata", "limit": 16}),
    "a deadline in the past": ({"deadline": "2020-01-01T00:00:00Z"}, 400, "invalid-request", {"field": "deadline"}),
    "deep JSON": (b'{"prompt": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", 400, "invalid-request", {"field": "prompt"}),
    "deep JSON below a label": (
        b'{"prompt": "x", "metadata": {"a": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_002,
        400,
        "invalid-request",
        {},
    ),
    "nothing but brackets": (b"[" * 10_000, 400, "invalid-request", {}),
    "malformed JSON": (b'{"prompt": "a boat"', 400, "invalid-request", {}),
    "no body": (b"", 400, "invalid-request", {}),
    "a list": (b"[]", 400, "invalid-request", {}),
    "an oversize body": (b'{"prompt": "' + b"x" * LIMITS["body_bytes"] + b'"}', 413, "body-too-large", {"limit": LIMITS["body_bytes"]}),
    "somebody else's picture": ({"images": ["theirs"]}, 404, "not-found", {}),
    "no such picture": ({"images": [str(new_id())]}, 404, "not-found", {}),
    "no such parent": ({"parent": str(new_id())}, 404, "not-found", {}),
    "an id that is none": ({"parent": "1"}, 400, "invalid-request", {"field": "parent"}),
}


def written(body: Any, pictures: dict[str, str]) -> bytes:
    if isinstance(body, bytes):
        return body
    named: Said = {"prompt": "a boat", "size": "64x64"} | body
    if "images" in named:
        named["images"] = [pictures.get(name, name) for name in named["images"]]
    if "mask" in named:
        named["mask"] = pictures[named["mask"]]
    return json.dumps(named).encode()


@pytest.mark.parametrize("route", ["/v1/generations", "/v1/quotes"])
@pytest.mark.parametrize("case", BODIES)
async def test_a_bad_request_is_told_what_is_wrong_and_leaves_nothing(served: House, cast: Cast, case: str, route: str) -> None:
    body, status, problem, members = BODIES[case]
    if route == "/v1/quotes" and case in (
        *("a price above the maximum", "no such parent", "a deadline in the past"),
    ):  # a quote answers the price itself, and starts nothing
        return
    before = served.left(cast.buyer)
    headers = cast.buyer.headers | JSON | {"Idempotency-Key": case}
    answer = await served.client.post(route, headers=headers, content=written(body, cast.pictures))
    check_problem(answer, status, problem, **members)
    assert served.left(cast.buyer) == before
    check_silent(served, answer, body)


def check_silent(served: House, answer: httpx.Response, body: Any) -> None:
    """Neither the answer nor the log repeats what was sent."""
    for secret in (CARD, CARD.replace(" ", ""), "pay with"):
        assert secret not in answer.text
        assert secret not in served.logs


async def test_a_refused_request_binds_no_key(served: House, cast: Cast) -> None:
    headers = cast.buyer.headers | {"Idempotency-Key": "again"}
    refused = await served.client.post("/v1/generations", headers=headers, json={"prompt": ""})
    assert refused.status_code == 400
    body = {"prompt": "a boat", "size": "64x64", "quality": "low"}
    assert (await served.client.post("/v1/generations", headers=headers, json=body)).status_code == 202


async def test_too_few_credits_are_told_with_what_is_needed_and_what_is_there(served: House, cast: Cast) -> None:
    before = served.left(cast.poor)
    quoted = await served.client.post("/v1/quotes", headers=cast.poor.headers, json={"prompt": "a boat"})
    answer = await served.client.post("/v1/generations", headers=cast.poor.headers, json={"prompt": "a boat"})
    check_problem(answer, 402, "insufficient-credits", required=quoted.json()["credits"], available=2)
    assert served.left(cast.poor) == before


async def test_the_sandbox_is_for_test_keys_only(served: House, cast: Cast) -> None:
    before = served.left(cast.live)
    body = {"prompt": "a boat", "sandbox": {"fault": "fail"}}
    answer = await served.client.post("/v1/generations", headers=cast.live.headers, json=body)
    check_problem(answer, 400, "invalid-request", field="sandbox")
    small = await served.client.post("/v1/generations", headers=cast.live.headers, json={"prompt": "a boat", "size": "64x64"})
    check_problem(small, 400, "unsupported-by-model", field="size")
    assert served.left(cast.live) == before


@pytest.mark.parametrize(
    ("sent", "status", "problem"),
    [
        ({}, 415, "unsupported-media-type"),
        ({"Content-Type": "text/plain"}, 415, "unsupported-media-type"),
        ({"Content-Type": "application/json; charset=latin-1"}, 202, ""),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415, "unsupported-media-type"),
        ({**JSON, "Idempotency-Key": "x" * 256}, 400, "invalid-text"),
        ({**JSON, "Idempotency-Key": "schön"}, 400, "invalid-text"),
        ({**JSON, "Idempotency-Key": CARD}, 400, "card-number-refused"),
        ({**JSON, "Prefer": "wait=-1"}, 202, ""),
    ],
    ids=str,
)
async def test_a_bad_header_is_refused_or_ignored(
    served: House, cast: Cast, sent: dict[str, str], status: int, problem: str
) -> None:
    headers = [(name.encode(), value.encode()) for name, value in (cast.buyer.headers | sent).items()]
    body = b'{"prompt": "a boat", "size": "16x16", "quality": "low"}'
    answer = await served.client.post("/v1/generations", headers=headers, content=body)
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
async def test_a_bad_filter_is_named(served: House, cast: Cast, query: str, member: str | None) -> None:
    answer = await served.client.get(f"/v1/generations?{query}", headers=cast.buyer.headers)
    problem = {"after": "invalid-cursor", "model": "invalid-text"}.get(member or "", "invalid-request")
    if query.startswith(("after=aaaa", "after=")) and len(query) in (6, 262):
        problem = "invalid-request"
    check_problem(answer, 400, problem, **({"field": member} if member else {}))


@pytest.mark.parametrize("path", ["/v1/generations", "/v1/media", "/v1/credits/transfers"])
async def test_a_cursor_that_was_altered_or_carried_elsewhere_is_refused(served: House, cast: Cast, path: str) -> None:
    who = await served.customer()
    for _ in range(2):
        await served.made(who)
        await served.picture(who, a_png())
    cursor = (await served.get(who, path, limit=1))["next"]
    kid, place, mac = cursor.split(".")
    turned = "B" if place[0] == "A" else "A"
    altered = [f"{kid}.{turned}{place[1:]}.{mac}", f"x.{place}.{mac}", f"{kid}.{place}.{mac[:-1]}", cursor + "=", cursor[::-1]]
    for each in altered:
        answer = await served.client.get(path, headers=who.headers, params={"limit": 1, "after": each})
        check_problem(answer, 400, "invalid-cursor", field="after")
    stranger = await served.client.get(path, headers=cast.buyer.headers, params={"limit": 1, "after": cursor})
    check_problem(stranger, 400, "invalid-cursor", field="after")
    elsewhere = "/v1/media" if path == "/v1/generations" else "/v1/generations"
    check_problem(await served.client.get(elsewhere, headers=who.headers, params={"after": cursor}), 400, "invalid-cursor")
    assert (await served.get(who, path, limit=1, after=cursor))["data"]
