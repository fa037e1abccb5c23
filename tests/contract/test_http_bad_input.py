"""Bad input by way of HTTP: each is a problem document that names the field and the limit, and nothing is left behind."""

import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from domain.accounts import Mode
from domain.limits import LIMITS
from tests.easel import holed
from tests.http_house import House, check_problem
from tests.kill_matrix import a_png
from tests.service import Customer
from tests.world import new_id

CARD = "4242 4242 4242 4242"
BIG = 2**64
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Cast:
    """Who asks, and their pictures by name."""

    buyer: Customer
    live: Customer
    poor: Customer
    pictures: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def cast(served: House) -> Cast:
    made = Cast(served.customer(), served.customer(mode=Mode.LIVE), served.customer(credits=2))
    other = served.customer()
    made.pictures["picture"] = served.picture(made.buyer, a_png())
    made.pictures["theirs"] = served.picture(other, a_png())
    made.pictures["mask"] = served.picture(made.buyer, holed((64, 64), (0, 0, 9, 9)), "mask")
    made.pictures["large mask"] = served.picture(made.buyer, holed((65, 64), (0, 0, 9, 9)), "mask")
    return made


Said = dict[str, Any]
BODIES: dict[str, tuple[Any, int, str, Said]] = {
    "an unknown model": ({"model": "gpt-image-99"}, 400, "unknown-model", {"field": "model"}),
    "a retired model": ({"model": "dall-e-3"}, 400, "retired-model", {"field": "model", "replacement": "gpt-image-2.6-sunburst"}),
    "a size no model has": ({"size": "4096x4096"}, 400, "unsupported-by-model", {"field": "size", "limit": 3840}),
    "a size this model has not": (
        {"size": "1000x4000", "model": "gpt-image-1.5"},
        400,
        "unsupported-by-model",
        {"field": "size"},
    ),
    "a size in words": ({"size": "large"}, 400, "unsupported-by-model", {"field": "size"}),
    "a quality the model has not": ({"quality": "max"}, 400, "unsupported-by-model", {"field": "quality"}),
    "a format the model has not": ({"output_format": "gif"}, 400, "unsupported-by-model", {"field": "output_format"}),
    "too many pictures": ({"n": 11}, 400, "limit-exceeded", {"field": "n", "limit": 10}),
    "no picture": ({"n": 0}, 400, "limit-exceeded", {"field": "n", "limit": 1}),
    "too many pixels": ({"n": 10, "size": "1792x1008"}, 400, "limit-exceeded", {"field": "n", "limit": 16_600_000}),
    "too many references": (
        {"images": [str(new_id()) for _ in range(17)]},
        400,
        "limit-exceeded",
        {"field": "images", "limit": 16},
    ),
    "a reference twice": ({"images": ["picture", "picture"]}, 400, "invalid-request", {"field": "images"}),
    "a mask as a reference": ({"images": ["mask"]}, 400, "invalid-request", {"field": "images"}),
    "a mask of another size": (
        {"images": ["picture"], "mask": "large mask"},
        422,
        "mask-mismatch",
        {"field": "mask", "reason": "size"},
    ),
    "a picture as a mask": ({"images": ["picture"], "mask": "picture"}, 422, "mask-mismatch", {"field": "mask"}),
    "a mask for nothing": ({"mask": "mask"}, 422, "mask-mismatch", {"field": "mask", "reason": "no_reference"}),
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
    "a number beyond 64 bits": ({"n": BIG}, 400, "limit-exceeded", {"field": "n", "limit": 10}),
    "one as far below nothing": ({"n": -BIG}, 400, "limit-exceeded", {"field": "n", "limit": 1}),
    "a maximum beyond 64 bits": ({"max_credits": BIG}, 400, "limit-exceeded", {"field": "max_credits", "limit": 2**63 - 1}),
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
    "an oversize body": (
        b'{"prompt": "' + b"x" * LIMITS["body_bytes"] + b'"}',
        413,
        "body-too-large",
        {"limit": LIMITS["body_bytes"]},
    ),
    "somebody else's picture": ({"images": ["theirs"]}, 404, "not-found", {}),
    "no such picture": ({"images": [str(new_id())]}, 404, "not-found", {}),
    "no such parent": ({"parent": str(new_id())}, 404, "not-found", {}),
    "an id that is none": ({"parent": "1"}, 400, "invalid-request", {"field": "parent"}),
}


OF_STARTING = ("a price above the maximum", "no such parent", "a deadline in the past")
"""No quote can be wrong like this: it answers the price itself, and starts nothing."""


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
def test_a_bad_request_is_told_what_is_wrong_and_leaves_nothing(served: House, cast: Cast, case: str, route: str) -> None:
    body, status, problem, members = BODIES[case]
    if route == "/v1/quotes" and case in OF_STARTING:
        return
    before = served.left(cast.buyer)
    headers = cast.buyer.headers | JSON | {"Idempotency-Key": case}
    answer = served.client.post(route, headers=headers, content=written(body, cast.pictures))
    check_problem(answer, status, problem, **members)
    assert served.left(cast.buyer) == before
    check_silent(served, answer)


def check_silent(served: House, answer: httpx.Response) -> None:
    """Neither the answer nor the log repeats what was sent."""
    for secret in (CARD, CARD.replace(" ", ""), "pay with"):
        assert secret not in answer.text
        assert secret not in served.logs


def test_a_refused_request_binds_no_key(served: House, cast: Cast) -> None:
    headers = cast.buyer.headers | {"Idempotency-Key": "again"}
    refused = served.client.post("/v1/generations", headers=headers, json={"prompt": ""})
    assert refused.status_code == 400
    body = {"prompt": "a boat", "size": "64x64", "quality": "low"}
    assert served.client.post("/v1/generations", headers=headers, json=body).status_code == 202


def test_too_few_credits_are_told_with_what_is_needed_and_what_is_there(served: House, cast: Cast) -> None:
    before = served.left(cast.poor)
    quoted = served.client.post("/v1/quotes", headers=cast.poor.headers, json={"prompt": "a boat"})
    answer = served.client.post("/v1/generations", headers=cast.poor.headers, json={"prompt": "a boat"})
    check_problem(answer, 402, "insufficient-credits", required=quoted.json()["credits"], available=2)
    assert served.left(cast.poor) == before


def test_the_sandbox_is_for_test_keys_only(served: House, cast: Cast) -> None:
    before = served.left(cast.live)
    body = {"prompt": "a boat", "sandbox": {"fault": "fail"}}
    answer = served.client.post("/v1/generations", headers=cast.live.headers, json=body)
    check_problem(answer, 400, "invalid-request", field="sandbox")
    small = served.client.post("/v1/generations", headers=cast.live.headers, json={"prompt": "a boat", "size": "64x64"})
    check_problem(small, 400, "unsupported-by-model", field="size")
    assert served.left(cast.live) == before
