"""A folder tree in which a file is there whole and durable, or not at all. Everything here blocks: call it in threads."""

import fcntl
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Self

from application.ports import ObjectMissing, ObjectTooLarge, StorageUnavailable, StoredObject
from domain.objects import PART, ObjectKey

# The dot keeps files apart from folders: a key may go on where another ends.
_SUFFIX = ".object"
_ASIDE = ".tmp"
_TRIES = 100
_PIECE = 1 << 20


class Aside:
    """A file that is being written where nobody reads: it becomes an object, or nothing."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / uuid.uuid4().hex
        with unavailable_on_error():
            self._file = os.fdopen(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "w+b")
            fcntl.flock(self._file, fcntl.LOCK_EX)  # tells `clear` that the writer lives

    def write(self, content: bytes) -> None:
        with unavailable_on_error():
            self._file.write(content)

    def copy(self, source: Path) -> None:
        with unavailable_on_error(), source.open("rb") as read:
            while piece := read.read(_PIECE):
                self._file.write(piece)

    def make_durable(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def drop(self) -> None:
        """What has become an object stays."""
        with suppress(OSError):  # a full disk is told by whoever wrote
            self._file.close()
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Seen:
    """`tag` differs for whatever is put at the same place later."""

    bytes: int
    tag: str

    @classmethod
    def of(cls, found: os.stat_result) -> Self:
        return cls(found.st_size, f'"{found.st_ino:x}-{found.st_mtime_ns:x}"')


class WholeFiles:
    """Files of mode 0600 under `root`, shared by every process of one machine. Raises StorageUnavailable where the disk fails."""

    def __init__(self, root: Path) -> None:
        self._root = root
        try:
            (root / _ASIDE).mkdir(mode=0o700, parents=True, exist_ok=True)
            root.chmod(0o700)
        except OSError as error:
            raise StorageUnavailable(f"{root} cannot be used: {error.strerror}") from error

    def path(self, key: ObjectKey) -> Path:
        """Raises ValueError for what is no key of ours."""
        *folders, last = key.plain_parts
        return self._root.joinpath(*folders, last + _SUFFIX)

    def aside(self) -> Aside:
        return Aside(self._root / _ASIDE)

    def put(self, path: Path, content: bytes, *, over: bool = True) -> bool:
        aside = self.aside()
        try:
            aside.write(content)
            return self.settle(aside, path, over=over)
        finally:
            aside.drop()

    def put_file(self, path: Path, source: Path) -> None:
        aside = self.aside()
        try:
            aside.copy(source)
            self.settle(aside, path)
        finally:
            aside.drop()

    def settle(self, aside: Aside, path: Path, *, over: bool = True) -> bool:
        """What was written aside becomes the object; False when there is one already, and it is not to be written `over`."""
        with unavailable_on_error():
            aside.make_durable()
            for tries_left in reversed(range(_TRIES)):
                try:
                    self._make_folders(path.parent)
                    aside.path.replace(path) if over else path.hardlink_to(aside.path)
                    break
                except FileExistsError:
                    return False
                except FileNotFoundError:  # a delete pruned the folder in between
                    if not tries_left or not aside.path.exists():
                        raise
            for folder in self._folders(path):
                with suppress(FileNotFoundError):  # put, then deleted by somebody and pruned: nothing left to make durable
                    _sync(folder)
            return True

    def get(self, path: Path, at_most: int | None = None) -> bytes:
        with unavailable_on_error():
            try:
                with path.open("rb") as file:
                    if at_most is not None and os.fstat(file.fileno()).st_size > at_most:
                        raise ObjectTooLarge
                    return file.read()
            except FileNotFoundError:
                self._check_there()
                raise ObjectMissing from None

    def seen(self, path: Path) -> "Seen":
        with unavailable_on_error():
            try:
                return Seen.of(path.stat())
            except FileNotFoundError:
                self._check_there()
                raise ObjectMissing from None

    @contextmanager
    def reading(self, path: Path, seen: "Seen") -> Iterator[BinaryIO]:
        """The very file that was seen, until its last piece is read; raises StorageUnavailable if another has taken its place."""
        with unavailable_on_error(), path.open("rb") as file:
            if Seen.of(os.fstat(file.fileno())) != seen:
                raise StorageUnavailable("the object has changed")
            yield file

    def delete(self, path: Path) -> None:
        with unavailable_on_error():
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

    def walk(self, prefix: str) -> Iterator[StoredObject]:
        with unavailable_on_error():
            self._check_there()
            *folders, _ = prefix.split("/")
            if all(PART.fullmatch(part) for part in folders):  # nobody else's folder is looked at
                yield from self._walk(self._root.joinpath(*folders), "".join(f"{part}/" for part in folders), prefix)

    def clear(self, before: datetime) -> int:
        """What a writer that was killed left aside is never read: away with it, once nobody holds its lock."""
        cleared = 0
        with unavailable_on_error():
            for aside in (self._root / _ASIDE).iterdir():
                with suppress(FileNotFoundError, BlockingIOError), aside.open("rb") as file:
                    if aside.stat().st_mtime < before.timestamp():
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        aside.unlink()
                        cleared += 1
        return cleared

    def _walk(self, folder: Path, at: str, prefix: str) -> Iterator[StoredObject]:
        """Depth first in key order: a folder sorts with its slash, for `-` comes before `/`."""
        entries: dict[str, Path] = {}
        with suppress(FileNotFoundError):  # pruned meanwhile
            for entry in os.scandir(folder):
                if entry.name.endswith(_SUFFIX):
                    entries[at + entry.name.removesuffix(_SUFFIX)] = Path(entry.path)
                elif PART.fullmatch(entry.name):
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


@contextmanager
def unavailable_on_error() -> Iterator[None]:
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
