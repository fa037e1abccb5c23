"""The worker's own port, on loopback only: its metrics, and whether it is well."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from math import nan
from typing import Any

import uvicorn

from application.staff_queries import StaffQueries
from application.store import StoreUnavailable
from entrypoints.draining import Drain
from entrypoints.metrics import CONTENT_TYPE, WORK, WORKER_REGISTRY, exposition

HOST = "127.0.0.1"
PATIENCE_SECONDS = 2.0

Message = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class Vitals:
    """An ASGI application: `GET /metrics`, `GET /health`. `owner` raises StoreUnavailable while the proof of life is not held."""

    queries: StaffQueries
    owner: Callable[[], int]
    drain: Drain

    async def __call__(self, scope: Message, receive: object, send: Callable[[Message], Awaitable[None]]) -> None:
        answers = {"/metrics": self._metrics, "/health": self._health}
        answer = answers.get(scope["path"]) if scope["method"] in ("GET", "HEAD") else None
        status, kind, body = await answer() if answer else (404, "text/plain", b"")
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _health(self) -> tuple[int, str, bytes]:
        """503 while this worker has no database, and so starts no call."""
        said = {"database": self._is_proven(), "stopping": self.drain.stopping, "handing_back": self.drain.handing_back}
        return 200 if said["database"] else 503, "application/json", json.dumps(said).encode()

    def _is_proven(self) -> bool:
        try:
            self.owner()
        except StoreUnavailable:
            return False
        return True

    async def _metrics(self) -> tuple[int, str, bytes]:
        figures: dict[str, float] = dict.fromkeys(WORK, nan)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                figures = asdict(await self.queries.work())
        except (StoreUnavailable, TimeoutError):
            pass
        for name, gauge in WORK.items():
            gauge.set(figures[name])
        return 200, CONTENT_TYPE, exposition(WORKER_REGISTRY)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are for the worker."""
        yield


@asynccontextmanager
async def served(vitals: Vitals, port: int, inherited: int | None) -> AsyncIterator[str]:
    """Serve inside this block, at the address that is handed out, on this port (0: any free one) or an inherited socket."""
    listener = socket.socket(fileno=inherited) if inherited is not None else _listener(port)
    config = uvicorn.Config(
        vitals, ws="none", lifespan="off", log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=1
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"{HOST}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


def _listener(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()  # whoever is told the address finds it: the server takes its time
    except OSError as error:
        listener.close()
        raise SystemExit(f"gpt-image: {HOST}:{port} cannot be used: {error.strerror}; set WORKER_PORT") from None
    return listener
