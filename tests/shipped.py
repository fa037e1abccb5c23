"""An API as it ships: a process that was started anew, with picture workers of its own started anew, and not forked."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.stage import Part, wait_until_ready
from tests.forks import UNHURRIED
from tests.processes import tree_of
from tests.service import free_port

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Shipped:
    """`pid`: the API's own."""

    pid: int
    port: int
    log: Path

    @property
    def picture_workers(self) -> Sequence[int]:
        return tree_of(self.pid)[1:]

    @property
    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(line for line in lines if '"event": "request"' not in line)[-3_000:]


@contextmanager
def shipped_api(database_url: str, home: Path, *words: str) -> Iterator[Shipped]:
    """With two picture workers, gone when the block ends. `words`: another module in its place."""
    home.mkdir(exist_ok=True)
    port = free_port()
    said = {"DATABASE_URL": database_url, "DATA_DIR": str(home), "PORT": str(port), "PICTURE_WORKERS": "2", **UNHURRIED}
    api = Part("api", home / "api.log", said, ROOT, words)
    running = Shipped(api.process.pid, port, home / "api.log")
    try:
        wait_until_ready(api, port)
        yield running
    except Exception as error:
        error.add_note(running.last_words)
        raise
    finally:
        api.kill()
