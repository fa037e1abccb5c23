"""Copies by way of HTTP, with everything behind it: drawn, signed, linked to, and small ones made by the worker by itself."""

import io
import time
from typing import Any

import httpx
from PIL import Image

from tests.http_house import House, check_problem
from tests.kill_matrix import a_png
from tests.service import Customer


def copy_of(served: House, who: Customer, asset: str, **query: Any) -> httpx.Response:
    return served.client.get(f"/v1/media/{asset}/content", headers=who.headers, params=query)


def test_a_picture_can_be_had_in_another_format_labelled_and_signed(served: House, buyer: Customer) -> None:
    asset = served.made(buyer)["assets"][0]
    first = copy_of(served, buyer, asset["id"], format="webp", width=512, label=1)
    assert first.status_code == 307, first.text
    content = served.client.get(first.headers["location"]).content
    with Image.open(io.BytesIO(content)) as opened:
        assert (opened.format, opened.size) == ("WEBP", (64, 64))
        assert b"trainedAlgorithmicMedia" in opened.info["xmp"]
    assert b"c2pa" in content
    again = copy_of(served, buyer, asset["id"], format="webp", width=1024, label=1)
    assert again.headers["location"].partition("?")[0] == first.headers["location"].partition("?")[0], "it is the same one"
    check_problem(copy_of(served, served.customer(), asset["id"], format="webp"), 404, "not-found")


def test_an_upload_can_be_had_in_another_format_and_is_not_said_to_be_made_by_ai(served: House, buyer: Customer) -> None:
    picture = served.picture(buyer, a_png())
    location = copy_of(served, buyer, picture, format="avif").headers["location"]
    answer = served.client.get(location)
    assert answer.headers["content-type"] == "image/avif"
    assert answer.headers["content-disposition"].startswith("inline")
    assert b"trainedAlgorithmicMedia" not in answer.content
    check_problem(copy_of(served, buyer, picture, label=1), 400, "invalid-request")


def test_thumbnails_come_by_themselves(served: House, buyer: Customer) -> None:
    generation, picture = served.made(buyer)["id"], served.picture(buyer, a_png())
    deadline = time.monotonic() + 60
    while True:
        made = served.get(buyer, f"/v1/generations/{generation}")["assets"][0]
        shown = [made, served.get(buyer, f"/v1/media/{picture}")]
        if all(each["thumbnail_url"] and each["blurhash"] for each in shown):
            break
        assert time.monotonic() < deadline
        time.sleep(0.1)
    small = served.client.get(made["thumbnail_url"])
    assert small.headers["content-disposition"].startswith("inline")
    with Image.open(io.BytesIO(small.content)) as opened:
        assert (opened.format, opened.size) == ("WEBP", (64, 64))
        assert b"trainedAlgorithmicMedia" in opened.info["xmp"]
