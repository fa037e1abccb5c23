"""OpenAI's own client, unmodified, and others that write the same by hand: edits with their pictures in the request."""

import base64
import io
from typing import Any

import httpx
import pytest
from openai import APIStatusError, AsyncOpenAI, BadRequestError, NotFoundError, RateLimitError
from openai.types import ImagesResponse
from PIL import Image

from domain.accounts import Mode
from domain.provenance import SourceType
from tests.contract.test_sdk_streams import checked
from tests.hostile import encode
from tests.http_house import House, Left
from tests.pictures import corners
from tests.sdks import Sdk
from tests.service import Customer

pytestmark = pytest.mark.anyio
EDIT: dict[str, Any] = {"model": "gpt-image-2", "prompt": "the same, at night", "quality": "low", "size": "64x64"}
SLOWLY = {"X-Sandbox-Fault": "latency_ms=600"}
PNG, JPEG, WEBP = (encode(corners(), format) for format in ("PNG", "JPEG", "WEBP"))


def hole() -> bytes:
    """A mask as large as the pictures, transparent in the middle."""
    mask = Image.new("RGBA", (120, 80), "black")
    mask.paste((0, 0, 0, 0), (40, 20, 80, 60))
    return encode(mask, "PNG")


def pictures(told: ImagesResponse) -> list[bytes]:
    """Strictly, the answer is what the SDK's model says, and nothing more."""
    ImagesResponse.model_validate(told.to_dict(), strict=True, extra="forbid")
    return [base64.b64decode(each.b64_json or "", validate=True) for each in told.data or ()]


def the_one(at: House, who: Customer) -> Any:
    (made,) = at.get(who, "/v1/generations")["data"]
    return made


def test_several_references_and_a_mask(served: House, sdk: Sdk) -> None:
    who = served.customer()
    files: list[Any] = [("fox.png", PNG), io.BytesIO(JPEG), ("b.webp", WEBP, "image/webp")]
    ignored: dict[str, Any] = {"input_fidelity": "high", "user": "u", "response_format": "b64_json"}
    told = sdk(served, who).images.edit(**EDIT | {"size": "auto"}, image=files, mask=hole(), n=2, **ignored)
    drawn = pictures(told)
    assert len(set(drawn)) == 2
    assert all(Image.open(io.BytesIO(content)).size == (120, 80) for content in drawn)
    made = the_one(served, who)
    assert (made["kind"], made["state"], made["credits"]["captured"]) == ("edit", "succeeded", made["credits"]["quoted"])
    assert [served.bytes_of(asset) for asset in made["assets"]] == drawn
    kept = [served.get(who, f"/v1/media/{id}") for id in made["request"]["images"]]
    assert [(each["kind"], each["content_type"]) for each in kept] == [
        ("reference", f"image/{kind}") for kind in ("png", "jpeg", "webp")
    ]
    assert served.get(who, f"/v1/media/{made['request']['mask']}")["kind"] == "mask"


async def test_asynchronously_with_one_picture_and_raw(served: House) -> None:
    who = served.customer()
    async with AsyncOpenAI(api_key=who.key, base_url=f"{served.client.base_url}/v1/") as client:
        raw = await client.images.with_raw_response.edit(**EDIT | {"size": "auto"}, image=("a.png", PNG), output_format="jpeg")
    told = raw.parse()
    assert pictures(told)[0].startswith(b"\xff\xd8\xff")
    made = the_one(served, who)
    assert raw.headers["x-generation-id"] == made["id"]
    assert raw.headers["x-request-id"]
    assert len(made["request"]["images"]) == 1


async def test_asynchronously_with_several_references_and_a_mask_as_a_stream(served: House) -> None:
    who = served.customer()
    files: list[Any] = [("fox.png", PNG), io.BytesIO(JPEG), ("b.webp", WEBP, "image/webp")]
    asked: dict[str, Any] = EDIT | {"image": files, "mask": hole(), "size": "auto", "extra_headers": SLOWLY}
    async with (
        AsyncOpenAI(api_key=who.key, base_url=f"{served.client.base_url}/v1/") as client,
        await client.images.edit(**asked, n=2, stream=True, partial_images=1) as stream,
    ):
        events = [event async for event in stream]
    assert [event.type for event in events] == ["image_edit.partial_image", *["image_edit.completed"] * 2]
    for event in events:
        checked(event)
        assert SourceType.EDITED.address.encode() in base64.b64decode(event.b64_json)
    made = the_one(served, who)
    assert stream.response.headers["x-generation-id"] == made["id"]
    assert [served.bytes_of(asset) for asset in made["assets"]] == [base64.b64decode(each.b64_json) for each in events[1:]]
    assert made["credits"]["captured"] == made["credits"]["quoted"]
    assert (len(made["request"]["images"]), made["request"]["mask"] is not None) == (3, True)


def form(*files: tuple[str, bytes], **said: str) -> dict[str, Any]:
    return {"files": [(name, ("a.png", content, "image/png")) for name, content in files], "data": EDIT | said}


@pytest.mark.parametrize("name", ["image", "image[]"])
def test_clients_that_write_forms_by_hand_find_nothing_odd(name: str, served: House) -> None:
    who = served.customer()
    answer = served.client.post("/v1/images/edits", headers=who.headers, **form((name, PNG), (name, JPEG), ("mask", hole())))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert len(base64.b64decode(answer.json()["data"][0]["b64_json"], validate=True)) > 100
    assert len(the_one(served, who)["request"]["images"]) == 2


def test_as_json_with_a_data_url_and_an_asset(served: House, sdk: Sdk) -> None:
    who = served.customer()
    asset = served.picture(who, PNG)
    url = "data:image/jpeg;base64," + base64.b64encode(JPEG).decode()
    body = EDIT | {"images": [{"file_id": asset}, {"image_url": url}]}
    assert pictures(sdk(served, who).post("/images/edits", body=body, cast_to=ImagesResponse))
    first, second = the_one(served, who)["request"]["images"]
    assert (first, served.get(who, f"/v1/media/{second}")["content_type"]) == (asset, "image/jpeg")


def test_refusals_are_of_the_class_they_are_at_the_source_and_leave_nothing(served: House, sdk: Sdk) -> None:
    who, poor = served.customer(), served.customer(credits=0)
    client, before = sdk(served, who), served.left(who)
    refused: list[tuple[type[APIStatusError], str, str | None, dict[str, Any]]] = [
        (BadRequestError, "unsupported_file_mimetype", "image", {"image": [PNG, b"<svg xmlns='http://www.w3.org/2000/svg'/>"]}),
        (BadRequestError, "invalid_mask", "mask", {"image": PNG, "mask": encode(corners("RGBA").resize((60, 40)), "PNG")}),
        (BadRequestError, "invalid_mask", "mask", {"image": PNG, "mask": PNG}),
        (BadRequestError, "invalid_value", "image", {"image": [PNG] * 17}),
        (BadRequestError, "invalid_value", "quality", {"image": PNG, "quality": "hd"}),
        (BadRequestError, "unknown_parameter", "markup", {"image": PNG, "markup": hole()}),
        (BadRequestError, "unknown_parameter", "colour", {"image": PNG, "extra_body": {"colour": "red"}}),
        (NotFoundError, "model_not_found", "model", {"image": PNG, "model": "dall-e-2"}),
    ]
    for kind, code, param, said in refused:
        with pytest.raises(kind) as raised:
            client.images.edit(**EDIT | said)
        assert (raised.value.code, raised.value.param) == (code, param), raised.value
    with pytest.raises(RateLimitError) as broke:
        sdk(served, poor).images.edit(**EDIT, image=PNG)
    assert broke.value.code == "insufficient_quota"
    assert (served.left(who), served.left(poor)) == (before, Left((0, 0), 0, 0, 0))
    with pytest.raises(BadRequestError) as blocked:
        client.images.edit(**EDIT, image=PNG, extra_headers={"X-Sandbox-Fault": "refuse-input"})
    assert blocked.value.code == "moderation_blocked"
    assert served.left(who).credits == before.credits


def test_an_edit_that_is_sent_again_brings_its_pictures_in_once(served: House, sdk: Sdk) -> None:
    who = served.customer()
    key = {"Idempotency-Key": "the same night"}
    drawn = [pictures(sdk(served, who).images.edit(**EDIT, image=[PNG, JPEG], mask=hole(), extra_headers=key)) for _ in range(3)]
    assert drawn[0] == drawn[1] == drawn[2]
    left = served.left(who)
    assert (left.generations, left.assets, left.objects) == (1, 4, 5)  # two references, a mask, the picture, and a manifest
    with pytest.raises(APIStatusError) as other:
        sdk(served, who).images.edit(**EDIT, image=[JPEG, PNG], mask=hole(), extra_headers=key)
    assert (other.value.status_code, other.value.code) == (422, "idempotency_mismatch")
    assert served.left(who) == left


def test_a_strangers_asset_looks_like_a_missing_one(served: House) -> None:
    who, stranger = served.customer(), served.customer()
    asset = served.picture(who, PNG)
    answers = list[httpx.Response]()
    for caller, id in ((stranger, asset), (who, asset[:-1] + ("0" if asset[-1] != "0" else "1"))):
        body = EDIT | {"images": [{"file_id": id}]}
        answers.append(served.client.post("/v1/images/edits", headers=caller.headers, json=body))
    assert {answer.status_code for answer in answers} == {404}
    assert answers[0].json() == answers[1].json()
    live, body = served.customer(mode=Mode.LIVE), EDIT | {"images": [{"file_id": asset}], "size": "1024x1024"}
    assert served.client.post("/v1/images/edits", headers=live.headers, json=body).status_code == 404
