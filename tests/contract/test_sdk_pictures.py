"""OpenAI's own client, unmodified, told nothing but another base URL: pictures, raw answers, and the classes of its errors."""

import asyncio
import base64
import io
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from openai.types import ImagesResponse
from PIL import Image

from tests import plain_http
from tests.http_house import House
from tests.sdks import Sdk
from tests.service import Customer

pytestmark = pytest.mark.anyio
FOX: dict[str, Any] = {"model": "gpt-image-2", "prompt": "a red fox in snow", "quality": "low", "size": "64x64"}


def fault(name: str) -> dict[str, str]:
    return {"X-Sandbox-Fault": name}


def sizes(made: ImagesResponse) -> list[str]:
    """Of the pictures, which are read to their ends. Strictly, the answer is what the SDK's model says, and nothing more."""
    ImagesResponse.model_validate(made.to_dict(), strict=True, extra="forbid")
    found = list[str]()
    for picture in made.data or []:
        with Image.open(io.BytesIO(base64.b64decode(picture.b64_json or "", validate=True))) as opened:
            opened.load()
            found.append(f"{opened.width}x{opened.height} {opened.format}")
    return found


def test_pictures_are_made_several_at_once(served: House, buyer: Customer, sdk: Sdk) -> None:
    with sdk(served, buyer) as client:
        made = client.images.generate(**FOX, n=2, output_format="webp", user="u-1", response_format="b64_json")
    assert sizes(made) == ["64x64 WEBP"] * 2
    assert (made.size, made.quality, made.output_format, made.background) == ("64x64", "low", "webp", "opaque")
    assert made.usage
    assert made.usage.total_tokens == made.usage.input_tokens + made.usage.output_tokens > 0
    assert served.left(buyer).generations == 1


async def test_the_asynchronous_client_and_raw_answers(served: House, buyer: Customer) -> None:
    async with AsyncOpenAI(api_key=buyer.key, base_url=f"{served.client.base_url}/v1") as client:
        raw, made = await asyncio.gather(client.images.with_raw_response.generate(**FOX), client.images.generate(**FOX))
        models = [model.id async for model in await client.models.list()]
        assert (await client.models.retrieve("gpt-image-2")).id in models
    assert (raw.status_code, raw.headers["content-type"]) == (200, "application/json")
    history = served.get(buyer, "/v1/generations")["data"]
    assert raw.headers["x-generation-id"] in [each["id"] for each in history]
    assert raw.headers["x-request-id"]
    assert sizes(raw.parse()) == sizes(made) == ["64x64 PNG"]
    assert len(history) == 2, "equal requests on purpose are two"


def test_errors_are_of_the_classes_they_have_at_the_source(served: House, buyer: Customer, sdk: Sdk) -> None:
    with sdk(served, buyer) as client:
        for name, kind, code in (
            ("refuse-input", openai.BadRequestError, "moderation_blocked"),
            ("refuse-output", openai.BadRequestError, "moderation_blocked"),
        ):
            with pytest.raises(kind) as said:
                client.images.generate(**FOX, extra_headers=fault(name))
            assert (said.value.code, said.value.type) == (code, "image_generation_user_error")
            assert f"moderation_stage={name.removeprefix('refuse-')}" in said.value.message
        with pytest.raises(openai.InternalServerError) as failed:
            client.images.generate(**FOX, extra_headers=fault("fail"))
        assert failed.value.type == "server_error"
        with pytest.raises(openai.BadRequestError) as unknown:
            client.images.generate(**FOX, extra_body={"seed": 7})
        assert (unknown.value.code, unknown.value.param) == ("unknown_parameter", "seed")
        with pytest.raises(openai.NotFoundError):
            client.images.generate(**FOX | {"model": "dall-e-3"})
    assert served.left(buyer).generations == 3, "a failure is told once: the client does not ask again by itself"
    with sdk(served, served.customer(0)) as poor, pytest.raises(openai.RateLimitError) as broke:
        poor.images.generate(**FOX)
    assert broke.value.code == broke.value.type == "insufficient_quota"
    with sdk(served, Customer(buyer.account, buyer.wallet, buyer.key[:-1])) as nobody, pytest.raises(openai.AuthenticationError):
        nobody.images.generate(**FOX)


def test_a_client_that_loses_patience_and_asks_again_gets_the_same_picture(served: House, buyer: Customer, sdk: Sdk) -> None:
    """Its first try is over before the picture is there; its retries are of the SDK's own making."""
    slowly = fault("latency_ms=2500")
    with sdk(served, buyer, timeout=2.0, max_retries=10) as client:
        made = client.images.generate(**FOX, extra_headers=slowly)
    assert sizes(made) == ["64x64 PNG"]
    left = served.left(buyer)
    assert (left.generations, left.assets, left.credits[1]) == (1, 1, 0)


def test_a_client_that_gives_up_loses_nothing(served: House, buyer: Customer, sdk: Sdk) -> None:
    slowly = fault("latency_ms=1500")
    with sdk(served, buyer, timeout=1.0, max_retries=0) as client, pytest.raises(openai.APITimeoutError):
        client.images.generate(**FOX, extra_headers=slowly)
    served.idle()
    (made,) = served.get(buyer, "/v1/generations")["data"]
    assert (made["state"], len(made["assets"])) == ("succeeded", 1)
    assert served.left(buyer).credits[1] == 0


def test_the_same_key_joins_while_it_is_made_and_after(served: House, buyer: Customer) -> None:
    headers = {"Idempotency-Key": "k", **fault("latency_ms=800")}
    body = {"prompt": "a boat", "size": "64x64", "quality": "low"}

    async def all_at_once() -> list[httpx.Response]:
        address = str(served.client.base_url)
        async with plain_http.AsyncClient(base_url=address, headers=buyer.headers | headers, timeout=60) as client:
            return list(await asyncio.gather(*(client.post("/v1/images/generations", json=body) for _ in range(5))))

    answers = asyncio.run(all_at_once())
    answers.append(served.client.post("/v1/images/generations", headers=buyer.headers | headers, json=body))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert served.left(buyer).generations == 1
    other = served.client.post("/v1/images/generations", headers=buyer.headers | headers, json=body | {"n": 2})
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_mismatch")
    id = answers[0].headers["x-generation-id"]
    assert served.client.delete(f"/v1/generations/{id}?purge=true", headers=buyer.headers).status_code == 204
    purged = served.client.post("/v1/images/generations", headers=buyer.headers | headers, json=body)
    assert (purged.status_code, purged.headers["x-generation-id"]) == (410, id)
    elsewhere = served.client.post("/v1/generations", headers=buyer.headers | {"Idempotency-Key": "k"}, json=body)
    assert elsewhere.status_code == 202, "another route is another key"
