"""`admin media` at the keyboard: what it finds, what it deletes, and how it ends."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from adapters.storage.filesystem import FilesystemStorage
from domain.media import Asset
from domain.objects import ObjectKey
from tests.contract.store_contract import an_upload, new_id, now
from tests.contract.test_admin_shows import keys
from tests.desk import Desk, a_staffed_desk, an_operator, without_picture_workers

pytestmark = pytest.mark.anyio
__all__ = ["a_staffed_desk", "an_operator", "without_picture_workers"]

CONTENT = b"a picture"


async def stored(desk: Desk) -> tuple[FilesystemStorage, Asset]:
    storage = FilesystemStorage(desk.run.folder / "objects", signer=keys(), clock=lambda: datetime.now(UTC))
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    asset = replace(an_upload(desk.customer, await now(desk.store)), bytes=len(CONTENT), sha256=sha256)
    async with desk.store.transaction() as tx:
        tx.assets.add(asset)
    await storage.put(asset.key, CONTENT, "image/png")
    return storage, asset


async def listed(storage: FilesystemStorage) -> set[str]:
    return {str(each.key) async for each in storage.list("")}


async def test_verify_says_what_is_wrong_by_its_exit_code_too(desk: Desk) -> None:
    storage, asset = await stored(desk)
    well = await desk.run("media", "verify", "--hashes", "--json")
    assert (well.code, well.json["rows"], well.json["objects"]) == (0, 1, [])
    await storage.put(asset.key, b"a Picture", "image/png")
    assert (await desk.run("media", "verify")).code == 0, "of the same size"
    other = await desk.run("media", "verify", "--hashes", "--json")
    assert (other.code, other.json["objects"]) == (1, [{"key": str(asset.key), "fault": "other_content"}])
    await storage.delete(asset.key)
    gone = await desk.run("media", "verify")
    assert gone.code == 1
    assert str(asset.key) in gone.out
    assert "1 rows: 1 missing, 0 other size, 0 other content" in gone.out


async def test_orphans_are_shown_and_only_a_signed_sweep_deletes_them(desk: Desk) -> None:
    storage, asset = await stored(desk)
    lost = ObjectKey.picture(desk.customer.account_id, new_id(), 1, 0)
    young = ObjectKey.upload(desk.customer.account_id, new_id())
    for key in (lost, young):
        await storage.put(key, CONTENT, "image/png")
    look = await desk.run("media", "orphans", "--json")
    assert look.json["classes"] == {"outputs": {"objects": 1, "bytes": len(CONTENT)}}
    assert [each["key"] for each in look.json["objects"]] == [str(lost)]
    assert await listed(storage) == {str(asset.key), str(lost), str(young)}
    swept = await desk.run("media", "sweep", *desk.sign())
    assert swept.json["classes"] == look.json["classes"]
    assert await listed(storage) == {str(asset.key), str(young)}
    assert desk.records()[-1] == ("media.sweep", "-", desk.supporter.account_id, "ticket 4711")


async def test_purge_takes_a_picture_away_and_says_who_did_it_and_why(desk: Desk) -> None:
    storage, asset = await stored(desk)
    done = await desk.run("media", "purge", asset.id, *desk.sign(desk.admin.account_id))
    assert (done.code, done.json) == (0, {"purged": [str(asset.id)]})
    assert await listed(storage) == set()
    assert desk.records()[-1] == ("media.purge", str(asset.id), desk.admin.account_id, "ticket 4711")
    again = await desk.run("media", "purge", asset.id, *desk.sign(desk.admin.account_id))
    assert (again.code, again.err.split(":")[1].strip()) == (1, "not-found")
    for words in ((), (asset.id, "--generation", UUID(int=1))):
        assert (await desk.run("media", "purge", *words, *desk.sign(desk.admin.account_id))).code == 2
