"""The whole service with its objects at a real S3: what callers send and get goes there and comes from there."""

from collections.abc import Iterator
from typing import Any

import pytest

from adapters.postgres.embedded import EmbeddedPostgres
from tests.clusters import new_database
from tests.http_house import House, check_problem, house
from tests.kill_matrix import a_png
from tests.weed import BUCKET, ON_S3, Weed

pytestmark = ON_S3
PNG = a_png()


@pytest.fixture(scope="module")
def at_s3(s3: Weed, postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    s3.empty()
    with house(new_database(postgres), tmp_path_factory.mktemp("at-s3"), **s3.environment) as running:
        yield running


def kept(s3: Weed, class_: str, owner: str) -> list[str]:
    found = s3.usual.list_objects_v2(Bucket=BUCKET, Prefix=f"{class_}/").get("Contents", ())
    return [each["Key"] for each in found if f"/{owner}/" in each["Key"]]


def test_pictures_are_made_from_references_sent_there_and_led_to_there(at_s3: House, s3: Weed) -> None:
    buyer = at_s3.customer()
    begun = at_s3.client.post(
        "/v1/media/uploads", headers=buyer.headers, json={"content_type": "image/png", "bytes": len(PNG)}
    ).json()
    assert begun["url"].startswith(f"{s3.url}/{BUCKET}/incoming/{buyer.account}/{begun['id']}/")
    assert at_s3.client.put(begun["url"], headers={"content-type": "image/png"}, content=PNG + b"!").status_code == 403
    assert at_s3.client.put(begun["url"], headers=begun["headers"], content=PNG).status_code == 200
    sent = at_s3.client.post(f"/v1/media/uploads/{begun['id']}/complete", headers=buyer.headers)
    assert (sent.status_code, kept(s3, "incoming", begun["id"])) == (201, []), sent.text
    made = at_s3.made(buyer, images=[sent.json()["id"], at_s3.picture(buyer, PNG)])
    (asset,) = made["assets"]
    for picture in (sent.json(), asset):
        assert picture["url"].startswith(f"{s3.url}/{BUCKET}/")
        found: Any = at_s3.client.get(picture["url"])
        assert (found.status_code, len(found.content)) == (200, picture["bytes"])
        assert found.headers["content-type"] == picture["content_type"]
    assert at_s3.client.delete(f"/v1/media/{sent.json()['id']}", headers=buyer.headers).status_code == 204
    assert kept(s3, "uploads", sent.json()["id"]) == []
    assert at_s3.client.get(sent.json()["url"]).status_code == 404


def test_nothing_lies_on_the_machine_or_is_served_from_it(at_s3: House) -> None:
    assert list((at_s3.folder / "objects").rglob("*.object")) == []
    check_problem(at_s3.client.get("/files/uploads/1?format=png"), 404, "not-found")
