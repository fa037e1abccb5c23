"""Archives as ZIP files. Pictures are compressed already, so they are stored as they are."""

import asyncio
import tempfile
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from application.packing import Package, Packer
from application.ports import StorageUnavailable

_FIRST_YEAR, _LAST_YEAR = 1980, 2107
"""What the format has room for."""


class ZipFiles(Packer):
    """Files under `folder`, which is made when it is needed. They have no name there: whatever ends this process, none stays."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Package]:
        package = _ZipFile(self._open())  # at once: a thread left alone would leave the file open
        try:
            yield package
        finally:
            await package.leave()

    def _open(self) -> IO[bytes]:
        with _unavailable_on_error():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return tempfile.TemporaryFile(dir=self._folder)


class _ZipFile(Package):
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)
        self._at_work: asyncio.Future[None] | None = None

    async def add(self, name: str, content: bytes, at: datetime) -> None:
        moment = at.astimezone(UTC)
        year = min(max(moment.year, _FIRST_YEAR), _LAST_YEAR)
        about = zipfile.ZipInfo(name, (year, moment.month, moment.day, moment.hour, moment.minute, moment.second))
        await self._do(lambda: self._zip.writestr(about, content))

    async def close(self) -> tuple[Path, int]:
        await self._do(self._finish)
        return Path(f"/proc/self/fd/{self._file.fileno()}"), self._file.tell()

    async def leave(self) -> None:
        """Even if nobody waits for it. A thread that was left alone goes on writing, so it is waited for."""
        await asyncio.shield(self._leave())

    async def _leave(self) -> None:
        if self._at_work and not self._at_work.done():
            await asyncio.wait({self._at_work})
        await asyncio.to_thread(self._drop)

    async def _do(self, act: Callable[[], None]) -> None:
        self._at_work = asyncio.get_running_loop().run_in_executor(None, act)
        with _unavailable_on_error():
            await asyncio.shield(self._at_work)

    def _finish(self) -> None:
        self._zip.close()
        self._file.seek(0, 2)
        self._file.flush()

    def _drop(self) -> None:
        with suppress(OSError):  # a full disk was told before
            self._zip.close()
        with suppress(OSError):
            self._file.close()


@contextmanager
def _unavailable_on_error() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(error.strerror or type(error).__name__) from error
