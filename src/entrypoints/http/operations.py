"""How the service is: for anyone, up or not; on the operations port, what is down, and the metrics."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import nan
from time import monotonic
from typing import Any, ClassVar, TypeVar, cast
from uuid import UUID

from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, Response, get
from prometheus_client import Gauge

from application.ports import ObjectMissing, ObjectStorage, StorageUnavailable
from application.queries import Queries
from application.store import Store, StoreUnavailable
from domain.accounts import AccountId
from domain.gates import ClosedFor
from domain.media import AssetId
from domain.objects import ObjectKey
from entrypoints.http import shapes
from entrypoints.http.auth import PUBLIC
from entrypoints.http.bounds import PROBE
from entrypoints.http.problems import unavailable
from entrypoints.metrics import CONTENT_TYPE, REGISTRY, exposition

T = TypeVar("T")

GATES_CLOSED = Gauge(
    "model_gates_closed",
    "Models whose calls wait now, by reason; NaN: not known.",
    ("reason",),
    registry=REGISTRY,
)
RETRY_AFTER = 5
_NOTHING = ObjectKey.upload(AccountId(UUID(int=0)), AssetId(UUID(int=0)))


@dataclass(slots=True)
class Readiness:
    """Whether the parts of the service answer; asked at most once a second, however many want to know. Without those in `needed`
    no request can be taken; `image_model` is false while its provider refuses us. `closed`: why gates are closed now; like
    `image_model`, not known while the database is away."""

    needed: ClassVar[tuple[str, ...]] = ("database", "storage")

    patience: float = 2.0
    known: Mapping[str, bool] = field(default_factory=dict)
    closed: Mapping[ClosedFor, int] | None = None
    until: float = 0.0

    async def __call__(self, store: Store, storage: ObjectStorage, queries: Queries) -> Mapping[str, bool]:
        if monotonic() >= self.until:
            closed, objects = await asyncio.gather(self._answer(_closed(store, queries)), self._answer(_nothing(storage)))
            model = {} if closed is None else {"image_model": ClosedFor.KEY_REFUSED not in closed}
            self.known = {"database": closed is not None, "storage": objects is not None, **model}
            self.closed = closed
            self.until = monotonic() + 1
        return self.known

    async def _answer(self, question: Awaitable[T]) -> T | None:
        try:
            async with asyncio.timeout(self.patience):
                return await question
        except (StoreUnavailable, StorageUnavailable, TimeoutError):
            return None


async def _closed(store: Store, queries: Queries) -> Mapping[ClosedFor, int]:
    async with store.transaction() as tx:
        now = await tx.now()
    return Counter(gate.reason for gate in await queries.gates() if gate.reason and gate.is_closed(now))


async def _nothing(storage: ObjectStorage) -> bool:
    with suppress(ObjectMissing):
        await storage.get(_NOTHING)
    return True


@get("/health/live", operation_id="live", tags=["health"], opt={"access": PUBLIC, "bounds": PROBE, "free": True})
async def live() -> shapes.Health:
    """The process runs."""
    return shapes.Health("up")


@get(
    "/health/ready",
    operation_id="ready",
    tags=["health"],
    opt={"access": PUBLIC, "bounds": PROBE, "free": True},
)
@inject
async def ready(
    request: Request[Any, Any, Any], store: FromDishka[Store], storage: FromDishka[ObjectStorage], queries: FromDishka[Queries]
) -> Response[shapes.Health]:
    """The service can take requests. Which part is down is told on the operations port only."""
    parts = await request.app.state.readiness(store, storage, queries)
    if not all(parts[name] for name in Readiness.needed):
        return cast(Response[shapes.Health], unavailable(request.scope, RETRY_AFTER))
    return Response(shapes.Health("up" if all(parts.values()) else "degraded"))


@get("/health", opt={"access": PUBLIC, "bounds": PROBE}, include_in_schema=False)
@inject
async def health(
    request: Request[Any, Any, Any], store: FromDishka[Store], storage: FromDishka[ObjectStorage], queries: FromDishka[Queries]
) -> Response[dict[str, bool]]:
    """Part by part."""
    parts = dict(await request.app.state.readiness(store, storage, queries))
    return Response(parts, status_code=200 if all(parts.values()) else 503)


@get("/metrics", opt={"access": PUBLIC, "bounds": PROBE}, include_in_schema=False)
@inject
async def metrics(
    request: Request[Any, Any, Any], store: FromDishka[Store], storage: FromDishka[ObjectStorage], queries: FromDishka[Queries]
) -> Response[bytes]:
    readiness: Readiness = request.app.state.readiness
    await readiness(store, storage, queries)
    for reason in ClosedFor:
        GATES_CLOSED.labels(reason.value).set(nan if readiness.closed is None else readiness.closed.get(reason, 0))
    return Response(exposition(), headers={"Content-Type": CONTENT_TYPE})
