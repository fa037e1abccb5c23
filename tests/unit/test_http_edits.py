"""`POST /v1/images/edits`: however an OpenAI client sends its pictures, they come in whole and in order."""

import asyncio
import base64
import json
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from openai.types import ImagesResponse

from domain.errors import InsufficientCredits, IntakeBusy
from domain.limits import LIMITS
from domain.media import AssetKind
from domain.requests import Asked, Fault, Sandbox
from entrypoints.http.app import HttpConfig, create_app
from entrypoints.http.compatible import answers
from entrypoints.http.uploads import Uploads
from tests.http_stage import BEARER, Stage
from tests.unit.test_http_images import draws

ROUTE = "/v1/images/edits"
ONE, TWO, MASK = (b"\x89PNG\r\n\x1a\n" + word * 400 for word in (b"one", b"two", b"mask"))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "WAIT_SECONDS", 0.15)


def png(content: bytes) -> tuple[str, bytes, str]:
    return "a.png", content, "image/png"


def data_url(content: bytes, head: str = "data:image/png;base64,") -> str:
    return head + base64.b64encode(content).decode()


def post(client: TestClient[Litestar], files: Any, headers: dict[str, str] | None = None, **data: str) -> Any:
    return client.post(ROUTE, headers=BEARER | (headers or {}), files=files, data={"prompt": "a red fox"} | data)


def post_json(client: TestClient[Litestar], headers: dict[str, str] | None = None, **body: Any) -> Any:
    return client.post(ROUTE, headers=BEARER | (headers or {}), json={"prompt": "a red fox"} | body)


@pytest.mark.parametrize("name", ["image", "image[]"])
def test_the_references_and_the_mask_come_in_their_order(name: str, stage: Stage, client: TestClient[Litestar]) -> None:
    draws(stage, b"drawn")
    answer = post(client, [(name, png(ONE)), ("mask", png(MASK)), (name, png(TWO))])
    assert answer.status_code == 200, answer.text
    assert stage.came_along == ([ONE, TWO], MASK)
    made = ImagesResponse.model_validate(answer.json(), strict=True, extra="forbid")
    assert made.data
    assert base64.b64decode(made.data[0].b64_json or "") == b"drawn"
    assert answer.headers["x-generation-id"] in map(str, stage.kept)


def test_texts_are_read_as_what_they_mean(stage: Stage, client: TestClient[Litestar]) -> None:
    said = {"n": "2", "size": "64x64", "quality": "low", "output_format": "webp", "output_compression": "80"}
    ignored = {"user": "u1", "response_format": "b64_json", "input_fidelity": "high", "stream": "false", "partial_images": "0"}
    answer = post(client, {"image": png(ONE)}, {"X-Sandbox-Fault": "fail"}, model="gpt-image-2", **said, **ignored)
    assert answer.status_code == 504, answer.text
    asked: Asked = stage.told["asked"]
    assert (asked.prompt, asked.model, asked.n, asked.size, asked.quality) == ("a red fox", "gpt-image-2", 2, "64x64", "low")
    assert (asked.output_format, asked.output_compression, asked.sandbox) == ("webp", 80, Sandbox(Fault.FAIL))


def test_as_json_there_are_data_urls_and_assets(stage: Stage, client: TestClient[Litestar]) -> None:
    stored = stage.has_picture(width=64, height=64)
    answer = post_json(
        client,
        images=[{"image_url": data_url(ONE)}, {"file_id": str(stored.id)}, {"image_url": data_url(TWO, "data:;base64,")}],
        mask={"image_url": data_url(MASK, "DATA:image/PNG;charset=x;base64,")},
    )
    assert answer.status_code == 504, answer.text
    assert stage.came_along == ([ONE, stored.id, TWO], MASK)


def test_a_large_data_url_is_decoded_bit_by_bit_to_the_same_bytes(stage: Stage, client: TestClient[Litestar]) -> None:
    large = bytes(range(256)) * 20_000 + b"x"
    assert post_json(client, images=[{"image_url": data_url(large)}]).status_code == 504
    assert stage.came_along == ([large], None)


def test_the_same_edit_is_the_same_request_however_it_is_sent(stage: Stage, client: TestClient[Litestar]) -> None:
    def fingerprint() -> Any:
        return stage.told["idempotency"][1]

    key = {"Idempotency-Key": "k"}
    first = post(client, [("image", png(ONE)), ("image", png(TWO)), ("mask", png(MASK))], key, n="1")
    seen = {fingerprint()}
    post(client, [("mask", ("b.png", MASK)), ("image[]", ("c", ONE, "text/plain")), ("image[]", png(TWO))], key, n="1")
    seen.add(fingerprint())
    urls = [{"image_url": data_url(content)} for content in (ONE, TWO)]
    again = post_json(client, key, images=urls, mask={"image_url": data_url(MASK)}, n=1)
    assert len(seen | {fingerprint()}) == 1
    assert first.headers["x-generation-id"] == again.headers["x-generation-id"]
    others: list[Any] = [
        ([("image", png(TWO)), ("image", png(ONE)), ("mask", png(MASK))], {"n": "1"}),
        ([("image", png(ONE)), ("image", png(TWO))], {"n": "1"}),
        ([("image", png(ONE)), ("image", png(TWO)), ("mask", png(ONE))], {"n": "1"}),
        ([("image", png(ONE)), ("image", png(TWO)), ("mask", png(MASK))], {"n": "2"}),
        ([("image", png(ONE)), ("image", png(TWO)), ("mask", png(MASK))], {"n": "1", "prompt": "a grey fox"}),
    ]
    for files, said in others:
        post(client, files, key, **said)
        seen.add(fingerprint())
    assert len(seen) == 1 + len(others)


async def answer_to(app: Any, receive: Any, content_type: bytes) -> tuple[int, Any]:
    sent = list[Any]()
    headers = [(b"content-type", content_type), (b"authorization", BEARER["Authorization"].encode())]
    scope: Any = {"type": "http", "method": "POST", "path": ROUTE, "raw_path": ROUTE.encode(), "root_path": ""}
    scope |= {"query_string": b"", "headers": headers, "scheme": "http", "state": {}, "http_version": "1.1"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])["error"]


def endless(content_type: bytes, head: bytes, again: bytes, stage: Stage | None = None) -> tuple[int, Any, int, Uploads]:
    """The answer to a body without end that begins so and goes on so, how much of it was read, and what is left of it."""
    read = 0

    async def receive() -> Any:
        nonlocal read
        body = again if read else head
        read += len(body)
        return {"type": "http.request", "body": body, "more_body": True}

    app = create_app((stage or Stage()).container(), HttpConfig("1"))
    status, error = asyncio.run(answer_to(app, receive, content_type))
    return status, error, read, app.state.edits


FORM = b"multipart/form-data; boundary=b"


def test_who_cannot_pay_is_told_before_anything_is_read() -> None:
    broke = Stage(broke=InsufficientCredits("none left", required=1, available=0))
    status, error, read, _ = endless(FORM, b"--b\r\n", b"", broke)
    assert (status, error["code"], read) == (429, "insufficient_quota", 0)


@pytest.mark.parametrize(
    ("content_type", "head", "limit", "param"),
    [
        (FORM, b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n', "upload_bytes", "image"),
        (FORM, b'--b\r\nContent-Disposition: form-data; name="mask"; filename="a"\r\n\r\n', "mask_bytes", "mask"),
        (b"application/json", b'{"prompt": "', "json_form_bytes", "images"),
    ],
)
def test_a_body_without_end_is_cut_off_at_its_limit(content_type: bytes, head: bytes, limit: str, param: str) -> None:
    status, error, read, edits = endless(content_type, head, b"x" * 2**20)
    assert (status, error["param"]) == (400, param)
    assert str(LIMITS[limit]) in error["message"]
    assert read <= LIMITS[limit] + 2**21
    assert (edits.under_way, edits.held) == (0, 0)


def test_files_that_are_too_large_together_are_refused_by_that_limit() -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + bytes(10 * 2**20) + b"\r\n"
    status, error, read, edits = endless(FORM, part, part)
    assert (status, error["param"], edits.held) == (400, "image", 0)
    assert str(LIMITS["form_bytes"]) in error["message"]
    assert read <= LIMITS["form_bytes"] + 2 * len(part)


def test_there_is_an_end_to_the_memory_for_all_edits(stage: Stage) -> None:
    client = stage.client()
    edits: Uploads = client.app.state.edits
    with client:
        edits.held = (edits.most_bytes or 0) - 100
        busy = post(client, {"image": png(ONE)})
        assert (busy.status_code, busy.json()["error"]["code"]) == (503, "intake_busy")
        edits.held, edits.under_way = 0, edits.most
        assert post(client, {"image": png(ONE)}).status_code == 503
        edits.under_way = 0
        assert post(client, {"image": png(ONE)}).status_code == 504
    assert (edits.held, edits.under_way) == (0, 0)


def test_while_the_result_is_waited_for_nothing_of_the_form_is_in_memory(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    client = stage.client()
    edits: Uploads = client.app.state.edits
    seen = list[tuple[int, int]]()

    async def watched(found: Any, *more: Any) -> Any:
        seen.append((edits.held, edits.under_way))
        return found

    monkeypatch.setattr(answers, "until_finished", watched)
    with client:
        post(client, {"image": png(ONE)})
    assert seen == [(0, 0)]


def test_intake_that_is_busy_says_when_to_ask_again(stage: Stage, client: TestClient[Litestar]) -> None:
    stage.refusal = IntakeBusy()
    answer = post(client, {"image": png(ONE)})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert AssetKind.OUTPUT not in {asset.kind for asset in stage.pictures.values()}
