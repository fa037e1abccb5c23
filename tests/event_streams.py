"""A reader of server-sent events, as the standard describes them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests import plain_http

SECONDS = 60.0
MOST_SIGNS = 75
"""Of life, in one stream: more of them, and it goes on for ever."""


@dataclass(frozen=True, slots=True)
class Told:
    id: int
    event: str
    data: Any


@dataclass(slots=True)
class Stream:
    """`signs`: how many signs of life came so far. `ended`: whether the other side ended it properly."""

    answer: httpx.Response
    signs: int = 0
    ended: bool = False
    _lines: Iterator[str] = field(init=False)

    def __post_init__(self) -> None:
        self._lines = self.answer.iter_lines()

    def next(self) -> Told | None:
        """The next event; None when the stream has ended, or the line was cut."""
        said = dict[str, str]()
        with suppress(httpx.ReadError, httpx.RemoteProtocolError):
            for line in self._lines:
                name, _, value = line.partition(": ")
                if not line and "data" in said:
                    return Told(int(said["id"]), said["event"], json.loads(said["data"]))
                self.signs += line == ":"
                assert self.signs <= MOST_SIGNS, "the stream does not end"
                if line and line != ":":
                    assert name in ("retry", "id", "event", "data"), line
                    said[name] = value
            self.ended = True
        assert said.keys() <= {"retry"} or not self.ended, said
        return None

    def rest(self) -> list[Told]:
        """To the end."""
        return list(iter(self.next, None))


@contextmanager
def followed(address: str, generation: str, headers: dict[str, str], last: object = None) -> Iterator[Stream]:
    """The stream of a generation, after the event with the id `last`."""
    more = {} if last is None else {"Last-Event-ID": str(last)}
    with (
        plain_http.Client(base_url=address, timeout=SECONDS) as client,
        client.stream("GET", f"/v1/generations/{generation}/events", headers=headers | more) as answer,
    ):
        yield Stream(answer)
