"""An application behind the parser of the service, on a real socket in this process: what no HTTP library would send or show."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from entrypoints.http.protocol import BoundedProtocol

SECONDS = 20.0
"""A test that is about to hang fails then."""


@dataclass(frozen=True, slots=True)
class Wire:
    port: int

    async def say(self, *sent: bytes, until_closed: bool = True) -> bytes:
        """Send it, and nothing more; everything that comes back until the other side closes, or (False) the first of it. Whoever
        is refused before all was read may have the line reset, and not hear why."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        came = bytearray()
        try:
            async with asyncio.timeout(SECONDS):
                writer.writelines(sent)
                with suppress(ConnectionResetError):
                    while more := await reader.read(1 << 20):
                        came += more
                        if not until_closed:
                            break
                return bytes(came)
        finally:
            writer.close()


@asynccontextmanager
async def wired(app: Any) -> AsyncIterator[Wire]:
    config = uvicorn.Config(app, http=BoundedProtocol, ws="none", lifespan="off", log_config=None, timeout_keep_alive=75)
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: BoundedProtocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    async with server:
        yield Wire(server.sockets[0].getsockname()[1])
        for connection in list(state.connections):
            connection.shutdown()
