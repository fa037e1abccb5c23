"""What a link to an S3 is worth: one object, read as one type or put with one type and length, until one second."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest

from adapters.storage.s3 import S3Storage
from application.ports import ObjectMissing
from domain.limits import LIMITS
from domain.media import AssetId, PictureFormat
from domain.objects import ObjectKey
from tests import plain_http
from tests.object_stores import an_s3, on_s3, picture
from tests.programs import ACCOUNT
from tests.weed import ON_S3, Weed

pytestmark = [pytest.mark.anyio, ON_S3]

INCOMING = ObjectKey.upload(ACCOUNT, AssetId(UUID(int=1)))
SENT = b"sent by a caller"


@dataclass
class Clock:
    behind: timedelta = field(default=timedelta(0))

    def __call__(self) -> datetime:
        return datetime.now(UTC) - self.behind


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def objects(s3: Weed, clock: Clock) -> Iterator[S3Storage]:
    with on_s3(s3, clock) as storage:
        yield storage


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with plain_http.Client(timeout=10) as client:
        yield client


def link(objects: S3Storage, clock: Clock, format: PictureFormat = PictureFormat.PNG, name: str = "cat.png") -> str:
    return objects.link(picture(), format=format, file_name=name, expires_at=clock() + timedelta(seconds=60))


def put_link(objects: S3Storage, clock: Clock, bytes: int = len(SENT)) -> tuple[str, dict[str, str]]:
    made = objects.link_to_put(INCOMING, content_type="image/png", bytes=bytes, expires_at=clock() + timedelta(seconds=60))
    return made.url, dict(made.headers)


async def test_a_link_leads_to_its_object_as_the_type_and_name_it_says(
    objects: S3Storage, clock: Clock, http: httpx.Client
) -> None:
    await objects.put(picture(), b"content", "text/html")
    for format, how in ((PictureFormat.PNG, "inline"), (PictureFormat.GIF, "attachment")):
        found = http.get(link(objects, clock, format, "Katze schläft"))
        assert (found.status_code, found.content) == (200, b"content")
        assert found.headers["content-type"] == format.content_type
        assert found.headers["content-disposition"] == f'{how}; filename="Katze-schlaft.{format}"'
    part = http.get(link(objects, clock), headers={"Range": "bytes=1-3"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"ont", "bytes 1-3/7")
    assert http.get(link(objects, clock), headers={"Range": "bytes=7-"}).status_code == 416


async def test_without_the_very_link_nothing_is_read(objects: S3Storage, s3: Weed, clock: Clock, http: httpx.Client) -> None:
    await objects.put(picture(), b"content", "image/png")
    await objects.put(picture(index=1), b"another", "image/png")
    whole = link(objects, clock)
    bare, _, query = whole.partition("?")
    fields = query.split("&")
    refused = [
        bare,
        bare + "?" + "&".join(fields[:-1]),
        whole.replace("/0?", "/1?"),
        whole[:-1] + "10"[int(whole[-1] == "1")],
    ]
    refused += [whole.replace("image%2Fpng", "text%2Fhtml"), whole.replace("inline", "attachment"), whole.replace("cat.", "dog.")]
    refused += [re.sub(r"X-Amz-Expires=\d+", "X-Amz-Expires=600", whole), whole + "&versionId=1"]
    refused += ["&".join([f"{bare}?{fields[0]}", *fields[2:]])]
    with an_s3(dict(s3.environment) | {"AWS_SECRET_ACCESS_KEY": "wrong"}, clock) as wrong:
        refused.append(link(wrong, clock))
    with an_s3(dict(s3.environment) | {"AWS_ACCESS_KEY_ID": "AKNOBODY"}, clock) as wrong:
        refused.append(link(wrong, clock))
    for address in refused:
        answer = http.get(address)
        assert 400 <= answer.status_code < 405, address
        assert b"content" not in answer.content
        assert b"another" not in answer.content
    for method in ("PUT", "DELETE", "POST"):
        assert http.request(method, whole, content=b"").status_code in (403, 405)
    assert http.get(whole).content == b"content"
    assert await objects.get(picture()) == b"content"


async def test_a_link_ends(objects: S3Storage, clock: Clock, http: httpx.Client) -> None:
    await objects.put(picture(), b"content", "image/png")
    clock.behind = timedelta(seconds=61)
    assert http.get(link(objects, clock)).status_code == 403
    url, headers = put_link(objects, clock)
    assert http.put(url, content=SENT, headers=headers).status_code == 403
    clock.behind = timedelta(seconds=30)
    assert http.get(link(objects, clock)).status_code == 200
    with pytest.raises(AssertionError, match="ten minutes"):
        objects.link(
            picture(),
            format=PictureFormat.PNG,
            file_name="a",
            expires_at=clock() + timedelta(seconds=LIMITS["link_seconds"] + 1),
        )


async def test_what_is_put_by_a_link_is_of_its_type_and_length_and_lies_at_its_key(
    objects: S3Storage, clock: Clock, http: httpx.Client
) -> None:
    url, headers = put_link(objects, clock)
    assert headers == {"content-length": str(len(SENT)), "content-type": "image/png"}
    for content in (SENT, SENT[::-1]):
        assert http.put(url, content=content, headers=headers).status_code == 200
        assert await objects.get(INCOMING) == content
    assert [str(found.key) async for found in objects.list("")] == [str(INCOMING)]


async def test_nothing_else_is_put_by_a_link(objects: S3Storage, clock: Clock, http: httpx.Client) -> None:
    url, headers = put_link(objects, clock)
    kind = {"content-type": "image/png"}
    for content, said in (
        (SENT + b"!", kind),
        (SENT[:-1], kind),
        (b"", kind),
        (SENT, {"content-type": "text/html"}),
        (SENT, {}),
    ):
        assert http.put(url, content=content, headers=said).status_code == 403
    elsewhere = url.replace(str(INCOMING.owner), str(UUID(int=2)))
    longer = url.replace("content-length%3B", "")
    for address in (elsewhere, longer, url.partition("?")[0]):
        assert http.put(address, content=SENT, headers=headers).status_code == 403
    assert http.put(url, content=iter([SENT]), headers=kind).status_code >= 400, "in chunks, its length is not told"
    assert http.get(url).status_code == 403
    with pytest.raises(ObjectMissing):
        await objects.get(INCOMING)
