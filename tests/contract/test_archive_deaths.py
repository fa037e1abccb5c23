"""kill -9 of a worker that packs: the next one brings the same archive about, and after a sweep nothing else is left."""

import asyncio
from pathlib import Path

import pytest
from psycopg import AsyncConnection

from application.archives import MakeArchives, RequestArchive
from application.housekeeping import SweepObjects
from application.ports import ObjectStorage
from application.queries import Queries
from application.store import Store
from domain.archives import Archive, ArchiveState
from domain.objects import ObjectClass
from tests.contract.store_contract import an_upload, new_id, now
from tests.processes import part, until
from tests.world import world

pytestmark = pytest.mark.anyio
POINTS = {
    "ObjectStorage.get#1:after": (2, ArchiveState.RUNNING),
    "ObjectStorage.put_file#1:after": (2, ArchiveState.RUNNING),
    "Store.commit#2:after": (1, ArchiveState.READY),
}
"""Where a worker dies: which attempt brings the archive then, and how its row stands right after the death."""


async def test_whichever_call_was_a_workers_last_the_archive_is_made_by_the_next(new_database_url: str, tmp_path: Path) -> None:
    async with world(new_database_url, tmp_path, picture_workers=1) as service:
        store, storage = await service.parts.get(Store), await service.parts.get(ObjectStorage)
        queries, caller = await service.parts.get(Queries), await service.caller(credits=0)
        asset = an_upload(caller, await now(store))
        await storage.put(asset.key, b"a picture", "image/png")
        async with store.transaction() as tx:
            tx.assets.add(asset)
        made = list[Archive]()
        for point, (attempt, state) in POINTS.items():
            archive, _ = await RequestArchive(store, new_id)(caller, [asset.id])
            said = {"DATABASE_URL": new_database_url, "CRASH_AT": f"MakeArchives/{point}"}
            with part("worker", tmp_path, **said) as worker:
                await asyncio.to_thread(until, lambda died=worker: died.has_ended, f"the death at {point}")
            assert (await queries.archive(archive, caller.account_id, caller.mode)).state is state, point
            async with await AsyncConnection.connect(new_database_url) as connection:  # its time is over
                await connection.execute("UPDATE archives SET due_at = created_at")
            await (await service.parts.get(MakeArchives))()
            made.append(await queries.archive(archive, caller.account_id, caller.mode))
            assert (made[-1].state, made[-1].attempt) == (ArchiveState.READY, attempt), point
        await (await service.parts.get(SweepObjects))()
        assert {stored.key async for stored in storage.list(f"{ObjectClass.ARCHIVES}/")} == {each.key for each in made}
        assert list((tmp_path / "packing").iterdir()) == []
