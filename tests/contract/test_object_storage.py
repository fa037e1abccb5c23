"""What every object storage promises: whole, durable and never stale, whoever else is at it."""

import asyncio
import fcntl
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from adapters.keyring import Keyring
from adapters.storage.filesystem import FilesystemStorage
from application.ports import ObjectMissing, ObjectStorage, ObjectTooLarge, StorageUnavailable
from domain.accounts import AccountId
from domain.media import AssetId
from domain.objects import ObjectClass, ObjectKey
from tests.programs import ACCOUNT, KEYRING


def filesystem(root: Path) -> FilesystemStorage:
    return FilesystemStorage(root, signer=Keyring.parse(KEYRING).purpose("links"), clock=lambda: datetime.now(UTC))


# Every adapter joins here.
ADAPTERS: dict[str, Callable[[Path], ObjectStorage]] = {"filesystem": filesystem}


def picture(owner: int = 1, attempt: int = 1, index: int = 0, account: int = 7) -> ObjectKey:
    return ObjectKey.picture(AccountId(UUID(int=account)), UUID(int=owner), attempt, index)


@pytest.fixture(params=ADAPTERS)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStorage:
    return ADAPTERS[request.param](tmp_path / "objects")


async def names(storage: ObjectStorage, prefix: str = "") -> list[str]:
    return [str(stored.key) async for stored in storage.list(prefix)]


@pytest.mark.anyio
class TestObjectStorage:
    async def test_what_was_put_is_got(self, storage: ObjectStorage) -> None:
        for content in (b"", b"a", os.urandom(3_000_000)):
            await storage.put(picture(), content, "image/png")
            assert await storage.get(picture()) == content

    async def test_the_last_put_counts(self, storage: ObjectStorage) -> None:
        await storage.put(picture(), b"first, and longer", "image/png")
        await storage.put(picture(), b"second", "image/png")
        assert await storage.get(picture()) == b"second"
        assert await names(storage) == [str(picture())]

    async def test_what_is_put_as_new_is_never_overwritten_and_one_of_many_is_first(self, storage: ObjectStorage) -> None:
        contents = [b"content %d" % number for number in range(8)]
        were_put = await asyncio.gather(*(storage.put_new(picture(), content, "image/png") for content in contents))
        assert sum(were_put) == 1
        assert await storage.get(picture()) == contents[were_put.index(True)]
        await storage.delete(picture())
        assert await storage.put_new(picture(), b"again", "image/png")
        assert await storage.get(picture()) == b"again"

    async def test_a_file_is_put_as_bytes_are_and_stays_where_it_is(self, storage: ObjectStorage, tmp_path: Path) -> None:
        for content in (b"", os.urandom(9_000_000)):
            (tmp_path / "archive").write_bytes(content)
            await storage.put_file(picture(), tmp_path / "archive", "application/zip")
            assert await storage.get(picture()) == content == (tmp_path / "archive").read_bytes()

    async def test_more_than_is_wanted_is_not_read(self, storage: ObjectStorage) -> None:
        await storage.put(picture(), b"content", "image/png")
        assert await storage.get(picture(), at_most=7) == b"content"
        with pytest.raises(ObjectTooLarge):
            await storage.get(picture(), at_most=6)
        with pytest.raises(ObjectMissing):
            await storage.get(picture(index=1), at_most=6)

    async def test_clearing_remnants_touches_no_object(self, storage: ObjectStorage) -> None:
        await storage.put(picture(), b"content", "image/png")
        assert await storage.clear_remnants(datetime.now(UTC) + timedelta(days=1)) == 0
        assert await storage.get(picture()) == b"content"

    async def test_what_is_not_there_is_missing(self, storage: ObjectStorage) -> None:
        with pytest.raises(ObjectMissing):
            await storage.get(picture())
        await storage.put(picture(index=1), b"another", "image/png")
        with pytest.raises(ObjectMissing):
            await storage.get(picture())

    async def test_what_was_deleted_is_gone_and_deleting_again_is_no_error(self, storage: ObjectStorage) -> None:
        await storage.put(picture(), b"content", "image/png")
        for _ in range(2):
            await storage.delete(picture())
            with pytest.raises(ObjectMissing):
                await storage.get(picture())
        assert await names(storage) == []

    async def test_deleting_one_leaves_its_neighbours(self, storage: ObjectStorage) -> None:
        kept = [picture(index=1), picture(attempt=2), picture(owner=2), picture(account=8)]
        for key in (picture(), *kept):
            await storage.put(key, b"content", "image/png")
        await storage.delete(picture())
        assert await names(storage) == sorted(map(str, kept))

    async def test_a_key_may_go_on_where_another_ends(self, storage: ObjectStorage) -> None:
        short, long = (ObjectKey(ObjectClass.UPLOADS, ACCOUNT, UUID(int=1), path) for path in (("1",), ("1", "2")))
        await storage.put(short, b"short", "image/png")
        await storage.put(long, b"long", "image/png")
        assert (await storage.get(short), await storage.get(long)) == (b"short", b"long")
        await storage.delete(short)
        assert await storage.get(long) == b"long"

    async def test_lists_are_in_key_order_with_sizes_and_times(self, storage: ObjectStorage) -> None:
        owner = UUID(int=1)
        paths = [
            ("1", "0"),
            ("1", "manifest"),
            ("1",),
            ("1-1", "0"),
            ("10", "0"),
            ("2", "0"),
            ("original",),
            ("1-1",),
            ("1", "0", "0"),
        ]
        keys = [ObjectKey(kind, ACCOUNT, owner, path) for kind in ObjectClass for path in paths]
        before = datetime.now(UTC) - timedelta(seconds=2)
        for number, key in enumerate(keys):
            await storage.put(key, b"x" * number, "image/png")
        listed = [stored async for stored in storage.list("")]
        assert [str(stored.key) for stored in listed] == sorted(map(str, keys))
        assert {stored.key: stored.bytes for stored in listed} == {key: number for number, key in enumerate(keys)}
        assert all(before <= stored.modified <= datetime.now(UTC) + timedelta(seconds=2) for stored in listed)

    async def test_a_prefix_may_end_anywhere_in_a_key(self, storage: ObjectStorage) -> None:
        keys = sorted(map(str, (picture(owner=1), picture(owner=1, index=1), picture(owner=17), picture(account=8))))
        for key in keys:
            await storage.put(ObjectKey.parse(key), b"content", "image/png")
        await storage.put(ObjectKey.upload(ACCOUNT, AssetId(UUID(int=1))), b"content", "image/png")
        for end in range(1, len(keys[0]) + 1):
            prefix = keys[0][:end]
            assert [key for key in await names(storage, prefix) if key in keys] == [key for key in keys if key.startswith(prefix)]
        assert await names(storage, "outputs/x") == await names(storage, keys[0] + "0") == []
        assert len(await names(storage)) == 5

    async def test_long_lists_are_complete(self, storage: ObjectStorage) -> None:
        keys = [picture(attempt=number) for number in range(1, 1_101)]
        await asyncio.gather(*(storage.put(key, b"", "image/png") for key in keys))
        assert await names(storage) == sorted(map(str, keys))

    async def test_fifty_at_the_same_folder_never_see_a_part_or_a_stale_object(self, storage: ObjectStorage) -> None:
        """Folders are made, pruned and read at the same time; contents are of one letter each."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(16))
        shared = picture(index=99)

        async def work(number: int) -> None:
            own = picture(index=number)
            content = bytes([65 + number % 26]) * 20_000
            for _ in range(8):
                await storage.put(own, content, "image/png")
                await storage.put(shared, content, "image/png")
                assert await storage.get(own) == content
                assert str(own) in await names(storage, "outputs/")
                try:
                    seen = await storage.get(shared)
                    assert (len(seen), len(set(seen))) == (20_000, 1)
                except ObjectMissing:
                    pass
                await storage.delete(shared)
                await storage.delete(own)
                assert str(own) not in await names(storage, str(own))

        await asyncio.gather(*map(work, range(50)))
        assert await names(storage) == []

    async def test_a_put_survives_that_its_folder_empties_under_it(self, storage: ObjectStorage) -> None:
        """Few objects in one tree: nearly every delete takes folders away that another is just putting into."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(8))

        async def come_and_go(owner: int) -> None:
            for attempt in range(1, 61):
                key = picture(owner // 2, attempt)
                await storage.put(key, b"content", "image/png")
                await storage.delete(key)

        await asyncio.gather(*map(come_and_go, range(6)))
        assert await names(storage) == []

    async def test_keys_are_made_of_plain_parts_only(self, storage: ObjectStorage) -> None:
        for part in ("..", ".", "", "a/b", "A", "a.object", "a b", "a\n", "é", "%2e", "~", "a\0"):
            key = ObjectKey(ObjectClass.UPLOADS, ACCOUNT, UUID(int=1), (part,) if part != "a/b" else ("..", "a"))
            for action in (storage.get(key), storage.delete(key), storage.put(key, b"", "image/png")):
                with pytest.raises(ValueError):
                    await action
        assert await names(storage) == []


@pytest.mark.anyio
async def test_a_writer_that_is_killed_leaves_whole_objects_only(tmp_path: Path) -> None:
    objects = filesystem(tmp_path)
    for turn in range(3):
        command = [sys.executable, "-m", "tests.programs", "writer", str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "writing\n"
            await asyncio.sleep(0.03 * turn)
            writer.kill()
        listed = [stored async for stored in objects.list("")]
        assert len(listed) >= 3
        for stored in listed:
            content = await objects.get(stored.key)
            assert (len(content), len(set(content))) == (stored.bytes, 1)
            assert stored.bytes == 1024 * 1024


@pytest.mark.anyio
async def test_what_a_killed_writer_left_aside_is_dropped_at_the_next_start_and_nothing_else(tmp_path: Path) -> None:
    filesystem(tmp_path)
    aside = tmp_path / ".tmp"
    (aside / "fresh").write_bytes(b"a writer of another process is at it")
    (aside / "abandoned").write_bytes(b"half a pict")
    os.utime(aside / "abandoned", (time.time() - 3600,) * 2)
    objects = filesystem(tmp_path)
    assert [entry.name for entry in aside.iterdir()] == ["fresh"]
    assert await names(objects) == []


@pytest.mark.anyio
async def test_remnants_are_what_nobody_writes_any_more(tmp_path: Path) -> None:
    objects, aside = filesystem(tmp_path), tmp_path / ".tmp"
    for name, hours in (("old", 3), ("young", 1), ("slow", 3)):
        (aside / name).write_bytes(b"half a pict")
        os.utime(aside / name, (time.time() - hours * 3600,) * 2)
    with (aside / "slow").open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        assert await objects.clear_remnants(datetime.now(UTC) - timedelta(hours=2)) == 1
    assert {entry.name for entry in aside.iterdir()} == {"young", "slow"}


@pytest.mark.anyio
async def test_files_are_for_their_owner_only_and_empty_folders_go(tmp_path: Path) -> None:
    objects = filesystem(tmp_path / "objects")
    await objects.put(picture(), b"content", "image/png")
    made = [tmp_path / "objects", *(tmp_path / "objects").rglob("*")]
    assert {stat.S_IMODE(entry.stat().st_mode) for entry in made if entry.is_dir()} == {0o700}
    assert {stat.S_IMODE(entry.stat().st_mode) for entry in made if entry.is_file()} == {0o600}
    await objects.delete(picture())
    assert [entry.name for entry in (tmp_path / "objects").iterdir()] == [".tmp"]


@pytest.mark.anyio
async def test_a_disk_that_fails_says_nothing_about_the_object(tmp_path: Path) -> None:
    objects = filesystem(tmp_path)
    (tmp_path / "outputs").write_text("a file where a folder should be")

    async def everything() -> None:
        for action in (objects.put(picture(), b"", "image/png"), objects.get(picture()), objects.delete(picture())):
            with pytest.raises(StorageUnavailable):
                await action

    await everything()
    (tmp_path / "outputs").unlink()
    (tmp_path / ".tmp").rmdir()  # as if the disk were not mounted
    await everything()
    with pytest.raises(StorageUnavailable):
        await names(objects)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailable):
        filesystem(tmp_path / "file")


@pytest.mark.anyio
async def test_a_full_disk_leaves_the_old_object_and_nothing_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = filesystem(tmp_path)
    await objects.put(picture(), b"old", "image/png")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "archive").write_bytes(b"new")
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        for put in (objects.put(picture(), b"new", "image/png"), objects.put_file(picture(), tmp_path / "archive", "image/png")):
            with pytest.raises(StorageUnavailable, match="No space left"):
                await put
    assert await objects.get(picture()) == b"old"
    assert list((tmp_path / ".tmp").iterdir()) == []


@pytest.mark.anyio
async def test_what_lies_around_between_objects_is_not_listed(tmp_path: Path) -> None:
    objects = filesystem(tmp_path)
    await objects.put(picture(), b"content", "image/png")
    for name in ("README.object", "lost+found", ".DS_Store", "outputs/x.object"):
        (tmp_path / name).write_text("not ours")
    assert await names(objects) == [str(picture())]
