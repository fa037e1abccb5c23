"""What a link of ours is worth: one object, as one format under one name, until one second."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.keyring import Keyring
from adapters.storage.filesystem import FilesystemStorage
from adapters.storage.own_links import TO_PUT, TO_READ, OwnLinks
from application.ports import LinkedObject, ObjectMissing
from domain.errors import InvalidRequest, NotFound
from domain.limits import LIMITS
from domain.media import ArchiveFormat, FileFormat, PictureFormat
from domain.objects import ObjectKey
from tests.programs import ACCOUNT, KEYRING

NOON = datetime(2026, 11, 5, 12, tzinfo=UTC)


@dataclass
class Clock:
    time: datetime = field(default=NOON)

    def __call__(self) -> datetime:
        return self.time


def filesystem(root: Path, clock: Clock) -> FilesystemStorage:
    return FilesystemStorage(root, signer=Keyring.parse(KEYRING).purpose("links"), clock=clock)


def picture(index: int = 0) -> ObjectKey:
    return ObjectKey.picture(ACCOUNT, UUID(int=1), 1, index)


@dataclass
class Linked:
    """A store with one object, and a link to it as the route hands it on."""

    objects: FilesystemStorage
    clock: Clock
    path: str
    query: str


@pytest.fixture
async def linked(tmp_path: Path) -> Linked:
    clock = Clock()
    objects = filesystem(tmp_path, clock)
    await objects.put(picture(), b"content", "image/png")
    return Linked(objects, clock, *parts(link(objects)))


def link(objects: FilesystemStorage, format: FileFormat = PictureFormat.PNG, name: str = "cat.png", seconds: float = 60) -> str:
    return objects.link(picture(), format=format, file_name=name, expires_at=NOON + timedelta(seconds=seconds))


def parts(link: str) -> tuple[str, str]:
    path, _, query = link.removeprefix("/files/").partition("?")
    return path, query


async def whole(found: LinkedObject, first: int = 0, past: int | None = None) -> bytes:
    return b"".join([piece async for piece in found.pieces(first, found.length if past is None else past)])


@pytest.mark.anyio
async def test_a_link_leads_to_its_object(linked: Linked) -> None:
    assert linked.path == str(picture())
    assert linked.query.startswith(f"format=png&name=cat.png&expires={int(NOON.timestamp()) + 60}&kid=k1&signature=")
    found = await linked.objects.open(linked.path, linked.query)
    assert (await whole(found), found.length, found.content_type) == (b"content", 7, "image/png")
    assert [await whole(found, *span) for span in ((0, 3), (3, 7), (6, 99), (7, 9), (2, 2))] == [b"con", b"tent", b"t", b"", b""]
    assert found.disposition == 'inline; filename="cat.png"'


@pytest.mark.anyio
@pytest.mark.parametrize("format", [*PictureFormat, *ArchiveFormat])
async def test_what_is_not_shown_inline_is_attached(linked: Linked, format: FileFormat) -> None:
    found = await linked.objects.open(*parts(link(linked.objects, format)))
    assert found.content_type == format.content_type
    assert found.disposition.split(";")[0] == ("inline" if format.shown_inline else "attachment")


@pytest.mark.anyio
async def test_a_link_ends_on_the_second(linked: Linked) -> None:
    linked.clock.time = NOON + timedelta(seconds=59)
    assert await whole(await linked.objects.open(linked.path, linked.query)) == b"content"
    for late in (60, 61, 10**9):
        linked.clock.time = NOON + timedelta(seconds=late)
        with pytest.raises(NotFound):
            await linked.objects.open(linked.path, linked.query)


@pytest.mark.anyio
async def test_a_fraction_of_a_second_never_prolongs_a_link(linked: Linked) -> None:
    path, query = parts(link(linked.objects, seconds=60.9))
    linked.clock.time = NOON + timedelta(seconds=60)
    with pytest.raises(NotFound):
        await linked.objects.open(path, query)


@pytest.mark.anyio
async def test_no_link_lives_longer_than_ten_minutes(linked: Linked) -> None:
    link(linked.objects, seconds=LIMITS["link_seconds"])
    with pytest.raises(AssertionError, match="ten minutes"):
        link(linked.objects, seconds=LIMITS["link_seconds"] + 1)


@pytest.mark.anyio
async def test_a_link_to_what_was_deleted_leads_nowhere(linked: Linked) -> None:
    await linked.objects.delete(picture())
    with pytest.raises(NotFound):
        await linked.objects.open(linked.path, linked.query)


@pytest.mark.anyio
async def test_a_link_changed_in_any_character_leads_nowhere(linked: Linked) -> None:
    """Every place of path and query, replaced by every plain character, left out, doubled, or filled by one more."""
    plain = [chr(code) for code in range(32, 127)] + ["\0", "\n", "é", "\ud800", "٣"]
    whole = f"{linked.path}?{linked.query}"
    changed = {whole[:at] + new + whole[at + 1 :] for at in range(len(whole)) for new in (*plain, "", whole[at] * 2)}
    changed |= {whole + new for new in plain}
    changed.discard(whole)
    for link in changed:
        path, _, query = link.partition("?")
        with pytest.raises(NotFound):
            await linked.objects.open(path, query)


@pytest.mark.anyio
async def test_parameters_doubled_moved_missing_or_borrowed_lead_nowhere(linked: Linked) -> None:
    fields = linked.query.split("&")
    other = parts(
        linked.objects.link(
            picture(index=1), format=PictureFormat.PNG, file_name="cat.png", expires_at=NOON + timedelta(seconds=60)
        )
    )
    queries = [linked.query + "&" + extra for extra in (*fields, "x=1", "")]
    queries += ["&".join(fields[:at] + fields[at + 1 :]) for at in range(len(fields))]
    queries += ["&".join(fields[::-1]), "", "?", linked.query + "#", other[1], "&".join([*fields[:-1], other[1].split("&")[-1]])]
    for query in queries:
        with pytest.raises(NotFound):
            await linked.objects.open(linked.path, query)


def put_link(objects: FilesystemStorage, length: int = 7, seconds: float = 60) -> tuple[str, str]:
    until = NOON + timedelta(seconds=seconds)
    return parts(objects.link_to_put(picture(5), content_type="image/png", bytes=length, expires_at=until).url)


@dataclass
class Sent:
    """A body in pieces, which counts them; `breaks`: its line does, after the last."""

    pieces: list[bytes]
    breaks: bool = False
    read: int = 0

    async def __call__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            self.read += 1
            yield piece
        if self.breaks:
            raise ConnectionError


@pytest.mark.anyio
async def test_what_is_sent_by_a_link_lies_at_its_key_once_it_is_whole(linked: Linked) -> None:
    for content in ([b"con", b"tent"], [b"CONTENT"]):
        await linked.objects.receive(*put_link(linked.objects), "image/png", Sent(content)())
        assert await linked.objects.get(picture(5)) == b"".join(content)


@pytest.mark.anyio
async def test_what_is_not_what_a_link_is_for_leaves_nothing(linked: Linked, tmp_path: Path) -> None:
    """It is no longer read than it is as long as it may be; and of a line that breaks nothing stays either."""
    endless = Sent([b"123"] * 1_000)
    for type, sent in (("image/png", endless), ("image/png", Sent([b"123456"])), ("text/html", Sent([b"content"]))):
        with pytest.raises(InvalidRequest):
            await linked.objects.receive(*put_link(linked.objects), type, sent())
    assert endless.read == 3
    with pytest.raises(ConnectionError):
        await linked.objects.receive(*put_link(linked.objects), "image/png", Sent([b"content"], breaks=True)())
    with pytest.raises(ObjectMissing):
        await linked.objects.get(picture(5))
    assert list((tmp_path / ".tmp").iterdir()) == []


@pytest.mark.anyio
async def test_only_the_very_link_to_put_takes_anything(linked: Linked) -> None:
    path, query = put_link(linked.objects)
    wrong = [(path, query.replace("bytes=7", "bytes=8")), (path, query.replace("png", "jpeg")), (path[:-1] + "6", query)]
    wrong += [
        (path, query[:-1]),
        (path, ""),
        (linked.path, linked.query),
        (path, linked.query),
        put_link(linked.objects, seconds=0),
    ]
    for each in wrong:
        sent = Sent([b"content"])
        with pytest.raises(NotFound):
            await linked.objects.receive(*each, "image/png", sent())
        assert sent.read == 0
    with pytest.raises(NotFound):
        await linked.objects.open(path, query)


@given(st.text(), st.text())
def test_garbage_is_no_link(path: str, query: str) -> None:
    links = OwnLinks(Keyring.parse(KEYRING).purpose("links"), Clock())
    for form in (TO_READ, TO_PUT):
        with pytest.raises(NotFound):
            links.follow(form, path, query)


@pytest.mark.anyio
async def test_a_link_signed_by_an_unknown_key_leads_nowhere(linked: Linked, tmp_path: Path) -> None:
    other = Keyring.parse(KEYRING.replace("AAAA", "BAAA", 1)).purpose("links")
    renamed = Keyring.parse(KEYRING.replace("k1", "k2")).purpose("links")
    for signer in (other, renamed, Keyring.parse(KEYRING).purpose("cursors")):
        with pytest.raises(NotFound):
            await linked.objects.open(*parts(link(FilesystemStorage(tmp_path, signer=signer, clock=linked.clock))))


@given(st.text(max_size=200), st.sampled_from(PictureFormat))
def test_a_file_name_is_safe_in_a_header_and_says_what_the_file_is(
    tmp_path_factory: pytest.TempPathFactory, name: str, format: PictureFormat
) -> None:
    objects = filesystem(tmp_path_factory.getbasetemp() / "names", Clock())
    safe = re.search(r"&name=([^&]*)&", link(objects, format, name))
    assert safe is not None
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*\.[a-zA-Z]+", safe[1])
    assert len(safe[1]) <= 110
    assert safe[1].rpartition(".")[2].lower() in {format.value, "jpg" if format is PictureFormat.JPEG else format.value}


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        *(("Katze schläft.PNG", "Katze-schlaft.PNG"), ("../../etc/passwd", "etc-passwd.png"), ("x.html", "x.html.png")),
        *(('a"; filename="b.exe', "a-filename-b.exe.png"), ("a\r\nSet-Cookie: b", "a-Set-Cookie-b.png"), ("", "picture.png")),
        *((".png", "picture.png"), ("猫", "picture.png"), ("猫.png", "picture.png"), ("cat.png", "cat.png")),
    ],
)
def test_file_names_are_kept_as_far_as_they_are_harmless(tmp_path: Path, name: str, safe: str) -> None:
    assert f"&name={safe}&" in link(filesystem(tmp_path, Clock()), name=name)
