"""A whole service for tests that are its callers: one API process, one worker, and customers with keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
from anyio.from_thread import BlockingPortal, start_blocking_portal

from domain.accounts import Mode, Scope
from entrypoints.http.compatible.errors import speaks_openai
from tests import plain_http
from tests.forks import Fork
from tests.http_routes import problem_of
from tests.processes import part, until
from tests.service import Customer, customer, serving
from tests.world import World, world

CREDITS = 1_000
SMALL = {"size": "64x64", "quality": "low"}
PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Left:
    """What there is of a customer's: credits available and held, rows, and files."""

    credits: tuple[int, int]
    generations: int
    assets: int
    objects: int


@dataclass(frozen=True, slots=True)
class House:
    """`client` knows the address and no key; it follows no redirect. The use cases of `service` run in `portal`. `hashes` lists
    the pictures that must not be here, none at first."""

    portal: BlockingPortal
    service: World
    client: httpx.Client
    database_url: str
    folder: Path
    worker: Fork
    hashes: Path

    def customer(self, credits: int = CREDITS, mode: Mode = Mode.TEST, scopes: frozenset[Scope] = frozenset(Scope)) -> Customer:
        made: Customer = self.portal.call(lambda: customer(self.service, credits, mode, scopes=scopes))
        return made

    def ask(self, who: Customer, **body: Any) -> httpx.Response:
        """A small picture, waited for."""
        headers = who.headers | {"Prefer": "wait=30"}
        return self.client.post("/v1/generations", headers=headers, json=SMALL | {"prompt": "a boat"} | body)

    def made(self, who: Customer, **body: Any) -> Any:
        answer = self.ask(who, **body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def get(self, who: Customer, path: str, **parameters: Any) -> Any:
        answer = self.client.get(path, headers=who.headers, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def upload(self, who: Customer, content: bytes, purpose: str | None = None) -> httpx.Response:
        said = {"purpose": purpose} if purpose else None
        return self.client.post("/v1/media", headers=who.headers, files={"file": ("picture", content)}, data=said)

    def picture(self, who: Customer, content: bytes, purpose: str | None = None) -> str:
        answer = self.upload(who, content, purpose)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def bytes_of(self, asset: Any) -> bytes:
        answer = self.client.get(asset["url"])
        assert answer.status_code == 200, answer.text
        return answer.content

    def left(self, who: Customer) -> Left:
        rows = """SELECT available, held, (SELECT count(*) FROM generations WHERE account_id = w.account_id),
            (SELECT count(*) FROM assets WHERE account_id = w.account_id) FROM wallets w WHERE id = %s"""
        with psycopg.connect(self.database_url) as connection:
            row = connection.execute(rows, (who.wallet,)).fetchone()
        assert row is not None
        found = (path.parts for path in (self.folder / "objects").rglob("*.object"))
        objects = sum(str(who.account) in parts and "thumbnails" not in parts for parts in found)  # those come by and by
        return Left((row[0], row[1]), row[2], row[3], objects)

    def calls(self) -> int:
        """Calls of the model that went out so far, as the worker wrote them down before each."""
        points = (self.folder / "points").read_text().splitlines()
        return sum(" ImageModel.make#" in point and point.endswith(":before") for point in points)

    def idle(self) -> None:
        """Wait until nothing of earlier tests is under way."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            under_way = "SELECT count(*) FROM generations WHERE finished_at IS NULL"
            until(lambda: connection.execute(under_way).fetchone() == (0,), "everything to end")

    def execute(self, statement: str, *values: Any) -> None:
        with psycopg.connect(self.database_url) as connection:
            connection.execute(statement.encode(), values)

    @property
    def logs(self) -> str:
        return (self.folder / "api.log").read_text() + (self.folder / "worker.log").read_text()


@contextmanager
def house(database_url: str, folder: Path, **environment: str) -> Iterator[House]:
    points = {"CRASH_POINTS": str(folder / "points"), "DATABASE_URL": database_url, "SWEEP_SECONDS": "1"}
    folder.mkdir(exist_ok=True)
    (folder / "points").touch()  # the worker may not be up yet when it is first read
    (hashes := folder / "hashes").touch()
    environment = {"HASH_LIST": str(hashes)} | environment
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(world(database_url, folder, picture_workers=1)) as service,
        serving(processes=1, folder=folder, database_url=database_url, **environment) as (address,),
        part("worker", folder, **points, PORT=address.rpartition(":")[2], **environment) as worker,
        plain_http.Client(base_url=address, timeout=60) as client,
    ):
        yield House(portal, service, client, database_url, folder, worker, hashes)


def check_problem(answer: httpx.Response, status: int, problem: str, **members: Any) -> None:
    """A problem document of this type, with at least these members; or the same in OpenAI's shape, where its clients call."""
    if speaks_openai(answer.request.url.path):
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json"), answer.text[:500]
        assert problem_of(answer.json()) == problem
        return
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM), answer.text[:500]
    told = answer.json()
    expected = {"type": f"/problems/{problem}", "status": status, **members}
    assert {name: told.get(name) for name in expected} == expected, told
    assert told["title"]
    assert answer.headers["x-request-id"]
