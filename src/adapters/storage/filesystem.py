"""Objects as files: one folder tree, whole files only, and links the service signs and serves itself."""

import asyncio
import base64
import binascii
import fcntl
import os
import re
import stat
import time
import unicodedata
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from application.ports import LinkedObject, LinkedObjects, ObjectMissing, ObjectStorage, Signer, StorageUnavailable, StoredObject
from domain.errors import NotFound
from domain.limits import LIMITS
from domain.media import PictureFormat
from domain.objects import ObjectKey

_PART = re.compile(r"[a-z0-9-]+", re.ASCII)
# The dot keeps files apart from folders: a key may go on where another ends.
_SUFFIX = ".object"
_ASIDE = ".tmp"
_ABANDONED_SECONDS = 60
_TRIES = 100
_BATCH = 500
_NAME_CHARACTERS = 100
_QUERY = re.compile(
    r"(?P<signed>format=(?P<format>[a-z]+)&name=(?P<name>[A-Za-z0-9._-]+)&expires=(?P<expires>\d{1,12}))"
    r"&kid=(?P<kid>[A-Za-z0-9_-]+)&signature=(?P<signature>[A-Za-z0-9_-]+)",
    re.ASCII,
)


class FilesystemStorage(ObjectStorage, LinkedObjects):
    """Files of mode 0600 under `root`, shared by every process of one machine. `clock` tells the time links are measured by.

    A link is `/files/<key>?format=…&name=…&expires=<unix seconds>&kid=…&signature=<base64url>`; the signature covers the key
    and the whole query, character by character.
    """

    def __init__(self, root: Path, *, signer: Signer, clock: Callable[[], datetime]) -> None:
        self._root, self._signer, self._clock = root, signer, clock
        try:
            (root / _ASIDE).mkdir(mode=0o700, parents=True, exist_ok=True)
            root.chmod(0o700)
            self._drop_abandoned()
        except OSError as error:
            raise StorageUnavailable(f"{root} cannot be used: {error.strerror}") from error

    async def put(self, key: ObjectKey, content: bytes, content_type: str) -> None:
        """`content_type` isn't kept: a link carries the format."""
        await asyncio.to_thread(self._put, self._path(key), content)

    async def get(self, key: ObjectKey) -> bytes:
        return await asyncio.to_thread(self._get, self._path(key))

    async def delete(self, key: ObjectKey) -> None:
        await asyncio.to_thread(self._delete, self._path(key))

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        found = self._walk(self._root, "", prefix)
        while batch := await asyncio.to_thread(self._batch, found):
            for stored in batch:
                yield stored

    def link(self, key: ObjectKey, *, format: PictureFormat, file_name: str, expires_at: datetime) -> str:
        self._path(key)
        assert (expires_at - self._clock()).total_seconds() <= LIMITS["link_seconds"], "a link lives ten minutes at most"
        signed = f"{key}?format={format}&name={_safe_name(file_name, format)}&expires={int(expires_at.timestamp())}"
        kid, mac = self._signer.sign(signed.encode())
        return f"/files/{signed}&kid={kid}&signature={_base64url(mac)}"

    async def open(self, path: str, signature: str) -> LinkedObject:
        """`path` is what follows `/files/`, `signature` the whole query, both exactly as they came."""
        asked = _QUERY.fullmatch(signature)
        if asked is None or not self._is_ours(path, asked):
            raise NotFound
        try:
            format, key = PictureFormat(asked["format"]), ObjectKey.parse(path)
            left = datetime.fromtimestamp(int(asked["expires"]), UTC) - self._clock()
            if left <= timedelta(0):
                raise NotFound
            content = await self.get(key)
        except (ValueError, ObjectMissing):
            raise NotFound from None
        shown = "inline" if format.shown_inline else "attachment"
        return LinkedObject(content, format.content_type, f'{shown}; filename="{asked["name"]}"', int(left.total_seconds()))

    def _is_ours(self, path: str, asked: re.Match[str]) -> bool:
        try:
            mac = base64.urlsafe_b64decode(asked["signature"] + "=" * (-len(asked["signature"]) % 4))
            message = f"{path}?{asked['signed']}".encode()
        except (binascii.Error, UnicodeEncodeError):
            return False
        # Base64 has several spellings of the same bytes: only ours counts.
        return self._signer.verify(asked["kid"], message, mac) and _base64url(mac) == asked["signature"]

    # In threads from here on.

    def _path(self, key: ObjectKey) -> Path:
        parts = str(key).split("/")
        if not all(_PART.fullmatch(part) for part in parts):
            raise ValueError("an object key is made of a-z, 0-9 and dashes")
        return self._root.joinpath(*parts[:-1], parts[-1] + _SUFFIX)

    def _put(self, path: Path, content: bytes) -> None:
        with _unavailable_on_error(), self._written_aside(content) as written:
            for tries_left in reversed(range(_TRIES)):
                try:
                    self._make_folders(path.parent)
                    written.replace(path)
                    break
                except FileNotFoundError:  # a delete pruned the folder in between
                    if not tries_left or not written.exists():
                        raise
            for folder in self._folders(path):
                with suppress(FileNotFoundError):  # put, then deleted by somebody and pruned: nothing left to make durable
                    _sync(folder)

    @contextmanager
    def _written_aside(self, content: bytes) -> Iterator[Path]:
        aside = self._root / _ASIDE / uuid.uuid4().hex
        descriptor = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # tells `_drop_abandoned` that the writer lives
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                yield aside
        finally:
            aside.unlink(missing_ok=True)

    def _get(self, path: Path) -> bytes:
        with _unavailable_on_error():
            try:
                return path.read_bytes()
            except FileNotFoundError:
                self._check_there()
                raise ObjectMissing from None

    def _delete(self, path: Path) -> None:
        with _unavailable_on_error():
            try:
                path.unlink()
                _sync(path.parent)
            except FileNotFoundError:
                self._check_there()
            for folder in self._folders(path)[:-1]:
                try:
                    folder.rmdir()
                except OSError:  # not empty, or gone already
                    return

    def _batch(self, found: Iterator[StoredObject]) -> tuple[StoredObject, ...]:
        with _unavailable_on_error():
            self._check_there()
            return tuple(islice(found, _BATCH))

    def _walk(self, folder: Path, at: str, prefix: str) -> Iterator[StoredObject]:
        """Depth first in key order: a folder sorts with its slash, for `-` comes before `/`."""
        entries: dict[str, Path] = {}
        with suppress(FileNotFoundError):  # pruned meanwhile
            for entry in os.scandir(folder):
                if entry.name.endswith(_SUFFIX):
                    entries[at + entry.name.removesuffix(_SUFFIX)] = Path(entry.path)
                elif _PART.fullmatch(entry.name):
                    entries[f"{at}{entry.name}/"] = Path(entry.path)
        for name, path in sorted(entries.items()):
            if name.endswith("/") and (name.startswith(prefix) or prefix.startswith(name)):
                yield from self._walk(path, name, prefix)
            elif not name.endswith("/") and name.startswith(prefix):
                with suppress(FileNotFoundError, ValueError):  # deleted meanwhile, or no key of ours
                    seen = path.stat()
                    yield StoredObject(ObjectKey.parse(name), seen.st_size, datetime.fromtimestamp(seen.st_mtime, UTC))

    def _folders(self, path: Path) -> tuple[Path, ...]:
        """From the object's own folder up to the root."""
        depth = len(path.relative_to(self._root).parts)
        return tuple(path.parents[:depth])

    def _make_folders(self, folder: Path) -> None:
        for each in reversed(self._folders(folder / "any")[:-1]):
            with suppress(FileExistsError):  # not `exist_ok`: that fails when the folder is pruned at the same moment
                each.mkdir(mode=0o700)

    def _check_there(self) -> None:
        """An unmounted disk looks like an empty one; that nothing is found there says nothing about the object."""
        if not stat.S_ISDIR((self._root / _ASIDE).stat().st_mode):
            raise NotADirectoryError(self._root / _ASIDE)

    def _drop_abandoned(self) -> None:
        """What a writer that was killed left aside is never read: away with it, once nobody holds its lock."""
        for aside in (self._root / _ASIDE).iterdir():
            with suppress(FileNotFoundError, BlockingIOError), aside.open("rb") as file:
                if aside.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    aside.unlink()


@contextmanager
def _unavailable_on_error() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(error.strerror or type(error).__name__) from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _base64url(mac: bytes) -> str:
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def _safe_name(name: str, format: PictureFormat) -> str:
    """A file name no header, shell or disk can stumble over, and one that says what the file is."""
    stem, _, ending = name.rpartition(".")
    if ending.lower() not in {format.value, "jpg" if format is PictureFormat.JPEG else format.value}:
        stem, ending = name, format.value
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip(".-")
    return f"{plain[:_NAME_CHARACTERS] or 'picture'}.{ending}"
