"""Staff sees rows of what is in quarantine, never a picture; what it looks at and lets go of is recorded."""

from datetime import UTC, datetime

import pytest

from adapters.keyring import Keyring
from adapters.storage.filesystem import FilesystemStorage
from application.ports import ObjectMissing
from domain.objects import ObjectKey
from domain.quarantine import ImpoundedId
from tests.desk import Desk, a_staffed_desk, an_operator, without_picture_workers

pytestmark = pytest.mark.anyio
__all__ = ["a_staffed_desk", "an_operator", "without_picture_workers"]

BYTES = b"a picture nobody sees"


async def held_with_its_bytes(desk: Desk) -> tuple[FilesystemStorage, ObjectKey, ImpoundedId]:
    signer = Keyring.load_or_create(desk.run.folder / "keyring").purpose("links")
    storage = FilesystemStorage(desk.run.folder / "objects", signer=signer, clock=lambda: datetime.now(UTC))
    held = await desk.impounds()
    key = ObjectKey.quarantined(desk.customer.account_id, held)
    await storage.put(key, BYTES, "application/octet-stream")
    return storage, key, held


async def test_what_is_held_is_listed_as_rows_and_the_look_is_recorded(desk: Desk) -> None:
    _, _, held = await held_with_its_bytes(desk)
    listed = await desk.run("media", "quarantine", "list", *desk.sign(desk.admin.account_id))
    assert listed.code == 0, listed.err
    mine = [row for row in listed.json["impounded"] if row["id"] == str(held)]
    assert [(row["account_id"], row["origin"], row["distance"], row["released_at"]) for row in mine] == [
        (str(desk.customer.account_id), "upload", 7, None)
    ]
    shown = await desk.run("media", "quarantine", "list", *desk.sign(desk.admin.account_id)[:-1])
    assert str(held)[:8] in shown.out
    assert BYTES.decode() not in listed.out + shown.out
    assert desk.records()[-1][0] == "quarantine.list"


async def test_what_is_released_is_deleted_and_its_row_stays(desk: Desk) -> None:
    storage, key, held = await held_with_its_bytes(desk)
    release = ("media", "quarantine", "release", held, *desk.sign(desk.admin.account_id))
    assert (await desk.run(*release)).code == 0
    with pytest.raises(ObjectMissing):
        await storage.get(key)
    records = desk.records()
    assert records[-1][:3] == ("quarantine.release", str(held), desk.admin.account_id)
    await storage.put(key, BYTES, "application/octet-stream")  # as if storage had not answered the first time
    assert (await desk.run(*release)).code == 0
    with pytest.raises(ObjectMissing):
        await storage.get(key)
    assert desk.records() == records, "again is no other release"
    for words, found in (((), False), (("--released",), True)):
        listed = await desk.run("media", "quarantine", "list", *words, *desk.sign(desk.admin.account_id))
        assert (str(held) in [row["id"] for row in listed.json["impounded"]]) is found
