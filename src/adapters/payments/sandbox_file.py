"""The one file of the sandbox of payments: shared by every process of a machine, and whole always."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from adapters.payments.sandbox_state import State
from application.payments import PaymentsUnavailable


@dataclass(frozen=True, slots=True)
class StateFile:
    """Mode 0600. Its state is written aside and renamed, so that a crash at any moment leaves the old one or the new one.
    `patience`: seconds to wait for others that write. All raises PaymentsUnavailable."""

    path: Path
    patience: float = 5.0

    def read(self) -> State:
        return _decoded(self._content())

    @contextmanager
    def change(self) -> Iterator[State]:
        """The state, for one at a time. It is kept when the block ends, and stays what it was if the block raises."""
        with self._locked():
            before = self._content()
            state = _decoded(before)
            yield state
            after = msgspec.json.encode(state)
            if after != before:
                self._write(after)

    def _content(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b"{}"
        except OSError as error:
            raise PaymentsUnavailable(f"the sandbox of payments cannot be read: {error.strerror}") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The lock is a file of its own, as the other one is another each time. It ends with its process."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise PaymentsUnavailable(f"the sandbox of payments cannot be locked: {error.strerror}") from error
        try:
            until = time.monotonic() + self.patience
            while not _has_locked(lock):
                if time.monotonic() >= until:
                    raise PaymentsUnavailable("the sandbox of payments is busy")
                time.sleep(0.005)
            yield
        finally:
            os.close(lock)

    def _write(self, content: bytes) -> None:
        aside = self.path.with_suffix(".tmp")
        try:
            with os.fdopen(os.open(aside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise PaymentsUnavailable(f"the sandbox of payments cannot be written: {error.strerror}") from error


def _has_locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _decoded(content: bytes) -> State:
    try:
        return msgspec.json.decode(content, type=State)
    except msgspec.MsgspecError as error:
        raise PaymentsUnavailable("the sandbox of payments has a file that is not its own") from error
