"""How the service is: for anyone, up or not; on the operations port, what is down, and the metrics."""

from collections.abc import Mapping
from typing import Any, Protocol

from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, Response, get

from entrypoints.http import shapes
from entrypoints.http.auth import PUBLIC
from entrypoints.http.problems import unavailable
from entrypoints.metrics import CONTENT_TYPE, exposition

RETRY_AFTER = 5


class Readiness(Protocol):
    """Whether the parts this process cannot work without answer."""

    async def __call__(self) -> Mapping[str, bool]:
        """By name of the part (`database`, `storage`), within a second or two; never raises."""
        ...


@get("/health/live", operation_id="live", tags=["health"], opt={"access": PUBLIC})
async def live() -> shapes.Health:
    """The process runs."""
    return shapes.Health("up")


@get("/health/ready", operation_id="ready", tags=["health"], opt={"access": PUBLIC, "refusals": (503,)})
@inject
async def ready(request: Request[Any, Any, Any], readiness: FromDishka[Readiness]) -> Response[shapes.Health]:
    """The service can take requests. Which part is down is told on the operations port only."""
    if not all((await readiness()).values()):
        return unavailable(request.scope, RETRY_AFTER)  # type: ignore[return-value]
    return Response(shapes.Health("up"))


@get("/health", opt={"access": PUBLIC}, include_in_schema=False)
@inject
async def health(readiness: FromDishka[Readiness]) -> Response[dict[str, bool]]:
    """Part by part."""
    parts = dict(await readiness())
    return Response(parts, status_code=200 if all(parts.values()) else 503)


@get("/metrics", opt={"access": PUBLIC}, include_in_schema=False, sync_to_thread=False)
def metrics() -> Response[bytes]:
    return Response(exposition(), headers={"Content-Type": CONTENT_TYPE})
