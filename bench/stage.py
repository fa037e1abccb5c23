"""Where it is measured: a durable Postgres of its own, and the service's real processes before it."""

import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from unittest import mock

from entrypoints.wiring import EmbeddedPostgres
from entrypoints.wiring_schema import upgrade
from tests.forks import UNHURRIED
from tests.processes import until
from tests.weed import weed

INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")
STORAGE = ("S3_", "AWS_")


@contextmanager
def temporary_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="gpt-image-bench-"))
    folder.chmod(0o711)  # root's Postgres runs as somebody else, who must pass
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def durable_postgres(home: Path, **settings: str) -> Iterator[EmbeddedPostgres]:
    """As `gpt-image up` runs it: every commit is on disk before it is answered."""
    with EmbeddedPostgres(home, settings=settings) as postgres:
        upgrade(postgres.url)
        yield postgres
    shutil.rmtree(postgres.data.parent, ignore_errors=True)  # as root its place may be outside the home


@contextmanager
def objects(*, s3: bool) -> Iterator[None]:
    """Where parts started meanwhile keep their objects: at a real S3, or else in files."""
    beside = {key: value for key, value in os.environ.items() if not key.startswith(STORAGE)}
    with ExitStack() as stack:
        at = stack.enter_context(weed()).environment if s3 else {}
        stack.enter_context(mock.patch.dict(os.environ, beside | dict(at), clear=True))
        yield


def postmaster(postgres: EmbeddedPostgres) -> int:
    return int((postgres.data / "postmaster.pid").read_text().split()[0])


class Part:
    """`gpt-image <name>` as a child process, or another module's `words`; its output goes to `log`."""

    def __init__(self, name: str, log: Path, environment: Mapping[str, str], cwd: Path, words: Sequence[str] = ()) -> None:
        self.log = log
        inherited = {key: value for key, value in os.environ.items() if key in INHERITED or key.startswith(STORAGE)}
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *(words or ("entrypoints.command", name))],
                env=inherited | dict(environment),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(30)

    def stop(self, seconds: float = 30) -> int:
        """Ask it to stop, and wait for its exit code."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        return self.process.wait(seconds)

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None


@contextmanager
def running(name: str, folder: Path, database_url: str, **environment: str) -> Iterator[Part]:
    """One `gpt-image <name>` as it ships, gone when the block ends."""
    folder.mkdir(exist_ok=True)
    said = {"DATABASE_URL": database_url, "DATA_DIR": str(folder), **UNHURRIED, **environment}
    part = Part(name, folder / f"{name}.log", said, folder)
    try:
        yield part
    except Exception:
        if part.has_ended:
            print(part.log.read_text()[-2000:])
        raise
    finally:
        part.kill()


def wait_until_ready(api: Part, port: int) -> None:
    def ready() -> bool:
        if api.has_ended:
            raise RuntimeError("the API did not start")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    until(ready, "the API to be ready")


def load_average() -> str:
    return " ".join(f"{load:.1f}" for load in os.getloadavg())
