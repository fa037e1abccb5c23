"""Streams over several API processes: what any process commits all of them tell, whatever is lost on the way, for as long as one
may know.

There is no worker before a test starts one: what was asked for stays open as long as a test wants.
"""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from adapters.postgres.embedded import EmbeddedPostgres
from domain.limits import LIMITS
from tests import plain_http
from tests.clusters import new_database
from tests.event_streams import Stream, Told, followed
from tests.forks import Fork
from tests.http_house import SMALL, check_problem
from tests.people import signed_in
from tests.processes import part, until
from tests.service import Customer, customer, free_port
from tests.world import World, world

LISTENERS = "datname = current_database() AND starts_with(query, 'LISTEN \"generation_changed')"


@dataclass(slots=True)
class Town:
    """Two API processes by their addresses, over one database."""

    url: str
    folder: Path
    portal: BlockingPortal
    service: World
    apis: dict[str, Fork] = field(default_factory=dict)

    def customer(self, credits: int = 1_000) -> Customer:
        made: Customer = self.portal.call(lambda: customer(self.service, credits))
        return made

    def ask(self, who: Customer, **body: object) -> str:
        answer = plain_http.post(
            f"{next(iter(self.apis))}/v1/generations", headers=who.headers, json=SMALL | {"prompt": "a boat"} | body
        )
        assert answer.status_code == 202, answer.text
        found: str = answer.json()["id"]
        return found

    def worker(self) -> AbstractContextManager[Fork]:
        return part("worker", self.folder, DATABASE_URL=self.url)

    def start(self, stack: ExitStack) -> str:
        """One more API process."""
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        api = stack.enter_context(part("api", self.folder, DATABASE_URL=self.url, PORT=str(port)))
        self.apis[address] = api

        def is_ready() -> bool:
            assert not api.has_ended, api.log.read_text()
            try:
                return plain_http.get(f"{address}/health/ready", timeout=5).status_code == 200
            except httpx.HTTPError:
                return False

        until(is_ready, f"{address} to be ready")
        return address

    def say(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def town(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    url, folder = new_database(postgres), tmp_path_factory.mktemp("town")
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())
        service = stack.enter_context(portal.wrap_async_context_manager(world(url, folder, picture_workers=1)))
        made = Town(url, folder, portal, service)
        for _ in range(2):
            made.start(stack)
        yield made


def marks(told: list[Told]) -> list[tuple[int, str]]:
    return [(each.id, f"{each.event} {each.data.get('state', each.data.get('index'))}") for each in told]


DELIVERED = [
    (0, "state queued"),
    (1, "state running"),
    (2, "asset 0"),
    (3, "asset 1"),
    (4, "state succeeded"),
    (5, "done succeeded"),
]


def first(stream: Stream) -> Told:
    told = stream.next()
    assert told
    return told


def test_every_process_tells_every_event_once_and_in_order(town: Town) -> None:
    who = town.customer()
    generation = town.ask(who, n=2)
    with ExitStack() as stack:
        streams = [stack.enter_context(followed(address, generation, who.headers)) for address in list(town.apis) * 2]
        begun = [first(stream) for stream in streams]
        stack.enter_context(town.worker())
        for told, stream in zip(begun, streams, strict=True):
            assert marks([told, *stream.rest()]) == DELIVERED


def test_what_was_told_while_nobody_listened_is_told_all_the_same(town: Town) -> None:
    """Both processes lose the connection they listen on, and what is committed just then is told to nobody."""
    who = town.customer()
    generation = town.ask(who)
    with ExitStack() as stack:
        streams = [stack.enter_context(followed(address, generation, who.headers)) for address in town.apis]
        begun = [first(stream) for stream in streams]
        ended = town.say(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {LISTENERS}")
        assert len(ended) >= 2
        assert town.say(
            "UPDATE generations SET last_event = 3, state = 'cancelled', finished_at = created_at WHERE id = %s RETURNING 1",
            generation,
        )
        for told, stream in zip(begun, streams, strict=True):
            assert marks([told, *stream.rest()]) == [(0, "state queued"), (2, "state cancelled"), (3, "done cancelled")]
    listening = f"SELECT count(*) FROM pg_stat_activity WHERE {LISTENERS}"
    until(lambda: town.say(listening)[0][0] == 2, "both to listen again")


def test_whoever_comes_back_to_another_process_misses_nothing_and_hears_nothing_twice(town: Town) -> None:
    who = town.customer()
    with ExitStack() as stack:
        other, doomed = next(iter(town.apis)), town.start(stack)
        generation = town.ask(who, n=2, sandbox={"latency_ms": 700})
        with followed(doomed, generation, who.headers) as stream, town.worker():
            told = [first(stream), first(stream)]
            town.apis.pop(doomed).kill()
            assert stream.next() is None
            assert not stream.ended
            with followed(other, generation, who.headers, last=told[-1].id) as again:
                assert marks(told + again.rest()) == DELIVERED


def test_a_stopping_process_ends_its_streams_and_waits_for_nobody(town: Town) -> None:
    who = town.customer()
    generation = town.ask(who)
    with ExitStack() as stack:
        stopping = town.start(stack)
        api = town.apis.pop(stopping)
        with followed(stopping, generation, who.headers) as stream, deaf(stopping, generation, who):
            assert first(stream).id == 0
            os.kill(api.pid, signal.SIGTERM)
            assert stream.next() is None
            assert stream.ended
            until(lambda: api.has_ended, "the process to end", seconds=5)


@contextmanager
def deaf(address: str, generation: str, who: Customer) -> Iterator[socket.socket]:
    """Asks for the stream and reads nothing of it."""
    port = int(address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        head = f"GET /v1/generations/{generation}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {who.key}\r\n\r\n"
        line.sendall(head.encode())
        yield line


Change = Callable[[Town, Customer], object]
CHANGES: dict[str, Change] = {
    "revoked": lambda town, who: town.say(
        "UPDATE api_keys SET revoked_at = clock_timestamp() WHERE account_id = %s", who.account
    ),
    "without the scope": lambda town, who: town.say(
        "UPDATE api_keys SET scopes = '{billing}' WHERE account_id = %s", who.account
    ),
    "frozen": lambda town, who: town.say("UPDATE accounts SET frozen_at = clock_timestamp() WHERE id = %s", who.account),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_stream_ends_with_what_it_was_opened_by(town: Town, change: Change) -> None:
    who = town.customer()
    generation = town.ask(who)
    with followed(next(iter(town.apis)), generation, who.headers) as stream:
        assert first(stream).id == 0
        change(town, who)
        assert stream.rest() == []
        assert stream.ended
        assert stream.signs <= 6, "a beat is 0.4 s, and a key is trusted for a second"


def test_a_stream_ends_with_the_session_it_was_opened_by(town: Town) -> None:
    address = next(iter(town.apis))
    with signed_in(address) as browser:
        made = browser.post("/v1/generations", json={"prompt": "a boat", "quality": "low"})
        assert made.status_code == 202, made.text
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        with followed(address, made.json()["id"], {"Cookie": cookies}) as stream:
            assert first(stream).id == 0
            assert browser.post("/auth/sign-out").status_code in (200, 204)
            assert stream.rest() == []
            assert stream.ended
            assert stream.signs <= 3


def test_an_account_follows_so_many_at_once_and_no_more(town: Town) -> None:
    who = town.customer()
    generation, address = town.ask(who), next(iter(town.apis))
    path = f"{address}/v1/generations/{generation}/events"
    with ExitStack() as stack:
        for _ in range(LIMITS["streams"]):
            line = stack.enter_context(deaf(address, generation, who))
            assert line.recv(1000).startswith(b"HTTP/1.1 200 OK")
        answer = plain_http.get(path, headers=who.headers)
        check_problem(answer, 429, "too-many-streams", limit=LIMITS["streams"])
        assert int(answer.headers["retry-after"]) > 0
        line.close()

        def is_free() -> bool:
            with followed(address, generation, who.headers) as stream:
                return stream.answer.status_code == 200

        until(is_free, "a place to be free again")
