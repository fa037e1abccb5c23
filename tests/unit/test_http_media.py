"""Media over HTTP: uploads are read within their limit, links are checked as they were sent."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from application.provenance import ProvenanceUnavailable
from application.queries import AssetFilter
from domain.errors import AssetInUse, IntakeBusy, UnsupportedFormat
from domain.limits import LIMITS
from domain.media import AssetKind, PictureFormat, Thumbnail
from domain.provenance import Marking
from domain.renditions import Shape
from entrypoints.http.app import HttpConfig, create_app
from entrypoints.http.uploads import FORM_SLACK, Uploads
from tests.http_stage import BEARER, Stage, shorten

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def upload(client: TestClient[Litestar], content: bytes = PNG, **fields: str) -> Any:
    return client.post("/v1/media", headers=BEARER, files={"file": ("fox.png", content, "image/png")}, data=fields)


def test_an_upload_reaches_the_use_case_whole(stage: Stage, client: TestClient[Litestar]) -> None:
    content = bytes(range(256)) * 12_000
    answer = upload(client, content)
    assert answer.status_code == 201
    assert stage.told == {"content": content, "kind": AssetKind.REFERENCE}
    told = answer.json()
    assert answer.headers["location"] == f"/v1/media/{told['id']}"
    assert told["changed"] == ["oriented", "metadata_removed"]
    assert (told["object"], told["kind"], told["generation"], told["index"]) == ("asset", "reference", None, None)


def test_a_mask_is_said_to_be_one(stage: Stage, client: TestClient[Litestar]) -> None:
    assert upload(client, purpose="mask").json()["kind"] == "mask"


@pytest.mark.parametrize(
    "sent",
    [
        {"files": {"file": ("a.png", PNG)}, "data": {"purpose": "output"}},
        {"files": {"file": ("a.png", PNG)}, "data": {"purpose": ""}},
        {"files": {"file": ("a.png", PNG)}, "data": {"colour": "red"}},
        {"files": {"picture": ("a.png", PNG)}},
        {"files": [("file", ("a.png", PNG)), ("file", ("b.png", PNG))]},
        {"files": {"other": ("a.png", PNG)}, "data": {"file": "text"}},
        {"content": b"--x\r\nnonsense", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"content": b"", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"content": b"--x--\r\n", "headers": {"Content-Type": "multipart/form-data"}},
    ],
    ids=range(9),
)
def test_another_form_is_refused(sent: dict[str, Any], stage: Stage, client: TestClient[Litestar]) -> None:
    answer = client.post("/v1/media", **(sent | {"headers": BEARER | sent.get("headers", {})}))
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/invalid-request"), answer.text
    assert stage.told is None


def test_a_body_that_is_no_form_is_of_the_wrong_type(client: TestClient[Litestar]) -> None:
    assert client.post("/v1/media", headers=BEARER, json={}).status_code == 415


@pytest.mark.parametrize(("refusal", "status"), [(UnsupportedFormat(), 415), (IntakeBusy(), 503), (AssetInUse(), 409)])
def test_intake_refuses_in_its_own_words(refusal: Exception, status: int, stage: Stage, client: TestClient[Litestar]) -> None:
    stage.refusal = refusal
    answer = upload(client)
    assert answer.status_code == status
    assert ("retry-after" in answer.headers) == (status == 503)


def test_the_largest_upload_passes_and_one_byte_more_does_not(client: TestClient[Litestar]) -> None:
    assert upload(client, bytes(LIMITS["upload_bytes"])).status_code == 201
    over = upload(client, bytes(LIMITS["upload_bytes"] + 1))
    assert (over.status_code, over.json()["type"], over.json()["limit"]) == (
        413,
        "/problems/too-many-bytes",
        LIMITS["upload_bytes"],
    )


async def answer_to(app: Any, receive: Any, announced: int | None = None) -> tuple[int, bytes]:
    """Status and body of the answer to an upload whose body is what `receive` says."""
    sent = list[Any]()
    headers = [(b"content-type", b"multipart/form-data; boundary=x"), (b"authorization", BEARER["Authorization"].encode())]
    if announced:
        headers.append((b"content-length", str(announced).encode()))
    scope: Any = {"type": "http", "method": "POST", "path": "/v1/media", "raw_path": b"/v1/media", "root_path": ""}
    scope |= {"query_string": b"", "headers": headers, "scheme": "http", "state": {}, "http_version": "1.1"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], sent[1]["body"]


def endless(announced: int | None) -> tuple[int, bytes, int]:
    """Status and body of the answer to an upload without end, and how many bytes of it were read."""
    read = 0

    async def receive() -> Any:
        nonlocal read
        start = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' if not read else b""
        read += len(start) + 2**20
        return {"type": "http.request", "body": start + bytes(2**20), "more_body": True}

    app = create_app(Stage().container(), HttpConfig("1"))
    return (*asyncio.run(answer_to(app, receive, announced)), read)


def test_an_upload_without_end_is_cut_off_at_the_limit() -> None:
    status, body, read = endless(None)
    assert (status, b"too-many-bytes" in body) == (413, True)
    assert read <= LIMITS["upload_bytes"] + FORM_SLACK + 2**21


def test_an_upload_announced_too_large_is_not_read_at_all() -> None:
    status, _, read = endless(2**30)
    assert (status, read) == (413, 0)


def test_content_leads_to_a_signed_link(stage: Stage, client: TestClient[Litestar]) -> None:
    picture = stage.has_picture()
    answer = client.get(f"/v1/media/{picture.id}/content", headers=BEARER, follow_redirects=False)
    assert (answer.status_code, answer.content) == (307, b"")
    assert answer.headers["location"].startswith(f"/files/{picture.key}?name={picture.id}.png&")
    assert answer.headers["cache-control"] == "no-store"


def test_a_picture_that_waits_for_its_signature_is_handed_out_by_no_route(stage: Stage, client: TestClient[Litestar]) -> None:
    waits = stage.has_picture(kind=AssetKind.OUTPUT, marking=Marking.PENDING, thumbnail=Thumbnail.MADE)
    shown = client.get(f"/v1/media/{waits.id}", headers=BEARER).json()
    (listed,) = client.get("/v1/media", headers=BEARER).json()["data"]
    assert [(each["url"], each["thumbnail_url"]) for each in (shown, listed)] == [(None, None)] * 2
    for query in ("", "?format=webp"):
        refused = client.get(f"/v1/media/{waits.id}/content{query}", headers=BEARER, follow_redirects=False)
        assert (refused.status_code, refused.json()["type"]) == (503, "/problems/signature-pending")
        assert refused.headers["retry-after"] == "5"
    assert stage.told == AssetFilter(), "no use case was told anything"


def test_a_copy_in_another_shape_is_led_to_as_well(stage: Stage, client: TestClient[Litestar]) -> None:
    picture = stage.has_picture(kind=AssetKind.OUTPUT)
    address = f"/v1/media/{picture.id}/content"
    answer = client.get(f"{address}?format=webp&width=2048&label=1", headers=BEARER, follow_redirects=False)
    assert answer.status_code == 307
    assert stage.told == {"shape": Shape(PictureFormat.WEBP, 4, 3, label=True)}
    assert answer.headers["location"].startswith(f"/files/renditions/{picture.account_id}/{picture.id}/")
    assert f"name={picture.id}-4-labelled.webp&" in answer.headers["location"]
    same = client.get(f"{address}?format=png&width=512&label=0", headers=BEARER, follow_redirects=False)
    assert same.headers["location"].startswith(f"/files/{picture.key}?")


@pytest.mark.parametrize("query", ["format=gif", "format=heic", "format=svg", "width=513", "width=0", "width=-1", "label=yes!"])
def test_shapes_are_closed_lists(query: str, stage: Stage, client: TestClient[Litestar]) -> None:
    picture = stage.has_picture(kind=AssetKind.OUTPUT)
    answer = client.get(f"/v1/media/{picture.id}/content?{query}", headers=BEARER, follow_redirects=False)
    assert (answer.status_code, answer.json()["field"]) == (400, query.partition("=")[0])
    assert stage.told is None


def test_what_cannot_be_signed_is_not_handed_out(stage: Stage, client: TestClient[Litestar]) -> None:
    stage.refusal = ProvenanceUnavailable("no timestamp")
    picture = stage.has_picture()
    answer = client.get(f"/v1/media/{picture.id}/content?format=webp", headers=BEARER, follow_redirects=False)
    assert (answer.status_code, answer.json()["type"], answer.headers["retry-after"]) == (503, "/problems/unavailable", "30")


def test_a_thumbnail_is_told_once_it_is_made(stage: Stage, client: TestClient[Litestar]) -> None:
    bare = stage.has_picture()
    made = stage.has_picture(thumbnail=Thumbnail.MADE, blurhash="LKO2?U%2Tw=w")
    shown = {row["id"]: (row["thumbnail_url"], row["blurhash"]) for row in client.get("/v1/media", headers=BEARER).json()["data"]}
    assert shown[str(bare.id)] == (None, None)
    url, blurhash = shown[str(made.id)]
    assert url.removeprefix("http://test.local").startswith(f"/files/thumbnails/{made.account_id}/{made.id}/small?")
    assert blurhash == "LKO2?U%2Tw=w"


def test_pictures_are_listed_newest_first_by_kind(stage: Stage, client: TestClient[Litestar]) -> None:
    made = [stage.has_picture(kind=kind) for kind in (AssetKind.REFERENCE, AssetKind.MASK, AssetKind.REFERENCE)]
    page = client.get("/v1/media?kind=reference&limit=1", headers=BEARER).json()
    assert [row["id"] for row in page["data"]] == [str(made[2].id)]
    rest = client.get(f"/v1/media?kind=reference&after={page['next']}", headers=BEARER).json()
    assert [row["id"] for row in rest["data"]] == [str(made[0].id)]
    assert rest["next"] is None


def test_pictures_are_listed_by_kind_and_time(stage: Stage, client: TestClient[Litestar]) -> None:
    times = "created_after=2026-11-01T00:00:00Z&created_before=2026-11-02T01:00:00%2B01:00"
    assert client.get(f"/v1/media?kind=output&{times}", headers=BEARER).status_code == 200
    day = datetime(2026, 11, 1, tzinfo=UTC)
    assert stage.told == AssetFilter(AssetKind.OUTPUT, day, day + timedelta(days=1))
    for _ in range(2):
        stage.has_picture()
    cursor = client.get("/v1/media?limit=1", headers=BEARER).json()["next"]
    other = client.get(f"/v1/media?created_after=2026-11-01T00:00:00Z&after={cursor}", headers=BEARER)
    assert (other.status_code, other.json()["type"]) == (400, "/problems/invalid-cursor")


def test_one_picture_is_shown_and_deleted(stage: Stage, client: TestClient[Litestar]) -> None:
    picture = stage.has_picture()
    assert client.get(f"/v1/media/{picture.id}", headers=BEARER).json()["sha256"] == "0a"
    assert client.delete(f"/v1/media/{picture.id}", headers=BEARER).status_code == 204
    assert stage.told == {"deleted": picture.id}


def test_too_many_uploads_at_once_are_sent_away(stage: Stage) -> None:
    client = stage.client()
    uploads: Uploads = client.app.state.uploads
    with client:
        uploads.under_way = uploads.most
        busy = upload(client)
        uploads.under_way = 0
        assert (busy.status_code, busy.json()["type"]) == (503, "/problems/intake-busy")
        assert upload(client).status_code == 201
    assert uploads.under_way == 0


def test_an_upload_keeps_its_place_until_it_is_answered(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read is in memory as long."""
    admit, seen = stage.admit, list[int]()

    async def watched(*said: Any) -> Any:
        seen.append(uploads.under_way)
        return await admit(*said)

    monkeypatch.setattr(stage, "admit", watched)
    client = stage.client()
    uploads: Uploads = client.app.state.uploads
    with client:
        assert upload(client).status_code == 201
    assert (seen, uploads.under_way) == ([1], 0)


def test_an_upload_that_takes_for_ever_is_given_up() -> None:
    client = Stage().own_client()
    shorten(client.app, "/v1/media", arrival=0.01)

    async def receive() -> Any:
        await asyncio.sleep(60)

    status, body = asyncio.run(answer_to(client.app, receive))
    assert (status, b"/problems/timeout" in body) == (408, True)
    assert client.app.state.uploads.under_way == 0
