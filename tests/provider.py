"""A provider that is none: a process of its own, on 127.0.0.1, that speaks OpenAI's image API and can be told to misbehave.

    with provider(folder) as openai:            # started, and gone when the block ends
        OPENAI_BASE_URL = openai.url            # http://127.0.0.1:PORT/v1; any key will do
        openai.calls()                          # what it was asked and what it did, by call
        openai.mood("[fault: quota]")           # from now on, for every call; mood("") ends it
        openai.kill(); openai.start()           # away and back at the same address, the record goes on

By hand: `python -m tests.provider --port 0 --record FILE [--mood FILE] [--latency MS] [--limit CALLS/SECONDS]`, from the
root of the repository; it prints its port. A key that contains `refused` or `unverified` is treated so.

Words in the prompt direct the call (a word of the mood counts before the prompt's own):

    [fault: NAME]        what goes wrong: a name of provider_script.REFUSALS, LINES, NONSENSE or STREAMS
    [times: N]           only the first N calls of the same tag (or else the same prompt) go wrong
    [latency: MS]        how long the work takes
    [waits: yes]         the work takes until `openai.let_go(tag)`
    [tag: WORD]          stands in the record
    [bytes: N]           the least size of each picture
    [made: yes|no]       whether the work counts as done, where the fault would say otherwise
    [requests: 10/9/6s]  the headers x-ratelimit-limit-, -remaining- and -reset-requests of any answer; [images: 5/4/12s] likewise
    [retry-after: X]     that header; [retry-after-ms: X] likewise

The record is a file of JSON lines, each appended at once: `received` when a call has arrived whole, before the latency, and
when its work is over, before a byte of the answer is sent, one of

    made      done, and would be billed, whatever becomes of the answer and whether the client is still there
    refused   a 4xx: nothing was made        limited   a 429: nothing was made        failed   a 5xx: nothing was made

`listed` stands for a look at the models, `followed` for a redirect that somebody followed. What it is asked to judge has a record
and a script of its own: tests/provider_moderation.py.
"""

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.provider_moderation import Judged, judge_of, read_judged
from tests.provider_server import Bucket, Server, let_go

ROOT = Path(__file__).parents[1]


@dataclass(slots=True)
class Call:
    """One call as the provider saw it. `time`: Unix seconds of its arrival; `ended`: of its end. `fields` lacks the prompt;
    `files` are (field name, file name, content type, bytes). `client_gone`: nobody waited for the answer any more."""

    number: int
    time: float
    path: str
    model: str | None = None
    tag: str | None = None
    fault: str | None = None
    user: str | None = None
    n: int = 1
    fields: dict[str, Any] = field(default_factory=dict)
    files: list[tuple[str, str, str, int]] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    ended: float | None = None
    client_gone: bool = False

    @property
    def made(self) -> bool:
        """The work was done: the provider bills it."""
        return "made" in self.outcomes

    @property
    def request_id(self) -> str:
        return f"req_{self.number:012d}"

    @property
    def is_picture(self) -> bool:
        return "/images/" in self.path


def read_record(record: Path) -> list[Call]:
    """Every call, in the order of arrival."""
    calls: dict[int, Call] = {}
    for written in record.read_text().splitlines() if record.exists() else ():
        said = json.loads(written)
        number, outcome = said["call"], said["outcome"]
        call = calls.setdefault(number, Call(number, said["time"], said.get("path", "")))
        call.outcomes.append(outcome)
        if outcome == "received":
            for name in ("model", "tag", "fault", "user", "n", "fields"):
                setattr(call, name, said[name])
            call.files = [(name, file_name, kind, size) for name, file_name, kind, size in said["files"]]
        else:
            call.ended, call.client_gone = said["time"], said.get("client") == "gone"
    return list(calls.values())


class Provider:
    """The running process. `options` are those of the command line, as `--latency=5`."""

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.record, self._mood, self._log = folder / "provider.jsonl", folder / "provider.mood", folder / "provider.log"
        self._options, self.port = options, 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        arguments = ["--port", str(self.port), "--record", str(self.record), "--mood", str(self._mood), *self._options]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.provider", *arguments],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self.process.stdout
        with self.process.stdout as said:
            first = said.readline()
        assert first.strip().isdigit(), self._log.read_text()
        self.port = int(first)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(30)

    def mood(self, words: str) -> None:
        """What stands before every prompt from now on."""
        aside = self._mood.with_suffix(".new")
        aside.write_text(words)
        aside.replace(self._mood)

    def judges(self, words: str) -> None:
        """How it judges from now on, see tests/provider_moderation.py."""
        aside = judge_of(self.record).with_suffix(".new")
        aside.write_text(words)
        aside.replace(judge_of(self.record))

    def judged(self) -> list[Judged]:
        """What it was asked to judge, in the order of arrival."""
        return read_judged(self.record)

    def let_go(self, tag: str) -> None:
        """Calls of this tag that wait have worked long enough."""
        let_go(self.record, tag).touch()

    def calls(self, tag: str | None = None) -> list[Call]:
        """Calls for pictures, in the order of arrival: all, or those with this tag."""
        return [call for call in read_record(self.record) if call.is_picture and tag in (None, call.tag)]

    def all_calls(self) -> list[Call]:
        """Looks at the models and followed redirects too."""
        return read_record(self.record)

    def complaints(self) -> str:
        """What the process wrote about its own errors: empty, if the test asked for nothing impossible."""
        return self._log.read_text()


@contextmanager
def provider(folder: Path, *options: str) -> Iterator[Provider]:
    running = Provider(folder, *options)
    try:
        yield running
    finally:
        running.kill()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.provider")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument("--mood", type=Path)
    parser.add_argument("--latency", type=int, default=0, help="milliseconds")
    parser.add_argument("--limit", help="CALLS/SECONDS")
    said = parser.parse_args()
    bucket = None
    if said.limit:
        calls, _, seconds = said.limit.partition("/")
        bucket = Bucket(int(calls), float(seconds))
    server = Server(said.record, said.mood, said.latency / 1000, bucket)
    with suppress(KeyboardInterrupt):
        asyncio.run(server.run("127.0.0.1", said.port, lambda port: print(port, flush=True)))


if __name__ == "__main__":
    main()
