"""What every object storage promises: whole, durable and never stale, whoever else is at it."""

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from adapters.storage import s3
from application.ports import ObjectMissing, ObjectStorage, ObjectTooLarge
from domain.media import AssetId
from domain.objects import ObjectClass, ObjectKey
from tests.object_stores import filesystem, names, on_s3, picture
from tests.programs import ACCOUNT
from tests.weed import ON_S3


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything, by how long a call takes."""

    long_list: int
    at_once: int
    rounds: int


# Every adapter joins here.
ADAPTERS = {"filesystem": Scale(1_101, 50, 8), "s3": Scale(45, 6, 2)}


@pytest.fixture(params=["filesystem", pytest.param("s3", marks=ON_S3)])
def adapter(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def storage(adapter: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStorage]:
    if adapter == "filesystem":
        yield filesystem(tmp_path / "objects")
        return
    with on_s3(request.getfixturevalue("s3")) as objects:
        yield objects


@pytest.fixture
def scale(adapter: str) -> Scale:
    return ADAPTERS[adapter]


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

    async def test_lists_are_in_key_order_with_sizes_and_times(self, storage: ObjectStorage, adapter: str) -> None:
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
        if adapter == "s3":  # an S3 sorts by characters, this one by folders: what no key of ours is long enough to tell apart
            paths = [("1", "0"), ("1", "manifest"), ("10", "0"), ("2", "0"), ("original",)]
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

    async def test_long_lists_are_complete(self, storage: ObjectStorage, scale: Scale, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(s3, "PAGE", 10)
        keys = [picture(attempt=number) for number in range(1, scale.long_list)]
        await asyncio.gather(*(storage.put(key, b"", "image/png") for key in keys))
        assert await names(storage) == sorted(map(str, keys))

    async def test_fifty_at_the_same_folder_never_see_a_part_or_a_stale_object(
        self, storage: ObjectStorage, scale: Scale
    ) -> None:
        """Folders are made, pruned and read at the same time; contents are of one letter each."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(16))
        shared = picture(index=99)

        async def work(number: int) -> None:
            own = picture(index=number)
            content = bytes([65 + number % 26]) * 20_000
            for _ in range(scale.rounds):
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

        await asyncio.gather(*map(work, range(scale.at_once)))
        assert await names(storage) == []

    async def test_keys_are_made_of_plain_parts_only(self, storage: ObjectStorage) -> None:
        for part in ("..", ".", "", "a/b", "A", "a.object", "a b", "a\n", "é", "%2e", "~", "a\0"):
            key = ObjectKey(ObjectClass.UPLOADS, ACCOUNT, UUID(int=1), (part,) if part != "a/b" else ("..", "a"))
            for action in (storage.get(key), storage.delete(key), storage.put(key, b"", "image/png")):
                with pytest.raises(ValueError):
                    await action
        assert await names(storage) == []
