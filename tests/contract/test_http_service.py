"""The service as its callers meet it: real processes, a real key. Pictures are asked for, paid, listed and changed."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from PIL import Image

from adapters.image_models.brush.framing import STATEMENT
from tests.easel import holed, noise, pixels, png
from tests.http_house import CREDITS, House, check_problem
from tests.service import Customer

SIZE, HOLE = (120, 80), (30, 20, 90, 60)


@pytest.fixture(scope="module")
def collector(served: House) -> Customer:
    """Someone with twelve generations: pictures of two models, edits, and failures."""
    who = served.customer(CREDITS)
    reference = served.picture(who, png(noise(7, (64, 64))))
    for number in range(4):
        served.made(who, prompt=f"boat {number}")
        served.made(who, prompt=f"boat {number}", images=[reference], model="gpt-image-2.5-flare")
        served.made(who, prompt=f"boat {number}", sandbox={"fault": "fail"})
    return who


def test_a_picture_is_asked_for_waited_for_and_downloaded_without_a_key(served: House, buyer: Customer) -> None:
    answer = served.ask(buyer, prompt="a red fox in snow")
    assert (answer.status_code, answer.headers["preference-applied"]) == (201, "wait=30")
    made = answer.json()
    assert answer.headers["location"] == f"/v1/generations/{made['id']}"
    assert (made["state"], made["kind"], made["mode"], made["failure"]) == ("succeeded", "generate", "test", None)
    asset = made["assets"][0]
    picture = served.client.get(asset["url"])
    assert picture.status_code == 200
    assert len(picture.content) == asset["bytes"]
    assert picture.headers["content-type"] == asset["content_type"] == "image/png"
    assert picture.headers["x-content-type-options"] == "nosniff"
    assert picture.headers["content-disposition"] == f'inline; filename="{made["id"]}-0.png"'
    left = int(picture.headers["cache-control"].removeprefix("private, max-age="))
    assert 500 < left <= 600, "not in a cache longer than by the link"
    with Image.open(io.BytesIO(picture.content)) as opened:
        assert opened.size == (asset["width"], asset["height"]) == (64, 64)
        assert STATEMENT in opened.info.values(), "the file itself says that no paid model made it"


def test_an_altered_link_leads_nowhere(served: House, buyer: Customer) -> None:
    url = served.made(buyer)["assets"][0]["url"]
    path, _, query = url.partition("?")
    for altered in (
        url[:-1] + ("A" if url[-1] != "A" else "B"),
        url + "&x=1",
        path,
        url.replace("/0?", "/1?"),
        f"{path}//?{query}",
    ):
        check_problem(served.client.get(altered), 404, "not-found")


def test_the_content_route_redirects_to_the_same_bytes(served: House, buyer: Customer) -> None:
    asset = served.made(buyer)["assets"][0]
    answer = served.client.get(f"/v1/media/{asset['id']}/content", headers=buyer.headers)
    assert answer.status_code == 307
    followed = served.client.get(answer.headers["location"])
    assert followed.content == served.bytes_of(asset)


def test_credits_and_statement_add_up(served: House, buyer: Customer) -> None:
    made = [served.made(buyer), served.made(buyer, n=2), served.made(buyer, sandbox={"fault": "fail"})]
    spent = sum(generation["credits"]["captured"] for generation in made)
    assert [generation["credits"]["held"] for generation in made] == [0, 0, 0]
    assert made[2]["credits"]["released"] == made[2]["credits"]["quoted"]
    credits = served.get(buyer, "/v1/credits")
    assert (credits["available"], credits["held"], credits["debt"]) == (CREDITS - spent, 0, 0)
    assert sum(lot["remaining"] for lot in credits["lots"]) == credits["available"]
    lines = served.get(buyer, "/v1/credits/transfers", limit=100)["data"]
    assert [line["version"] for line in lines] == list(range(len(lines), 0, -1))
    assert sum(line["amount"] for line in lines if line["credit"] == "consumed") == spent
    arrived = sum(line["amount"] for line in lines if line["credit"] == "available")
    assert arrived - sum(line["amount"] for line in lines if line["debit"] == "available") == credits["available"]
    assert (lines[0]["available_after"], lines[0]["held_after"]) == (credits["available"], 0)
    for generation in made:
        about = served.get(buyer, "/v1/credits/transfers", generation=generation["id"])["data"]
        assert [line["kind"] for line in about][-1] == "hold"
        assert {line["generation"] for line in about} == {generation["id"]}


def test_a_past_balance_is_read_as_of_any_instant(served: House, buyer: Customer) -> None:
    made = served.made(buyer)
    lines = served.get(buyer, "/v1/credits/transfers")["data"]
    grant, end = lines[-1]["created_at"], lines[0]["created_at"]
    before = moved(grant, -1)
    for instant, available in ((before, 0), (grant, CREDITS), (end, CREDITS - made["credits"]["captured"])):
        past = served.get(buyer, "/v1/credits", as_of=instant)
        assert (past["available"], past["held"], past["debt"]) == (available, 0, 0), instant
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    answer = served.client.get("/v1/credits", headers=buyer.headers, params={"as_of": tomorrow})
    check_problem(answer, 400, "invalid-instant")


def moved(instant: str, seconds: float) -> str:
    return (datetime.fromisoformat(instant) + timedelta(seconds=seconds)).isoformat()


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({}, 12),
        ({"state": "succeeded"}, 8),
        ({"state": ["succeeded", "failed"]}, 12),
        ({"state": "cancelled"}, 0),
        ({"model": "gpt-image-2"}, 8),
        ({"model": "gpt-image-2.5-flare"}, 4),
        ({"kind": "edit"}, 4),
        ({"kind": "edit", "state": "failed"}, 0),
    ],
    ids=str,
)
def test_a_list_is_filtered_and_paged_without_gap_or_double(
    served: House, collector: Customer, filters: dict[str, Any], count: int
) -> None:
    for size in (1, 3, 100):
        pages = all_pages(served, collector, "/v1/generations", limit=size, **filters)
        found = [generation for page in pages for generation in page]
        assert len({generation["id"] for generation in found}) == len(found) == count
        assert all(len(page) == size for page in pages[:-1])
        assert [g["created_at"] for g in found] == sorted((g["created_at"] for g in found), reverse=True)
        for name, asked in filters.items():
            told = {(g["request"] if name == "model" else g)[name] for g in found}
            assert told <= set([asked] if isinstance(asked, str) else asked)


def test_a_list_is_filtered_by_time(served: House, collector: Customer) -> None:
    every = [g for page in all_pages(served, collector, "/v1/generations") for g in page]
    fifth = every[4]["created_at"]
    younger = all_pages(served, collector, "/v1/generations", limit=2, created_after=fifth)
    older = all_pages(served, collector, "/v1/generations", limit=2, created_before=fifth)
    assert [g["id"] for page in younger for g in page] == [g["id"] for g in every[:4]]
    assert [g["id"] for page in older for g in page] == [g["id"] for g in every[5:]]


@pytest.mark.parametrize("path", ["/v1/generations", "/v1/media", "/v1/credits/transfers"])
def test_every_list_is_paged_to_its_end(served: House, collector: Customer, path: str) -> None:
    names = [str(row.get("id", row.get("version"))) for page in all_pages(served, collector, path, limit=2) for row in page]
    whole = served.get(collector, path, limit=100)["data"]
    assert names == [str(row.get("id", row.get("version"))) for row in whole]
    assert len(set(names)) == len(names) > 4


def all_pages(served: House, who: Customer, path: str, **parameters: Any) -> list[list[Any]]:
    pages, after = list[list[Any]](), dict[str, str]()
    while True:
        page = served.get(who, path, **parameters, **after)
        pages.append(page["data"])
        if page["next"] is None:
            return pages
        after = {"after": page["next"]}


# Edits


def test_outside_the_mask_every_pixel_stays(served: House, buyer: Customer) -> None:
    reference = png(noise(1, SIZE))
    images = [served.picture(buyer, reference)]
    mask = served.picture(buyer, holed(SIZE, HOLE), "mask")
    made = served.made(buyer, prompt="a red heart", images=images, mask=mask, size="auto")
    assert (made["kind"], made["request"]["size"], made["request"]["mask"]) == ("edit", "120x80", mask)
    before, after = pixels(reference), pixels(served.bytes_of(made["assets"][0]))
    assert after.shape == before.shape
    outside = np.ones(before.shape[:2], bool)
    outside[HOLE[1] : HOLE[3], HOLE[0] : HOLE[2]] = False
    assert (before[outside] == after[outside]).all()
    assert (before[~outside] != after[~outside]).any(axis=1).mean() > 0.9


def test_without_a_mask_the_picture_is_made_anew(served: House, buyer: Customer) -> None:
    reference = png(noise(2, SIZE))
    made = served.made(buyer, prompt="a blue moon", images=[served.picture(buyer, reference)], size="120x80")
    assert made["kind"] == "edit"
    content = served.bytes_of(made["assets"][0])
    with Image.open(io.BytesIO(content)) as opened:
        assert opened.size == SIZE
    assert (pixels(content) != pixels(reference)).any()


def test_what_was_made_is_the_reference_of_the_next(served: House, buyer: Customer) -> None:
    first = served.made(buyer, prompt="a red fox")
    second = served.made(
        buyer, prompt="the fox at night", images=[first["assets"][0]["id"]], parent=first["id"], output_format="webp"
    )
    assert (second["parent"], second["request"]["images"]) == (first["id"], [first["assets"][0]["id"]])
    third = served.made(buyer, prompt="and snow", images=[second["assets"][0]["id"], first["assets"][0]["id"]])
    assert third["state"] == "succeeded"
    assert third["credits"]["captured"] > second["credits"]["captured"], "each reference has its price"


def test_a_phone_picture_is_turned_upright_and_bared_and_its_owner_told(served: House, buyer: Customer) -> None:
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112], exif[0x010E] = 6, "where I live"
    Image.new("RGB", (40, 20), "red").save(file, "JPEG", exif=exif)
    answer = served.upload(buyer, file.getvalue())
    assert answer.status_code == 201
    told = answer.json()
    assert answer.headers["location"] == f"/v1/media/{told['id']}"
    assert (told["width"], told["height"]) == (20, 40)
    assert {"oriented", "metadata_removed"} <= set(told["changed"])
    content = served.bytes_of(told)
    assert b"where I live" not in content
    assert served.get(buyer, f"/v1/media/{told['id']}")["sha256"] == told["sha256"]


def test_a_picture_in_use_is_kept_until_its_generation_ends(served: House, buyer: Customer) -> None:
    reference = served.picture(buyer, png(noise(3, (64, 64))))
    headers = buyer.headers
    body = {"prompt": "slowly", "size": "64x64", "images": [reference], "sandbox": {"latency_ms": 3_000}}
    asked = served.client.post("/v1/generations", headers=headers, json=body).json()
    refused = served.client.delete(f"/v1/media/{reference}", headers=headers)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/asset-in-use")
    stopped = served.client.post(f"/v1/generations/{asked['id']}/cancel", headers=headers).json()
    assert stopped["state"] in ("running", "cancelled")
