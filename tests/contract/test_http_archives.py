"""Archives by way of HTTP, made by a worker of the whole service."""

import hashlib
import io
import json
import zipfile
from functools import partial
from typing import Any

from domain.archives import MANIFEST
from domain.limits import LIMITS
from tests.http_house import House, check_problem
from tests.kill_matrix import a_png
from tests.processes import until
from tests.service import Customer
from tests.world import new_id

PATH = "/v1/media/archive"


def ready(served: House, who: Customer, location: str) -> Any:
    def told() -> Any:
        found = served.get(who, location)
        return found if found["state"] not in ("waiting", "running") else None

    return until(told, "the archive to be made")


def test_pictures_come_as_one_file_by_a_link_that_anyone_can_follow(served: House, buyer: Customer) -> None:
    output, upload = served.made(buyer)["assets"][0], served.picture(buyer, a_png())
    body, key = {"assets": [upload, output["id"]]}, {"Idempotency-Key": str(new_id())}
    asked = [served.client.post(PATH, headers=buyer.headers | key, json=body) for _ in range(2)]
    assert [each.status_code for each in asked] == [202, 202], asked[0].text
    told, location = asked[0].json(), asked[0].headers["location"]
    assert location == asked[1].headers["location"] == f"{PATH}/{told['id']}"
    assert (told["of"], told["url"], told["mode"]) == (2, None, "test")
    made = ready(served, buyer, location)
    assert (made["state"], made["done"], made["failure"]) == ("ready", 2, None)
    fetched = served.client.get(made["url"])
    assert (fetched.status_code, fetched.headers["content-type"]) == (200, "application/zip")
    assert fetched.headers["content-disposition"] == f'attachment; filename="{told["id"]}.zip"'
    assert len(fetched.content) == made["bytes"]
    with zipfile.ZipFile(io.BytesIO(fetched.content)) as packed:
        assert packed.testzip() is None
        pictures = json.loads(packed.read(MANIFEST))["pictures"]
        assert [each["id"] for each in pictures] == [upload, output["id"]]
        assert pictures[1]["sha256"] == output["sha256"] == hashlib.sha256(packed.read(pictures[1]["name"])).hexdigest()
    answer = served.client.delete(f"/v1/media/{upload}", headers=buyer.headers)
    assert answer.status_code == 204
    withdrawn = served.get(buyer, location)
    assert (withdrawn["state"], withdrawn["failure"], withdrawn["url"]) == ("failed", "picture_deleted", None)
    assert served.client.get(made["url"]).status_code == 404
    assert not [path for path in (served.folder / "objects").rglob("*.object") if told["id"] in str(path)]


def thumbnail(served: House, who: Customer, asset: str) -> str | None:
    told: str | None = served.get(who, f"/v1/media/{asset}")["thumbnail_url"]
    return told


def lying(served: House, who: Customer) -> int:
    """How many objects of an account's there are, thumbnails too."""
    return sum(str(who.account) in path.parts for path in (served.folder / "objects").rglob("*.object"))


def test_nothing_is_left_of_a_picture_that_is_deleted_neither_copies_nor_archives(served: House, buyer: Customer) -> None:
    made, upload = served.made(buyer), served.picture(buyer, a_png())
    output = made["assets"][0]["id"]
    for asset in (output, upload):
        copy = served.client.get(f"/v1/media/{asset}/content?format=webp", headers=buyer.headers)
        assert copy.status_code == 307, copy.text
        until(partial(thumbnail, served, buyer, asset), "its thumbnail")
    asked = served.client.post(PATH, headers=buyer.headers, json={"assets": [output, upload]})
    assert ready(served, buyer, asked.headers["location"])["state"] == "ready"
    assert (served.left(buyer).assets, lying(served, buyer)) == (2, 2 * 3 + 1 + 1), (
        "each with a copy and a thumbnail; a manifest, and the archive"
    )
    for path in (f"/v1/generations/{made['id']}?purge=true", f"/v1/media/{upload}"):
        assert served.client.delete(path, headers=buyer.headers).status_code == 204
    assert (served.left(buyer).assets, lying(served, buyer)) == (0, 0)


def test_what_is_no_list_of_ones_own_pictures_is_refused_and_nobody_learns_whose_they_are(served: House, buyer: Customer) -> None:
    mine, foreign = served.picture(buyer, a_png()), served.picture(served.customer(), a_png())
    answers = [
        served.client.post(PATH, headers=buyer.headers, json={"assets": [mine, other]}) for other in (foreign, str(new_id()))
    ]
    for answer in answers:
        check_problem(answer, 404, "not-found")
        assert foreign not in answer.text
    assert answers[0].content == answers[1].content
    for named in ([], [mine] * (LIMITS["archive_assets"] + 1)):
        answer = served.client.post(PATH, headers=buyer.headers, json={"assets": named})
        check_problem(answer, 400, "limit-exceeded", field="assets")
