"""What objects as files promise beside what every storage does: about disks, folders and writers that die."""

import asyncio
import fcntl
import os
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from application.ports import StorageUnavailable
from tests.object_stores import filesystem, names, picture


@pytest.mark.anyio
async def test_a_put_survives_that_its_folder_empties_under_it(tmp_path: Path) -> None:
    """Few objects in one tree: nearly every delete takes folders away that another is just putting into."""
    storage = filesystem(tmp_path)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(8))

    async def come_and_go(owner: int) -> None:
        for attempt in range(1, 61):
            key = picture(owner // 2, attempt)
            await storage.put(key, b"content", "image/png")
            await storage.delete(key)

    await asyncio.gather(*map(come_and_go, range(6)))
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
