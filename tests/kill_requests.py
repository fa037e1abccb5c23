"""kill -9 of the API in the middle of a request: the caller asks again with the same key, and it has happened once.

A recorded run of each kind of request lists its points. At each an API process kills itself; the next one inherits its listening
socket, as under a supervisor, and gets the same request with the same `Idempotency-Key`. Each run has an account of its own.
"""

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from application.generations import RequestGeneration
from application.media import AdmitUpload
from domain.accounts import Caller, KeyId, Mode, Scope
from domain.generations import GenerationId
from domain.media import AssetKind
from domain.requests import Asked
from tests import plain_http
from tests.forks import Fork
from tests.kill_stage import FREELY, LIVE_SIZE, Lane, a_png, new_tag, points_of
from tests.service import Customer, customer
from tests.world import new_id

CREDITS = 1_000
ENDING_SECONDS = 45.0


@dataclass(frozen=True, slots=True)
class Request:
    """`queued`: no worker is there."""

    name: str
    edit: bool = False
    cancel: bool = False
    queued: bool = False


REQUESTS = (
    Request("ask"),
    Request("ask for an edit", edit=True),
    Request("cancel while queued", cancel=True, queued=True),
    Request("cancel while calling", cancel=True),
)
REQUESTS_NAMED = {request.name: request for request in REQUESTS}


@dataclass(frozen=True, slots=True)
class Repeat:
    """One run: `state` as it ended, `charged` credits, `calls` at the provider."""

    request: str
    point: str
    state: str
    calls: int
    charged: int
    passed: list[str]

    @property
    def end(self) -> str:
        return f"{self.state}, {self.calls} calls, {self.charged} charged"

    @property
    def row(self) -> str:
        return f"{self.request:<22} {self.point or '(none)':<36} {self.end}"


class Repeated:
    """One request to an API that dies at `crash_at` (or answers, if that is empty), and again to the next."""

    def __init__(self, lane: Lane, request: Request, crash_at: str = "") -> None:
        self._lane, self._request, self._crash_at = lane, request, crash_at
        self._tag = new_tag()
        self._points = lane.folder / f"points-{self._tag}"

    async def __call__(self) -> Repeat:
        buyer = await customer(self._lane.service, CREDITS, Mode.LIVE)
        caller = Caller(buyer.account, KeyId(new_id()), Mode.LIVE, frozenset(Scope), "free", buyer.wallet)
        path, body = await self._said(caller)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
            async with plain_http.AsyncClient(base_url=address, headers=buyer.headers, timeout=ENDING_SECONDS) as client:
                return await self._play(buyer, listener, client, path, body)

    async def _said(self, caller: Caller) -> tuple[str, dict[str, Any] | None]:
        prompt = f"a boat [tag: {self._tag}]"
        if self._request.cancel:
            asked = Asked(prompt=f"{prompt} [waits: yes]", size=LIVE_SIZE, quality="low")
            id, _ = await (await self._lane.service.parts.get(RequestGeneration))(caller, asked)
            await self._is_out()
            return f"/v1/generations/{id}/cancel", None
        body: dict[str, Any] = {"prompt": prompt, "size": LIVE_SIZE, "quality": "low"}
        if self._request.edit:
            upload, _ = await (await self._lane.service.parts.get(AdmitUpload))(caller, a_png(), AssetKind.REFERENCE)
            body["images"] = [str(upload.id)]
        return "/v1/generations", body

    async def _is_out(self) -> None:
        async with asyncio.timeout(ENDING_SECONDS):
            while not self._request.queued and not self._calls():
                await asyncio.sleep(0.05)

    async def _play(
        self, buyer: Customer, listener: socket.socket, client: httpx.AsyncClient, path: str, body: dict[str, Any] | None
    ) -> Repeat:
        keyed = {"Idempotency-Key": uuid4().hex}
        doomed = self._api(listener, self._crash_at)
        try:
            answer = None
            try:
                answer = await client.post(path, json=body, headers=keyed)
            except (httpx.NetworkError, httpx.RemoteProtocolError) as error:  # its death; to be slow is none
                lost = repr(error)
            if self._crash_at:
                assert answer is None, (
                    f"{self._request.name}: answered {answer}, though killed at {self._crash_at}\n{doomed.last_words}"
                )
                assert await self._code(doomed) == -9, f"{self._request.name} at {self._crash_at}: {lost}\n{doomed.last_words}"
        finally:
            doomed.kill()
        passed = points_of(self._points).get(doomed.pid, [])
        heir = self._api(listener)
        try:
            again = [await self._ask_again(client, path, body, keyed) for _ in range(2)]
        finally:
            heir.kill()
        assert {each.status_code for each in again} <= {200, 201, 202}, f"{again} {again[0].text}"
        ids = {each.json()["id"] for each in again}
        assert len(ids) == 1, f"{self._request.name}, killed at {self._crash_at}: asked again, it is another generation"
        (id,) = ids
        if not self._request.queued:
            self._let_go()
            await self._lane.becomes_ended(GenerationId(id), ENDING_SECONDS, f"{self._request.name} at {self._crash_at}")
        self._points.unlink(missing_ok=True)
        return await self._check(buyer, passed)

    async def _code(self, doomed: Fork) -> int | None:
        """None while it lives on."""
        with suppress(asyncio.TimeoutError):
            return await asyncio.wait_for(doomed.ended(), ENDING_SECONDS)
        return None

    def _api(self, listener: socket.socket, crash_at: str = "") -> Fork:
        said = FREELY | {"CRASH_POINTS": str(self._points), "CRASH_AT": crash_at, "DATABASE_CONNECTIONS": "2"}
        said |= {"DATABASE_URL": self._lane.url, **self._lane.storage}
        return self._lane.forks.start("api", self._lane.folder, said, listener)

    def _calls(self) -> int:
        assert self._lane.provider
        return self._lane.provider.calls(self._tag)

    async def _ask_again(
        self, client: httpx.AsyncClient, path: str, body: dict[str, Any] | None, keyed: dict[str, str]
    ) -> httpx.Response:
        """A connection that is refused while processes come and go has asked nothing."""
        async with asyncio.timeout(ENDING_SECONDS):
            while True:
                with suppress(httpx.ConnectError):
                    return await client.post(path, json=body, headers=keyed)
                await asyncio.sleep(0.1)

    def _let_go(self) -> None:
        assert self._lane.provider
        self._lane.provider.let_go(self._tag)

    async def _check(self, buyer: Customer, passed: list[str]) -> Repeat:
        """One generation, one hold, and one charge, or none at all for what was cancelled in time."""
        made = await self._lane.rows("SELECT state, unit * delivered FROM generations WHERE account_id = %s", buyer.account)
        assert len(made) == 1, f"{self._request.name}, killed at {self._crash_at}: {len(made)} generations"
        state, charged = made[0]
        run = Repeat(self._request.name, self._crash_at, state, self._calls(), charged, passed)
        holds = await self._lane.rows("SELECT state FROM holds WHERE wallet_id = %s", buyer.wallet)
        wallet = (await self._lane.rows("SELECT available, held FROM wallets WHERE id = %s", buyer.wallet))[0]
        assert wallet == (CREDITS - charged, 0), f"{run.row}: {wallet}"
        if self._request.queued:
            assert (state, run.calls, charged, holds) == ("cancelled", 0, 0, [("released",)]), f"{run.row}: {holds}"
        else:
            assert (state, run.calls, holds) == ("succeeded", 1, [("captured",)]), f"{run.row}: {holds}"
            assert charged, run.row
        return run
