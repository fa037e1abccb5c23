"""Known pictures over HTTP: whoever brings one is told what is told of any file that is no picture, and finds nothing of it."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from PIL import Image, ImageOps

from adapters.pictures.pdq import likeness_of
from domain.objects import ObjectClass
from tests.contract.test_likeness import motif
from tests.hostile import encode
from tests.http_house import House, check_problem
from tests.service import Customer

NO_PICTURE = b"%PDF-1.7 of a picture"


def listed(served: House, content: bytes) -> None:
    with served.hashes.open("a") as hashes:
        hashes.write(f"{likeness_of(content).pdq}\n")


def held(served: House, who: Customer) -> list[tuple[Any, ...]]:
    with psycopg.connect(served.database_url) as connection:
        select = "SELECT origin, distance, released_at FROM quarantine WHERE account_id = %s ORDER BY at"
        return connection.execute(select, (who.account,)).fetchall()


def files_held(served: House, who: Customer) -> int:
    return len(list((served.folder / "objects" / ObjectClass.QUARANTINE / str(who.account)).rglob("*.object")))


@pytest.mark.parametrize(
    "changed",
    [
        lambda picture: encode(picture, "PNG"),
        lambda picture: encode(ImageOps.mirror(picture), "JPEG", quality=70),
        lambda picture: encode(picture.rotate(90, expand=True).resize((200, 260)), "WEBP", quality=70),
    ],
    ids=["itself", "mirrored", "turned and shrunk"],
)
def test_a_known_upload_is_answered_to_the_byte_like_no_picture(
    served: House, buyer: Customer, changed: Callable[[Image.Image], bytes]
) -> None:
    picture = motif(4_711)
    listed(served, encode(picture, "PNG"))
    known, other = (served.upload(buyer, content) for content in (changed(picture), NO_PICTURE))
    check_problem(known, 415, "unsupported-format")
    assert known.content == other.content
    differing = {name for name in known.headers if known.headers[name] != other.headers.get(name)}
    assert differing <= {"date", "x-request-id", "ratelimit"}
    assert known.headers.keys() == other.headers.keys()
    assert served.get(buyer, "/v1/media")["data"] == []
    [(origin, distance, released)] = held(served, buyer)
    assert (origin, released, files_held(served, buyer)) == ("upload", None, 1)
    assert distance <= 31
    assert '"event": "picture_quarantined"' in served.logs
    assert likeness_of(encode(picture, "PNG")).pdq not in served.logs


def test_one_that_is_sent_by_a_link_is_answered_alike(served: House, buyer: Customer) -> None:
    known = encode(motif(4_712), "PNG")
    listed(served, known)
    answers = []
    for content in (known, NO_PICTURE):
        asked = {"content_type": "image/png", "bytes": len(content)}
        told = served.client.post("/v1/media/uploads", headers=buyer.headers, json=asked).json()
        assert served.client.put(told["url"], headers=told["headers"], content=content).status_code == 200
        complete = served.client.post(f"/v1/media/uploads/{told['id']}/complete", headers=buyer.headers)
        check_problem(complete, 415, "unsupported-format")
        answers.append(complete.content.replace(told["id"].encode(), b"ID"))
    assert answers[0] == answers[1]
    assert [row[0] for row in held(served, buyer)] == ["upload"]


def test_an_upload_that_becomes_known_is_refused_and_its_link_leads_nowhere(served: House, buyer: Customer) -> None:
    content = encode(motif(815), "PNG")
    asset = served.picture(buyer, content)
    link = served.get(buyer, f"/v1/media/{asset}")["url"]
    listed(served, content)
    ended = served.made(buyer, images=[asset])
    assert (ended["state"], ended["credits"]["captured"]) == ("refused", 0)
    assert {name: ended["failure"][name] for name in ("class", "stage", "code", "charged")} == {
        "class": "moderation",
        "stage": "input",
        "code": "forbidden",
        "charged": 0,
    }
    assert [row[0] for row in held(served, buyer)] == ["reference"]
    for path in (link, f"/v1/media/{asset}"):
        assert served.client.get(path, headers=buyer.headers).status_code == 404


def test_an_output_that_is_known_is_refused_and_nothing_of_it_is_shown(served: House, buyer: Customer) -> None:
    words = {"prompt": "a harbour at dusk", "size": "256x256", "quality": "medium"}
    made = served.made(buyer, **words)
    listed(served, served.bytes_of(made["assets"][0]))
    refused = served.made(buyer, **words)
    assert (refused["state"], refused["failure"]["stage"], refused["assets"]) == ("refused", "output", [])
    assert refused["credits"]["captured"] == 0
    assert [row[0] for row in held(served, buyer)] == ["output"]
