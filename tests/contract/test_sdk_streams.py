"""OpenAI's own client, unmodified, told nothing but another base URL: pictures are streamed to it as at the source."""

import base64
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from openai import APIError, AsyncOpenAI, BadRequestError, RateLimitError
from PIL import Image

from adapters.postgres.embedded import EmbeddedPostgres
from domain.accounts import Mode
from domain.provenance import SourceType
from tests.clusters import new_database
from tests.easel import noise, png
from tests.hostile import encode
from tests.http_house import House, house
from tests.pictures import corners
from tests.processes import until
from tests.provider import Provider, provider
from tests.sdks import Sdk

pytestmark = pytest.mark.anyio
FOX: dict[str, Any] = {"model": "gpt-image-2", "prompt": "a red fox in snow", "quality": "low", "size": "64x64"}
LIVE: dict[str, Any] = FOX | {"size": "1024x1024"}
SLOWLY = {"X-Sandbox-Fault": "latency_ms=900"}


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with provider(tmp_path_factory.mktemp("upstream")) as openai:
        yield openai


@pytest.fixture(scope="module")
def unjudged(postgres: EmbeddedPostgres, upstream: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Live requests go to a provider, and nobody judges what comes."""
    folder: Path = tmp_path_factory.mktemp("unjudged")
    said = {"OPENAI_API_KEY": "sk-any", "OPENAI_BASE_URL": upstream.url, "MODERATE_OUTPUTS": "off", "HASH_LIST": ""}
    with house(new_database(postgres), folder, **said) as running:
        yield running


def checked(event: Any) -> Image.Image:
    """The picture in it. Strictly, it is what the SDK's model says, and nothing more."""
    type(event).model_validate(event.to_dict(), strict=True, extra="forbid")
    with Image.open(io.BytesIO(base64.b64decode(event.b64_json, validate=True))) as opened:
        opened.load()
        assert opened.format == event.output_format.upper()
        assert f"{opened.width}x{opened.height}" == event.size
        return opened.copy()


def marked(event: Any) -> bool:
    return SourceType.GENERATED.address.encode() in base64.b64decode(event.b64_json)


def test_partial_pictures_come_before_the_picture(served: House, sdk: Sdk) -> None:
    who = served.customer()
    with sdk(served, who).images.generate(**FOX, stream=True, partial_images=2, extra_headers=SLOWLY) as stream:
        events = list(stream)
    assert [event.type.removeprefix("image_generation.") for event in events] == ["partial_image", "partial_image", "completed"]
    assert [event.partial_image_index for event in events if event.type == "image_generation.partial_image"] == [0, 1]
    for event in events:
        checked(event)
        assert marked(event), "a model made it, half finished or not"
    generation = stream.response.headers["x-generation-id"]
    shown = served.get(who, f"/v1/generations/{generation}")
    assert served.bytes_of(shown["assets"][0]) == base64.b64decode(events[-1].b64_json)
    assert shown["request"]["partial_images"] == 2


async def test_asynchronously_and_several_at_once(served: House) -> None:
    who = served.customer()
    async with AsyncOpenAI(api_key=who.key, base_url=f"{served.client.base_url}/v1/") as client:
        stream = await client.images.generate(**FOX | {"output_format": "jpeg"}, n=2, stream=True, partial_images=1)
        events = [event async for event in stream]
    assert [event.type for event in events] == ["image_generation.partial_image", *["image_generation.completed"] * 2]
    for event in events:
        checked(event)
    assert len({event.b64_json for event in events}) == 3


def test_edits_are_streamed_as_edits(served: House, sdk: Sdk) -> None:
    who, photo = served.customer(), png(noise(7, (64, 64)))
    asked = {name: FOX[name] for name in ("model", "prompt", "quality", "size")}
    with sdk(served, who).images.edit(image=[photo, photo], **asked, stream=True, partial_images=1) as stream:
        events = list(stream)
    assert [event.type for event in events] == ["image_edit.partial_image", "image_edit.completed"]
    for event in events:
        checked(event)
        assert SourceType.EDITED.address.encode() in base64.b64decode(event.b64_json)
    (made,) = served.get(who, "/v1/generations")["data"]
    assert (made["kind"], made["credits"]["captured"]) == ("edit", made["credits"]["quoted"])


def test_whoever_hangs_up_loses_nothing_and_whoever_joins_sees_the_same(served: House, sdk: Sdk) -> None:
    who = served.customer()
    client, asked = sdk(served, who), FOX | {"stream": True, "partial_images": 1}
    headers = SLOWLY | {"Idempotency-Key": "the same fox"}
    with client.images.generate(**asked, extra_headers=headers) as stream:
        first = next(iter(stream))
    with client.images.generate(**asked, extra_headers=headers) as joined:
        events = list(joined)
    assert events[0] == first
    (made,) = served.get(who, "/v1/generations")["data"]
    assert joined.response.headers["x-generation-id"] == stream.response.headers["x-generation-id"] == made["id"]
    assert served.bytes_of(made["assets"][0]) == base64.b64decode(events[-1].b64_json)
    assert made["credits"]["captured"] == made["credits"]["quoted"]


def test_a_picture_that_nobody_waits_for_is_in_the_history(served: House, sdk: Sdk) -> None:
    who = served.customer()
    with sdk(served, who).images.generate(**FOX, stream=True, partial_images=1, extra_headers=SLOWLY) as stream:
        next(iter(stream))
    until(lambda: served.get(who, "/v1/generations")["data"][0]["state"] == "succeeded", "the picture to be there")
    (made,) = served.get(who, "/v1/generations")["data"]
    assert made["credits"]["captured"] == made["credits"]["quoted"]


def test_many_streams_each_have_their_own_pictures(served: House, sdk: Sdk) -> None:
    who = served.customer()
    client = sdk(served, who)

    def streamed(number: int) -> list[Any]:
        return list(client.images.generate(**FOX | {"prompt": f"a fox, {number} years old"}, stream=True, partial_images=1))

    with ThreadPoolExecutor(4) as threads:
        told = list(threads.map(streamed, range(4)))
    assert all([event.type.rpartition(".")[2] for event in events] == ["partial_image", "completed"] for events in told)
    assert len({events[-1].b64_json for events in told}) == 4


def test_where_pictures_are_looked_for_in_a_list_none_is_shown_unfinished_or_paid(served: House, sdk: Sdk) -> None:
    who = served.customer(mode=Mode.LIVE)
    asked = {**LIVE, "stream": True}
    (only,) = sdk(served, who).images.generate(**asked, partial_images=3)
    assert only.type == "image_generation.completed"
    (made,) = served.get(who, "/v1/generations")["data"]
    assert made["request"]["partial_images"] == 0
    quote = served.client.post("/v1/quotes", headers=who.headers, json=LIVE | {"partial_images": 3}).json()
    assert made["credits"]["captured"] == quote["credits"]
    assert "partial_images" not in quote["breakdown"]


def test_refusals_before_anything_is_sent_are_of_the_class_they_are_at_the_source(served: House, sdk: Sdk) -> None:
    who, asked = served.customer(), FOX | {"stream": True, "partial_images": 1}
    with pytest.raises(BadRequestError) as refused:
        sdk(served, who).images.generate(**asked, extra_headers={"X-Sandbox-Fault": "refuse-output"})
    assert refused.value.code == "moderation_blocked"
    with pytest.raises(BadRequestError) as refused:
        sdk(served, who).images.generate(**asked | {"partial_images": 4})
    assert refused.value.param == "partial_images"
    with pytest.raises(RateLimitError) as refused_for_money:
        sdk(served, served.customer(credits=0)).images.generate(**asked)
    assert refused_for_money.value.code == "insufficient_quota"


def test_what_a_provider_shows_is_passed_on_and_paid(unjudged: House, upstream: Provider, sdk: Sdk) -> None:
    who = unjudged.customer(mode=Mode.LIVE)
    with sdk(unjudged, who).images.generate(**LIVE, stream=True, partial_images=3) as stream:
        events = list(stream)
    assert [event.type.rpartition(".")[2] for event in events] == ["partial_image"] * 3 + ["completed"]
    for event in events:
        checked(event)
        assert marked(event)
    call = upstream.calls()[-1]
    assert {name: call.fields[name] for name in ("stream", "partial_images")} == {"stream": True, "partial_images": 3}
    assert events[-1].usage.output_tokens > 0
    (made,) = unjudged.get(who, "/v1/generations")["data"]
    plain = unjudged.client.post("/v1/quotes", headers=who.headers, json=LIVE).json()
    assert made["credits"]["captured"] > plain["credits"]


def test_a_refusal_after_partial_pictures_is_raised_and_costs_nothing(unjudged: House, sdk: Sdk) -> None:
    who = unjudged.customer(mode=Mode.LIVE)
    asked = LIVE | {"prompt": "a fox [fault: sse-error-moderation-late]", "stream": True, "partial_images": 2}
    with pytest.raises(APIError) as refused:  # at once, where the API was slower than the refusal
        list(sdk(unjudged, who).images.generate(**asked))
    assert refused.value.code == "moderation_blocked"
    (made,) = unjudged.get(who, "/v1/generations")["data"]
    assert (made["state"], made["credits"]["captured"]) == ("refused", 0)


def test_an_edit_reaches_the_provider_with_every_reference_in_order_and_its_mask(
    unjudged: House, upstream: Provider, sdk: Sdk
) -> None:
    who = unjudged.customer(mode=Mode.LIVE)
    files: list[Any] = [encode(corners(), format) for format in ("PNG", "JPEG", "WEBP")]
    mask = Image.new("RGBA", (120, 80), "black")
    mask.paste((0, 0, 0, 0), (40, 20, 80, 60))
    told = sdk(unjudged, who).images.edit(**LIVE, image=files, mask=encode(mask, "PNG"))
    assert told.data
    assert told.usage
    assert told.usage.input_tokens_details.image_tokens > 0
    (made,) = unjudged.get(who, "/v1/generations")["data"]
    kept = [unjudged.get(who, f"/v1/media/{id}") for id in (*made["request"]["images"], made["request"]["mask"])]
    call = upstream.calls()[-1]
    assert [(name, kind, length) for name, _, kind, length in call.files] == [
        (name, each["content_type"], each["bytes"]) for name, each in zip(["image[]"] * 3 + ["mask"], kept, strict=True)
    ]
    assert call.path == "/v1/images/edits"
    assert made["credits"]["captured"] == made["credits"]["quoted"]
