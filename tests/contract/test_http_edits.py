"""Edits by way of HTTP: what the mask keeps comes back to the byte, and what was made can be changed again."""

import io
from collections.abc import AsyncIterator

import numpy as np
import pytest
from PIL import Image

from adapters.postgres.embedded import EmbeddedPostgres
from tests.clusters import new_database
from tests.easel import holed, noise, pixels, png
from tests.http_house import House, house
from tests.service import Customer

pytestmark = pytest.mark.anyio
SIZE, HOLE = (120, 80), (30, 20, 90, 60)


@pytest.fixture(scope="module")
async def served(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(new_database(postgres), tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture
async def buyer(served: House) -> Customer:
    return await served.customer()


async def test_outside_the_mask_every_pixel_stays(served: House, buyer: Customer) -> None:
    reference = png(noise(1, SIZE))
    images = [await served.picture(buyer, reference)]
    mask = await served.picture(buyer, holed(SIZE, HOLE), "mask")
    made = await served.made(buyer, prompt="a red heart", images=images, mask=mask, size="auto")
    assert (made["kind"], made["request"]["size"], made["request"]["mask"]) == ("edit", "120x80", mask)
    before, after = pixels(reference), pixels(await served.bytes_of(made["assets"][0]))
    assert after.shape == before.shape
    outside = np.ones(before.shape[:2], bool)
    outside[HOLE[1] : HOLE[3], HOLE[0] : HOLE[2]] = False
    assert (before[outside] == after[outside]).all()
    assert (before[~outside] != after[~outside]).any(axis=1).mean() > 0.9


async def test_without_a_mask_the_picture_is_made_anew(served: House, buyer: Customer) -> None:
    reference = png(noise(2, SIZE))
    made = await served.made(buyer, prompt="a blue moon", images=[await served.picture(buyer, reference)], size="120x80")
    assert made["kind"] == "edit"
    content = await served.bytes_of(made["assets"][0])
    with Image.open(io.BytesIO(content)) as opened:
        assert opened.size == SIZE
    assert (pixels(content) != pixels(reference)).any()


async def test_what_was_made_is_the_reference_of_the_next(served: House, buyer: Customer) -> None:
    first = await served.made(buyer, prompt="a red fox")
    second = await served.made(
        buyer, prompt="the fox at night", images=[first["assets"][0]["id"]], parent=first["id"], output_format="webp"
    )
    assert (second["parent"], second["request"]["images"]) == (first["id"], [first["assets"][0]["id"]])
    third = await served.made(buyer, prompt="and snow", images=[second["assets"][0]["id"], first["assets"][0]["id"]])
    assert third["state"] == "succeeded"
    assert third["credits"]["captured"] > second["credits"]["captured"], "each reference has its price"


async def test_a_phone_picture_is_turned_upright_and_bared_and_its_owner_told(served: House, buyer: Customer) -> None:
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112], exif[0x010E] = 6, "where I live"
    Image.new("RGB", (40, 20), "red").save(file, "JPEG", exif=exif)
    answer = await served.upload(buyer, file.getvalue())
    assert answer.status_code == 201
    told = answer.json()
    assert answer.headers["location"] == f"/v1/media/{told['id']}"
    assert (told["width"], told["height"]) == (20, 40)
    assert {"oriented", "metadata_removed"} <= set(told["changed"])
    content = await served.bytes_of(told)
    assert b"where I live" not in content
    assert (await served.get(buyer, f"/v1/media/{told['id']}"))["sha256"] == told["sha256"]


async def test_a_picture_in_use_is_kept_until_its_generation_ends(served: House, buyer: Customer) -> None:
    reference = await served.picture(buyer, png(noise(3, (64, 64))))
    headers = buyer.headers
    body = {"prompt": "slowly", "size": "64x64", "images": [reference], "sandbox": {"latency_ms": 60_000}}
    asked = (await served.client.post("/v1/generations", headers=headers, json=body)).json()
    refused = await served.client.delete(f"/v1/media/{reference}", headers=headers)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/asset-in-use")
    stopped = (await served.client.post(f"/v1/generations/{asked['id']}/cancel", headers=headers)).json()
    assert stopped["state"] in ("running", "cancelled")
