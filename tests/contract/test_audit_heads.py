"""Heads of the audit chain: signed in time, kept outside the database, never overwritten and never swept."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.postgres.queries import PostgresQueries
from adapters.storage.filesystem import FilesystemStorage
from application.audit_chain import SignHeads, VerifyAudit
from application.housekeeping import SweepObjects
from application.ports import StorageUnavailable
from domain.audit_check import HEAD_DUE, Flaw
from domain.objects import ObjectClass, ObjectKey
from domain.privacy import AUDIT
from tests.audit_room import EVERY, AuditRoom, an_audit_room, new_keys
from tests.contract.harnesses import StoreHarness, each_store

pytestmark = pytest.mark.anyio
__all__ = ["an_audit_room", "each_store"]

SECOND = timedelta(seconds=1)


async def counts(room: AuditRoom) -> list[int]:
    return [head.count for head in await room.heads()]


async def test_where_nothing_was_recorded_nothing_is_signed(room: AuditRoom) -> None:
    assert await room.sign() == {"heads": 0}
    assert await room.heads() == []
    assert (await room.verify()).is_clean


async def test_a_day_is_signed_at_its_first_record_then_no_more_often_than_asked_and_only_if_there_is_something_new(
    room: AuditRoom,
) -> None:
    await room.morning()
    await room.record()
    assert await room.sign() == {"heads": 1}
    room.passes(2 * EVERY)
    assert await room.sign() == {"heads": 0}, "nothing is new"
    await room.record()
    assert await room.sign() == {"heads": 1}
    await room.record(2)
    room.passes(EVERY - 30 * SECOND)
    assert await room.sign() == {"heads": 0}, "it is too early"
    room.passes(31 * SECOND)
    assert await room.sign() == {"heads": 1}
    assert await counts(room) == [1, 2, 4]
    assert (await room.verify()).unsigned == 0


async def test_a_day_that_has_ended_is_signed_whole_and_at_once(room: AuditRoom) -> None:
    await room.morning()
    room.passes(timedelta(hours=22, minutes=30))
    await room.record()
    await room.sign()
    await room.record()
    room.passes(EVERY / 3)
    assert await room.sign() == {"heads": 0}
    room.passes(EVERY / 3)
    assert await room.sign() == {"heads": 1}, "ten minutes after midnight"
    assert await counts(room) == [1, 2]
    room.passes(HEAD_DUE)
    assert (await room.verify()).is_clean


async def test_days_that_nobody_was_there_to_sign_are_signed_when_somebody_is_there_again(room: AuditRoom) -> None:
    for _ in range(3):
        await room.morning()
        await room.record(2)
    assert await room.sign() == {"heads": 3}
    assert len({head.day for head in await room.heads()}) == 3
    assert await room.sign() == {"heads": 0}


async def test_a_day_signed_within_and_followed_by_another_is_signed_to_its_end(room: AuditRoom) -> None:
    await room.morning()
    await room.record()
    await room.sign()
    await room.record(2)
    await room.morning()
    await room.record()
    assert await room.sign() == {"heads": 2}
    assert await counts(room) == [1, 3, 1]


async def test_what_was_signed_is_never_signed_again(room: AuditRoom) -> None:
    await room.morning()
    await room.record()
    await room.sign()
    kept = dict(room.storage.objects)
    await room.morning()
    await room.record()
    assert await room.sign() == {"heads": 1}
    assert {key: room.storage.objects[key] for key in kept} == kept


async def test_many_who_sign_at_once_sign_the_same(room: AuditRoom) -> None:
    await room.record(3)
    await asyncio.gather(*(room.sign() for _ in range(5)))
    assert await counts(room) == [3]


async def test_signing_what_was_tampered_with_hides_nothing(room: AuditRoom) -> None:
    await room.morning()
    await room.record(4)
    await room.sign()
    kept = dict(room.storage.objects)
    await room.execute("DELETE FROM audit_records WHERE number > 2")
    await room.record(4)
    room.passes(EVERY)
    assert await room.sign() == {"heads": 1}
    assert {key: room.storage.objects[key] for key in kept} == kept, "what was signed stays as it was"
    assert (Flaw.FOREIGN_HASH, 4) in await room.flaws()


async def test_a_chain_of_the_same_length_gets_a_head_beside_the_other_and_not_over_it(room: AuditRoom) -> None:
    await room.morning()
    await room.record(2)
    await room.sign()
    await room.execute("DELETE FROM audit_records WHERE number = 2")
    await room.record()
    room.passes(EVERY)
    await room.sign()
    assert await counts(room) == [2, 2]
    assert (Flaw.FOREIGN_HASH, 2) in await room.flaws()


async def test_a_head_by_another_key_altered_moved_or_of_another_form_is_named_and_believed_in_nothing(room: AuditRoom) -> None:
    await room.morning()
    await room.record(3)
    await room.sign()
    ((key, content),) = room.storage.objects.items()
    moved = key.replace("00000003", "00000009")
    for objects in (
        {key: b"{}"},
        {key: content.replace(b'"count": 3', b'"count": 2')},
        {key: content, moved: content.replace(b'"count": 3', b'"count": 9')},
        {key: content, moved: content},
    ):
        room.storage.objects = objects
        assert {flaw for flaw, _ in await room.flaws()} == {Flaw.HEAD_INVALID}
    room.storage.objects, room.keys = {key: content}, new_keys()
    assert await room.flaws() == [(Flaw.HEAD_INVALID, 3)]


async def test_a_false_head_does_not_keep_the_true_one_from_being_signed(room: AuditRoom) -> None:
    await room.morning()
    await room.record()
    stranger = AuditRoom(room.pool, room.store, room.storage)
    stranger.passes(timedelta(hours=5))
    await stranger.sign()
    stranger.passes(-timedelta(hours=5))
    await room.record()
    assert await room.sign() == {"heads": 1}


async def test_a_day_without_its_last_head_is_named_after_some_hours(room: AuditRoom) -> None:
    await room.morning()
    await room.record()
    await room.sign()
    await room.record()
    await room.morning()
    assert await room.flaws() == []
    room.passes(HEAD_DUE)
    assert await room.flaws() == [(Flaw.HEAD_MISSING, 2)]


async def test_a_storage_that_does_not_answer_is_no_finding(room: AuditRoom) -> None:
    await room.record()
    room.storage.down = True
    for act in (room.sign, room.verify):
        with pytest.raises(StorageUnavailable):
            await act()


async def test_heads_lie_as_files_and_are_found_again(room: AuditRoom, tmp_path: Path) -> None:
    files = FilesystemStorage(tmp_path, signer=new_keys(), clock=lambda: datetime.now(UTC))
    await room.record(3)
    assert await SignHeads(room.store, room.trail, files, room.keys, EVERY)() == {"heads": 1}
    (file,) = tmp_path.rglob("*.object")
    assert file.relative_to(tmp_path).parts[0] == "audit"
    verify = VerifyAudit(room.store, room.trail, files, room.keys)
    report = await verify()
    assert (report.is_clean, report.records, report.heads, report.unsigned) == (True, 3, 1, 0)
    await room.execute("TRUNCATE audit_records")
    assert [finding.flaw for finding in (await verify()).findings] == [Flaw.DAY_REMOVED]


async def test_the_sweep_never_deletes_a_head(room: AuditRoom) -> None:
    await room.record(2)
    await room.sign()
    kept = dict(room.storage.objects)
    room.passes(timedelta(days=4_000))
    queries = PostgresQueries(room.pool)
    queries.offset = room.store.offset
    assert await SweepObjects(room.store, room.storage, queries)() == 0
    assert room.storage.objects == kept


async def test_no_head_is_ever_an_orphan(harness: StoreHarness, tmp_path: Path) -> None:
    storage = FilesystemStorage(tmp_path, signer=new_keys(), clock=lambda: datetime.now(UTC))
    await storage.put(ObjectKey.audit_head(datetime.now(UTC).date(), 3, "ab" * 32), b"head", "application/json")
    await harness.advance(timedelta(days=4_000).total_seconds())
    stored = [each async for each in storage.list("")]
    assert len(stored) == 1
    assert await harness.queries.orphans(stored) == []


async def test_a_head_is_kept_as_an_audit_record_is() -> None:
    assert ObjectClass.AUDIT.classification is AUDIT
    assert not ObjectClass.AUDIT.is_swept
