"""Hostile files through HTTP: at a real API process, over connections that stay, until time is up.

Every file gets one plain answer. What was taken in is fetched by its link and looked at; what was refused leaves nothing.
"""

import asyncio
import hashlib
import io
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from PIL import Image

from domain.media import CleanPicture
from domain.objects import ObjectClass
from tests.clusters import migrated_postgres, new_database
from tests.hostile import CANARY, pieces_of
from tests.hostile_files import BOUNDARY, FILE_LIMIT, Hostile, form, hostile_files
from tests.processes import until
from tests.service import Customer, customer
from tests.shipped import shipped_api
from tests.upload_line import Answer, Line, LineLost
from tests.world import world

LINES = 12
"""Fewer than may wait for a picture worker: nobody is told to come back."""
SECONDS_EACH = 40.0
GROWTH_BYTES = 50 * 1024 * 1024
WARM = 2_600
"""Files after which the API's memory is what it is: it has seen one of each kind."""
BY_LINK = 12
"""Of so many files, one is sent to the store by a link."""
DELETED = 10
"""Of so many pictures taken in, one is deleted again."""
GROWN = "worst kilobytes the API grew by"
SLOWEST = "worst milliseconds to an answer"
_HARMLESS = {
    "PNG": set(),
    "JPEG": {"jfif", "jfif_version", "jfif_unit", "jfif_density"},
    "WEBP": {"loop", "background", "timestamp", "duration"},
    "AVIF": {"icc_profile", "duration", "timestamp"},
}
_PIECES = {b"IHDR", b"IDAT", b"IEND", b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"JFIF", b"DQT", b"SOF", b"DHT", b"SOS"}


async def soak_uploads(seed: int, deadline: float, folder: Path) -> dict[str, int]:
    """How often each class met each ending. Raises AssertionError naming seed and place."""
    with quick_folder(folder) as home, migrated_postgres(home / "postgres") as postgres:
        url = new_database(postgres)
        async with world(url, home) as service:
            who = await customer(service, 0)
        with shipped_api(url, home) as api:
            began = time.monotonic()
            feed = Feed(api.port, who, hostile_files(seed), api.pid)
            try:
                await feed.run(deadline)
                feed.check_memory()
                await asyncio.to_thread(check_agreement, url, home / "objects", who, feed.kept)
                assert "request_crashed" not in api.log.read_text(), "a request crashed"
            except AssertionError as error:
                raise AssertionError(f"seed {seed}: {error}\n{api.last_words}") from error
    counts = dict(feed.counts) | {GROWN: max(0, feed.growth // 1024), SLOWEST: round(feed.slowest * 1000)}
    return counts | {"seconds": round(time.monotonic() - began)}


@contextmanager
def quick_folder(folder: Path) -> Iterator[Path]:
    """In memory, where there is such a place: what is measured here is no disk."""
    if not Path("/dev/shm").is_dir():
        yield folder
        return
    made = Path(tempfile.mkdtemp(prefix="gpt-image-soak-", dir="/dev/shm"))
    made.chmod(0o711)  # root's Postgres runs as somebody else, who must pass
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@dataclass
class Feed:
    """One API fed over several lines. `process`: whose memory is looked at. `kept`: SHA-256 by id of what it said it had taken
    in, and still has."""

    port: int
    who: Customer
    files: Iterator[Hostile]
    process: int | None = None
    counts: Counter[str] = field(default_factory=Counter)
    kept: dict[str, str] = field(default_factory=dict)
    taken: int = 0
    slowest: float = 0.0
    growth: int = 0
    _before: int = 0
    _place: int = 0

    async def run(self, deadline: float, most: int | None = None) -> None:
        """Until then, or until so many files."""
        self._most = most
        lines = [Line("127.0.0.1", self.port, self.who.key) for _ in range(LINES)]
        try:
            async with asyncio.TaskGroup() as group:
                for line in lines:
                    group.create_task(self._feed(line, deadline))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed.exceptions[0].__cause__
        finally:
            for line in lines:
                await line.close()
        if self.process and self._before:
            self.growth = resident_bytes(self.process) - self._before

    def check_memory(self) -> None:
        assert self.growth < GROWTH_BYTES, f"the API grew by {self.growth / 2**20:.0f} MB over {self._place} files"

    async def _feed(self, line: Line, deadline: float) -> None:
        while time.monotonic() < deadline and self._place != self._most:
            self._place += 1
            place, file = self._place, next(self.files)
            if place == WARM and self.process:
                self._before = resident_bytes(self.process)
            try:
                ending = await self._one(line, file, by_link=place % BY_LINK == 0)
            except Exception as error:
                raise AssertionError(f"file {place} ({file.name}: {file.what}, {len(file.content)} bytes): {error!r}") from error
            self.counts[f"{file.name}: {ending}"] += 1

    async def _one(self, line: Line, file: Hostile, *, by_link: bool) -> str:
        began = time.monotonic()
        body = form(file.content, mask=file.mask) if file.form is None else file.form
        try:
            if by_link and file.form is None and 0 < len(file.content) <= FILE_LIMIT:
                answer = await _sent_by_link(line, file)
            else:
                answer = await line.upload(body, BOUNDARY)
        except LineLost:
            # A refusal sent while the body still comes may be lost with the line.
            assert len(body) > FILE_LIMIT, "the line was lost"
            return "hung up"
        took = time.monotonic() - began
        self.slowest = max(self.slowest, took)
        assert took <= SECONDS_EACH, f"it took {took:.0f} s"
        if answer.status == 201:
            await self._check_taken(line, answer.told)
            return "taken"
        if answer.status == 503:
            assert answer.retry_after, f"a 503 without Retry-After: {answer}"
            await asyncio.sleep(0.2)
            return f"refused: {answer.problem}"
        assert 400 <= answer.status < 500, f"{answer.status}: {answer.body[:300]!r}"
        assert CANARY not in answer.body, "the refusal repeats what was sent"
        return f"refused: {answer.problem}"

    async def _check_taken(self, line: Line, told: Any) -> None:
        self.taken += 1
        link = urlsplit(told["url"])
        found = await line.ask(f"GET {link.path}?{link.query}".encode())
        check_delivered(found, told)
        self.kept[told["id"]] = told["sha256"]
        if self.taken % DELETED == 0:
            gone = await line.ask(f"DELETE /v1/media/{told['id']}".encode())
            assert gone.status == 204, f"{gone.status} at a delete"
            del self.kept[told["id"]]
            again = await line.ask(f"GET {link.path}?{link.query}".encode())
            assert again.status == 404, f"{again.status} for what was deleted"


async def _sent_by_link(line: Line, file: Hostile) -> Answer:
    """The answer to its completion, or to the wish for a link."""
    wish = {"content_type": "image/png", "bytes": len(file.content), "purpose": "mask" if file.mask else "reference"}
    begun = await line.ask(b"POST /v1/media/uploads", *_json(wish))
    if begun.status != 201:
        return begun
    told = begun.told
    link, named = urlsplit(told["url"]), "".join(f"{name}: {value}\r\n" for name, value in told["headers"].items())
    length = "" if "content-length" in told["headers"] else f"Content-Length: {len(file.content)}\r\n"
    put = await line.ask(f"PUT {link.path}?{link.query}".encode(), f"{named}{length}\r\n".encode(), file.content)
    assert put.status == 200, f"{put.status} at a link to put: {put.body[:300]!r}"
    return await line.ask(f"POST /v1/media/uploads/{told['id']}/complete".encode(), b"Content-Length: 0\r\n\r\n")


def _json(body: Any) -> tuple[bytes, bytes]:
    said = json.dumps(body).encode()
    return b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(said), said


def check_delivered(answer: Answer, told: Any) -> None:
    """What a link led to is the picture that was promised, and nothing else."""
    assert answer.status == 200, f"{answer.status} for what was taken in"
    assert f"content-type: {told['content_type']}\r\n".encode() in answer.head.lower()
    assert b"x-content-type-options: nosniff" in answer.head.lower()
    assert len(answer.body) == told["bytes"]
    assert hashlib.sha256(answer.body).hexdigest() == told["sha256"]
    mode = "RGBA" if told["has_alpha"] else "RGB"
    _check_bare(answer.body, told["content_type"].rpartition("/")[2].upper(), (told["width"], told["height"]), mode)


def check_bare(picture: CleanPicture) -> None:
    """The bytes are one whole picture of what they say and nothing else."""
    mode = "RGBA" if picture.has_alpha else "RGB"
    _check_bare(picture.content, picture.format.upper(), (picture.width, picture.height), mode)


def _check_bare(content: bytes, format: str, size: tuple[int, int], mode: str) -> None:
    assert CANARY[:7] not in content, "a canary got through"
    with Image.open(io.BytesIO(content)) as opened:
        opened.load()
        seen = (opened.format, opened.size, opened.mode)
        assert seen == (format, size, mode), f"{seen} is not {(format, size, mode)}"
        left = set(opened.info) - _HARMLESS[format]
        assert not left, f"metadata left: {left}"
        assert not opened.getexif(), "EXIF left"
    if format != "AVIF":
        names = chunk_names(content)
        assert names <= _PIECES, names
        assert whole_length(content) == len(content), "bytes behind the end"


def chunk_names(content: bytes) -> set[bytes]:
    """What the file is made of; a JPEG's segments by their usual names, unknown ones by their marker."""
    _, pieces = pieces_of(content)
    if not content.startswith(b"\xff\xd8"):
        return {piece[:4] if content.startswith(b"RIFF") else piece[4:8] for piece in pieces}
    usual = {0xDB: b"DQT", 0xC0: b"SOF", 0xC4: b"DHT", 0xDA: b"SOS"}
    assert content.endswith(b"\xff\xd9"), "bytes behind the end"
    return {b"JFIF" if p[:2] == b"\xff\xe0" and p[4:8] == b"JFIF" else usual.get(p[1], p[:2]) for p in pieces}


def whole_length(content: bytes) -> int:
    """Where the picture says that it ends."""
    if content.startswith(b"RIFF"):
        return 8 + int.from_bytes(content[4:8], "little")
    head, pieces = pieces_of(content)
    return len(head) + sum(len(piece) for piece in pieces)


def check_agreement(database_url: str, objects: Path, who: Customer, kept: dict[str, str]) -> None:
    """Rows, objects and what the answers said are one and the same: what was refused or deleted has left nothing."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT id::text, sha256 FROM assets WHERE account_id = %s", (who.account,)).fetchall()
    assert dict(rows) == kept, f"{len(rows)} rows for {len(kept)} pictures taken in"
    stored = {path.parent.name: path for path in (objects / ObjectClass.UPLOADS / str(who.account)).rglob("*.object")}
    assert stored.keys() == kept.keys(), f"{len(stored)} objects for {len(kept)} pictures taken in"
    for id, path in stored.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == kept[id], f"{path} is not what its row says"
    sent = list((objects / ObjectClass.INCOMING / str(who.account)).rglob("*.object"))
    assert not sent, f"{len(sent)} files that were sent by a link are left"
    # Whoever lives may be writing a thumbnail just now.
    until(lambda: not any((objects / ".tmp").iterdir()), "no file to be left half written", 10)


def resident_bytes(pid: int | str = "self") -> int:
    """A process's memory, without its children's."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
