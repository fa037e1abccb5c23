"""Real processes within milliseconds: parts of the service forked by a zygote, and ended by their pid."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from domain.rate_limits import LARGEST_QUOTA, Policy

ROOT = Path(__file__).resolve().parent.parent
UNHURRIED = {f"{policy.upper()}_REQUESTS_PER_MINUTE": str(LARGEST_QUOTA) for policy in Policy}
"""Rates that nobody reaches."""
SHORT = {
    "LEASE_SECONDS": "3",
    "ACT_SECONDS": "20",
    "SETTLE_MARGIN_SECONDS": "5",
    "COME_BACK_SECONDS": "1",
    "BACK_OFF_SECONDS": "0.2",
    "SWEEP_SECONDS": "0.2",
    "MODERATION_PAUSE_SECONDS": "1",
    "GRACEFUL_SECONDS": "30",
    "PICTURE_WORKERS": "1",
    "WORKER_CONCURRENCY": "4",
    "DATABASE_CONNECTIONS": "8",
    "HEARTBEAT_SECONDS": "0.4",
    "WEBHOOK_ALLOW_PRIVATE": "1",
    "WEBHOOK_SECONDS": "10",
    **UNHURRIED,
}


class Fork:
    """`gpt-image <name>` in a process of its own; its output goes to `log`."""

    def __init__(
        self,
        zygote: Path,
        name: str,
        folder: Path,
        environment: Mapping[str, str],
        log: Path,
        listener: socket.socket | None = None,
    ) -> None:
        self.name, self.log = name, log
        log.touch(0o600)  # whoever looks before it has begun finds nothing said
        self.code: int | None = None
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(zygote))
        said = {"part": name, "log": str(log), "folder": str(folder), "environment": dict(environment), "zygote": str(zygote)}
        socket.send_fds(self._socket, [json.dumps(said).encode()], [listener.fileno()] if listener else [])
        answer = b""
        while not answer.endswith(b"\n"):
            answer += self._socket.recv(1)
        self.pid = int(answer)
        self._socket.setblocking(False)

    @property
    def has_ended(self) -> bool:
        """Whether it has; `code` is known then, negative for a signal."""
        if self.code is None:
            with suppress(BlockingIOError):
                self._heard(self._socket.recv(64))
        return self.code is not None

    async def ended(self) -> int:
        """Its exit code, once it has ended by itself or by a signal of ours."""
        if self.code is None:
            self._heard(await asyncio.get_running_loop().sock_recv(self._socket, 64))
        assert self.code is not None
        return self.code

    def _heard(self, answer: bytes) -> None:
        self.code = int(answer) if answer else -signal.SIGKILL
        self._socket.close()

    def wait(self, seconds: float) -> int:
        """Its exit code, once it has ended. Raises TimeoutError."""
        if self.code is None:
            self._socket.settimeout(seconds)
            try:
                self._heard(self._socket.recv(64))
            except TimeoutError:
                self._socket.setblocking(False)
                raise
        assert self.code is not None
        return self.code

    def stop(self, seconds: float = 30) -> int:
        """Ask it to stop, and wait for its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def signal(self, number: signal.Signals) -> None:
        if not self.has_ended:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Gone when this returns."""
        self.signal(signal.SIGKILL)
        if self.code is None:
            self._socket.setblocking(True)
            self._heard(self._socket.recv(64))

    @property
    def last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])


class Forks:
    """Starts parts with short times; whatever still runs when its block ends is killed."""

    def __init__(self, zygote: Path) -> None:
        self._zygote = zygote
        self._started = list[Fork]()

    def running(self, name: str) -> list[Fork]:
        """Those that nobody waits for."""
        return [fork for fork in self._started if fork.name == name and not fork.has_ended]

    def start(
        self,
        name: str,
        folder: Path,
        environment: Mapping[str, str],
        listener: socket.socket | None = None,
        log: Path | None = None,
    ) -> Fork:
        """`listener`: where an API is to answer."""
        folder.mkdir(parents=True, exist_ok=True)
        inherited = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG", "TMPDIR")}
        said = inherited | SHORT | {"DATA_DIR": str(folder)} | dict(environment)
        self._started = [fork for fork in self._started if fork.code is None]
        self._started.append(Fork(self._zygote, name, folder, said, log or folder / f"{name}.log", listener))
        return self._started[-1]

    @contextmanager
    def part(self, name: str, folder: Path, environment: Mapping[str, str]) -> Iterator[Fork]:
        """A part that is gone when the block ends."""
        running = self.start(name, folder, environment)
        try:
            yield running
        finally:
            running.kill()


@contextmanager
def zygote(folder: Path) -> Iterator[Forks]:
    folder.mkdir(parents=True, exist_ok=True)
    path, log = folder / "zygote", folder / "zygote.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.zygote", str(path)],
            cwd=ROOT,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # a library's threads would be lost in every child
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,
        )
    try:
        with process.stdout as said:  # type: ignore[union-attr]  # it is a pipe
            assert said.readline(), log.read_text()
        yield Forks(path)
    finally:
        process.stdin.close()  # type: ignore[union-attr]  # it is a pipe, and the zygote leaves when it closes
        process.wait(30)
        path.unlink(missing_ok=True)
