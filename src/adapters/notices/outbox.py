"""Notices as files, for whoever runs the service where nothing carries mail: one `.eml` each, which any mail program opens."""

import asyncio
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.notices.letters import Letter, Letters
from application.notices import Notices, NoticesUnavailable
from domain.notices import Notice


class FileOutbox(Notices):
    """Files of mode 0600 in `folder` (0700), named after the notice. They stay until somebody deletes them."""

    def __init__(self, folder: Path, letters: Letters) -> None:
        self._folder, self._letters = folder, letters

    async def send(self, notice: Notice) -> None:
        await asyncio.to_thread(self._put, self._folder / f"{notice.id}.eml", self._letters.write(notice))

    async def examine(self) -> str | None:
        try:
            await asyncio.to_thread(self._prepare)
        except NoticesUnavailable as error:
            return str(error)
        return None

    # In threads from here on.

    def _prepare(self) -> None:
        with _unavailable_on_error(), self._written_aside(b""):
            pass

    def _put(self, path: Path, letter: Letter) -> None:
        with _unavailable_on_error(), self._written_aside(letter.content) as written:
            written.replace(path)
            _sync(self._folder)

    @contextmanager
    def _written_aside(self, content: bytes) -> Iterator[Path]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        aside = self._folder / f".{uuid.uuid4().hex}.tmp"
        try:
            with os.fdopen(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            yield aside
        finally:
            aside.unlink(missing_ok=True)


@contextmanager
def _unavailable_on_error() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NoticesUnavailable(f"the outbox cannot be written: {error.strerror or type(error).__name__}") from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
