"""A whole service for tests that are its callers: one API process, one worker, and customers with keys."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from domain.accounts import Mode, Scope
from tests.processes import Part, part
from tests.service import Customer, customer, serving
from tests.world import World, world

CREDITS = 1_000
SMALL = {"size": "64x64", "quality": "low"}
PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Left:
    """What there is of a customer's: credits available and held, rows, and files of everybody's."""

    credits: tuple[int, int]
    generations: int
    assets: int
    objects: int


@dataclass(frozen=True, slots=True)
class House:
    """`client` knows the address and no key; it follows no redirect."""

    service: World
    client: httpx.AsyncClient
    database_url: str
    folder: Path
    worker: Part

    async def customer(
        self, credits: int = CREDITS, mode: Mode = Mode.TEST, scopes: frozenset[Scope] = frozenset(Scope)
    ) -> Customer:
        return await customer(self.service, credits, mode, scopes=scopes)

    async def ask(self, who: Customer, **body: Any) -> httpx.Response:
        """A small picture, waited for."""
        headers = who.headers | {"Prefer": "wait=30"}
        return await self.client.post("/v1/generations", headers=headers, json=SMALL | {"prompt": "a boat"} | body)

    async def made(self, who: Customer, **body: Any) -> Any:
        answer = await self.ask(who, **body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def get(self, who: Customer, path: str, **parameters: Any) -> Any:
        answer = await self.client.get(path, headers=who.headers, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def upload(self, who: Customer, content: bytes, purpose: str | None = None) -> httpx.Response:
        said = {"purpose": purpose} if purpose else None
        return await self.client.post("/v1/media", headers=who.headers, files={"file": ("picture", content)}, data=said)

    async def picture(self, who: Customer, content: bytes, purpose: str | None = None) -> str:
        answer = await self.upload(who, content, purpose)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def bytes_of(self, asset: Any) -> bytes:
        answer = await self.client.get(asset["url"])
        assert answer.status_code == 200, answer.text
        return answer.content

    def left(self, who: Customer) -> Left:
        rows = """SELECT available, held, (SELECT count(*) FROM generations WHERE account_id = w.account_id),
            (SELECT count(*) FROM assets WHERE account_id = w.account_id) FROM wallets w WHERE id = %s"""
        with psycopg.connect(self.database_url) as connection:
            row = connection.execute(rows, (who.wallet,)).fetchone()
        assert row is not None
        objects = sum(1 for _ in (self.folder / "objects").rglob("*.object"))
        return Left((row[0], row[1]), row[2], row[3], objects)

    def execute(self, statement: str, *values: Any) -> None:
        with psycopg.connect(self.database_url) as connection:
            connection.execute(statement.encode(), values)

    @property
    def logs(self) -> str:
        return (self.folder / "api.log").read_text() + (self.folder / "worker.log").read_text()


@asynccontextmanager
async def house(database_url: str, folder: Path, **environment: str) -> AsyncIterator[House]:
    async with world(database_url, folder, picture_workers=1) as service:
        with (
            serving(database_url, folder, processes=1, **environment) as (address,),
            part("worker", folder, DATABASE_URL=database_url, **environment) as worker,
        ):
            async with httpx.AsyncClient(base_url=address, timeout=60) as client:
                yield House(service, client, database_url, folder, worker)


def check_problem(answer: httpx.Response, status: int, problem: str, **members: Any) -> None:
    """A problem document of this type, with at least these members."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM), answer.text[:500]
    told = answer.json()
    expected = {"type": f"/problems/{problem}", "status": status, **members}
    assert {name: told.get(name) for name in expected} == expected, told
    assert told["title"]
    assert answer.headers["x-request-id"]
