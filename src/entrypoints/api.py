"""The API process: the public port, and beside it, on loopback only, the operators' own."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import structlog
import uvicorn
from litestar import Litestar

from application.events import Changes
from application.media import AdmitUpload
from application.ports import PictureIntake
from entrypoints.heap import keep_memory_quiet
from entrypoints.http.addresses import Proxies
from entrypoints.http.app import HttpConfig, create_app, create_operations_app
from entrypoints.http.protocol import BoundedProtocol
from entrypoints.settings import Settings
from entrypoints.wiring import Bell, container

log = structlog.get_logger()


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are for the process, which has two servers."""
        yield


async def serve(settings: Settings) -> None:
    """Serve until told to stop (SIGTERM, SIGINT); then refuse new connections and answer what is at hand."""
    async with container(settings) as parts:
        await parts.get(Bell)
        await parts.get(Changes)
        await parts.get(PictureIntake)  # the picture workers are warm before the first upload
        await parts.get(AdmitUpload)  # with the list of known pictures, or not at all
        public = HttpConfig(
            version("gpt-image-2"),
            settings.public_url,
            serves_files=not settings.s3_bucket,
            sandbox_sign_in=not settings.sign_in,
            sandbox_payments=not settings.stripe_secret_key,
            origins=settings.origins,
            proxies=Proxies(*settings.proxies),
            heartbeat_seconds=settings.heartbeat_seconds,
        )
        app = create_app(parts, public)
        servers = [
            _server(app, settings.host, settings.port),
            _server(create_operations_app(parts), "127.0.0.1", settings.operations_port),
        ]

        def stop() -> None:
            for server in servers:
                server.should_exit = True
            app.state.streams.stop()

        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, stop)
        keep_memory_quiet()
        log.info("serving", address=f"{settings.host}:{settings.port}")
        sockets = [_inherited(settings.listen_fd), _inherited(settings.operations_fd)]
        await asyncio.gather(*(server.serve(sockets=given) for server, given in zip(servers, sockets, strict=True)))


def _inherited(descriptor: int | None) -> list[socket.socket] | None:
    return None if descriptor is None else [socket.socket(fileno=descriptor)]


def _server(app: Litestar, host: str, port: int) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=BoundedProtocol,
            loop="uvloop",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=10,
        )
    )
