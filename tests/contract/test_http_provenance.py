"""Where pictures come from, as callers and strangers are told: real processes, the real signatures, files that others changed."""

import io
from typing import Any

import httpx
import pytest
from PIL import Image

from adapters.provenance.c2pa import ORIGIN
from tests.hostile import CANARY, encode, exif
from tests.http_house import House, check_problem
from tests.pictures import corners
from tests.processes import until
from tests.service import Customer


def verified(served: House, content: bytes) -> Any:
    """As a stranger is told, who has no key."""
    answer = asked(served, content)
    assert answer.status_code == 200, answer.text
    return answer.json()


def asked(served: House, content: bytes) -> httpx.Response:
    return served.client.post("/v1/verify", files={"file": ("picture", content)})


def chain(said: Any) -> list[Any]:
    """From the file's own credentials to the first parent's."""
    return [said, *(chain(said["ingredients"][0]) if said["ingredients"] else [])]


def test_a_picture_edited_twice_tells_its_whole_story_to_anybody(served: House, buyer: Customer) -> None:
    upload = served.picture(buyer, encode(corners(), "PNG"))
    first = served.made(buyer, prompt=CANARY.decode())["assets"][0]
    second = served.made(buyer, prompt="a smaller boat", images=[first["id"]])["assets"][0]
    third = served.made(buyer, prompt="a larger boat", images=[second["id"], upload])["assets"][0]
    content = served.bytes_of(third)
    told = verified(served, content)
    assert (told["made_here"], told["mode"], told["sha256"]) == (True, "test", third["sha256"])
    own, parent, origin = chain(told["credentials"])
    assert (own["signed_by_us"], own["source_type"]) == (True, "compositeWithTrainedAlgorithmicMedia")
    assert [each["state"] for each in (own, parent, origin)] == ["trusted"] * 3
    assert [(each["relationship"], each["state"]) for each in own["ingredients"]] == [
        ("parentOf", "trusted"),
        ("inputTo", "none"),
    ]
    match = told["matches"][0]
    assert (match["same_bytes"], match["mode"], match["model"], match["marking"]) == (True, "test", "gpt-image-2", "signed")
    found = served.client.get(f"/v1/media/{third['id']}/content?format=webp", headers=buyer.headers)
    told_of_webp = verified(served, served.client.get(found.headers["location"]).content)
    assert (told_of_webp["made_here"], told_of_webp["content_type"]) == (True, "image/webp")
    assert [each["state"] for each in chain(told_of_webp["credentials"])] == ["trusted"] * 4
    shown = served.get(buyer, f"/v1/media/{third['id']}")
    assert shown["provenance"] == {"marking": "signed", "credentials": None}
    assert shown["lineage"] == {"generation": shown["generation"], "parent": None, "references": [second["id"], upload]}
    ids = [buyer.account, upload, third["id"], second["id"], shown["generation"]]
    for hidden in (CANARY, b"larger boat", *(str(id).encode() for id in ids)):
        assert hidden not in content
    assert ORIGIN.encode() in content


def test_who_changes_one_of_our_pictures_is_found_out_and_it_is_known_by_its_looks(served: House, buyer: Customer) -> None:
    made = served.made(buyer, prompt="a harbour full of boats", size="256x256", output_format="jpeg")["assets"][0]
    content = served.bytes_of(made)
    at = content.rindex(b"\xff\xd9") - 8
    tampered = content[:at] + bytes((content[at] ^ 1,)) + content[at + 1 :]
    with Image.open(io.BytesIO(content)) as opened:
        copy = encode(opened.resize((200, 200)), "PNG")
    until(lambda: bool(verified(served, copy)["matches"]), "its looks to be in the log")
    for file, state in ((tampered, "invalid"), (copy, "none")):
        told = verified(served, file)
        assert (told["made_here"], told["mode"], told["credentials"]["state"]) == (False, "test", state)
        assert (told["credentials"]["signed_by_us"], told["matches"][0]["same_bytes"]) == (False, False)
        assert told["matches"][0]["distance"] <= 31
    assert "assertion.dataHash.mismatch" in verified(served, tampered)["credentials"]["codes"]


def test_an_upload_is_told_what_its_file_said_and_keeps_nothing_else_of_it(served: House, buyer: Customer) -> None:
    signed = served.bytes_of(served.made(buyer)["assets"][0])
    trusted = served.upload(buyer, signed).json()
    assert trusted["credentials"]["state"] == "trusted"
    assert trusted["credentials"]["claim_generator"].startswith("gpt-image-2 ")
    assert "metadata_removed" in trusted["changed"]
    kept = served.bytes_of(trusted)
    assert b"c2pa" not in kept
    shown = served.get(buyer, f"/v1/media/{trusted['id']}")
    assert shown["provenance"] == {"marking": "unmarked", "credentials": trusted["credentials"]}
    assert shown["lineage"] == {"generation": None, "parent": None, "references": []}
    bare = served.upload(buyer, encode(corners(), "JPEG")).json()
    assert bare["credentials"] == {"state": "none", "claim_generator": None}


@pytest.mark.parametrize(
    ("content", "status", "problem"),
    [
        (b"nothing", 415, "unsupported-format"),
        (b"GIF89a and nothing", 422, "truncated"),
        (encode(corners(), "PNG")[:-30], 422, "truncated"),
        (b"\x89PNG\r\n\x1a\n c2pa", 422, "truncated"),
    ],
    ids=["nothing", "gif", "cut", "header"],
)
def test_what_is_no_picture_is_refused_as_an_upload_is(served: House, content: bytes, status: int, problem: str) -> None:
    check_problem(asked(served, content), status, problem)


def test_verifying_keeps_nothing_and_takes_nothing_but_a_file(served: House, buyer: Customer) -> None:
    before = served.left(buyer)
    content = encode(corners(), "JPEG", exif=exif(1), comment=CANARY)
    told = verified(served, content)
    assert (told["made_here"], told["mode"], told["matches"], told["credentials"]["state"]) == (False, None, [], "none")
    assert served.left(buyer) == before
    assert not [path for path in served.folder.rglob("*.object") if CANARY in path.read_bytes()]
    more = served.client.post("/v1/verify", files={"file": ("picture", content)}, data={"purpose": "mask"})
    check_problem(more, 400, "invalid-request")
