"""How the service is: for anyone, up or not; on the operations port, what is down, and the metrics."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, cast
from uuid import UUID

from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, Response, get

from application.ports import ObjectMissing, ObjectStorage, StorageUnavailable
from application.store import Store, StoreUnavailable
from domain.accounts import AccountId
from domain.media import AssetId, ObjectKey
from entrypoints.http import shapes
from entrypoints.http.auth import PUBLIC
from entrypoints.http.problems import unavailable
from entrypoints.metrics import CONTENT_TYPE, exposition

RETRY_AFTER = 5
_NOTHING = ObjectKey.upload(AccountId(UUID(int=0)), AssetId(UUID(int=0)))


@dataclass(slots=True)
class Readiness:
    """Whether the parts this process cannot work without answer; asked at most once a second, however many want to know."""

    patience: float = 2.0
    known: Mapping[str, bool] = field(default_factory=dict)
    until: float = 0.0

    async def __call__(self, store: Store, storage: ObjectStorage) -> Mapping[str, bool]:
        if monotonic() >= self.until:
            database, objects = await asyncio.gather(self._answers(_clock(store)), self._answers(_nothing(storage)))
            self.known, self.until = {"database": database, "storage": objects}, monotonic() + 1
        return self.known

    async def _answers(self, question: Awaitable[None]) -> bool:
        try:
            async with asyncio.timeout(self.patience):
                await question
        except (StoreUnavailable, StorageUnavailable, TimeoutError):
            return False
        return True


async def _clock(store: Store) -> None:
    async with store.transaction() as tx:
        await tx.now()


async def _nothing(storage: ObjectStorage) -> None:
    try:
        await storage.get(_NOTHING)
    except ObjectMissing:
        return


@get("/health/live", operation_id="live", tags=["health"], opt={"access": PUBLIC})
async def live() -> shapes.Health:
    """The process runs."""
    return shapes.Health("up")


@get("/health/ready", operation_id="ready", tags=["health"], opt={"access": PUBLIC, "refusals": (503,)})
@inject
async def ready(
    request: Request[Any, Any, Any], store: FromDishka[Store], storage: FromDishka[ObjectStorage]
) -> Response[shapes.Health]:
    """The service can take requests. Which part is down is told on the operations port only."""
    parts = await request.app.state.readiness(store, storage)
    if not all(parts.values()):
        return cast(Response[shapes.Health], unavailable(request.scope, RETRY_AFTER))
    return Response(shapes.Health("up"))


@get("/health", opt={"access": PUBLIC}, include_in_schema=False)
@inject
async def health(
    request: Request[Any, Any, Any], store: FromDishka[Store], storage: FromDishka[ObjectStorage]
) -> Response[dict[str, bool]]:
    """Part by part."""
    parts = dict(await request.app.state.readiness(store, storage))
    return Response(parts, status_code=200 if all(parts.values()) else 503)


@get("/metrics", opt={"access": PUBLIC}, include_in_schema=False, sync_to_thread=False)
def metrics() -> Response[bytes]:
    return Response(exposition(), headers={"Content-Type": CONTENT_TYPE})
