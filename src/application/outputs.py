"""What a call brought, at keys made of account, generation and attempt: putting it there, finding it again, and its row."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from application.digests import sha256_of
from application.ports import ObjectMissing, ObjectStorage, PictureIntake, StorageUnavailable
from domain.attempts import Attempt, BrokenManifest, Executed, Found, Manifest, Picture, StoredPicture
from domain.errors import BrokenImage
from domain.generations import Generation
from domain.media import Asset, AssetId, AssetKind
from domain.objects import ObjectKey

_ANSWER_SECONDS = 10.0


async def keep(
    storage: ObjectStorage, generation: Generation, attempt: Attempt, result: Executed, *, until: float, pause: float
) -> Sequence[StoredPicture]:
    """Put all pictures at once, so that one that cannot be put takes no time from the others; then the manifest.

    A put is tried again, after `pause` seconds, until the attempt's time is over (`until`, on the event loop's clock); the call
    never is. Answers the pictures whose put was seen to succeed.
    """
    keys = (generation.account_id, generation.id, attempt.number)
    pictures = list(enumerate(result.pictures[: generation.n]))
    puts = [
        _put(storage, ObjectKey.picture(*keys, index), picture.content, picture.format.content_type, until, pause)
        for index, picture in pictures
    ]
    lies = await asyncio.gather(*puts)
    stored = [await _stored(index, picture) for index, picture in pictures if lies[index]]
    if stored:
        manifest = Manifest(tuple(stored), result.request_id, result.usage, result.cost)
        await _put(storage, ObjectKey.manifest(*keys), manifest.write(), "application/json", until, pause)
    return stored


async def keep_answer(storage: ObjectStorage, generation: Generation, attempt: Attempt, answer: bytes) -> None:
    """Put aside, for support, what came instead of a picture: once, and only if the storage answers soon."""
    key = ObjectKey.answer(generation.account_id, generation.id, attempt.number)
    with suppress(StorageUnavailable, TimeoutError):
        async with asyncio.timeout(_ANSWER_SECONDS):
            await storage.put(key, answer, "application/octet-stream")


async def find(storage: ObjectStorage, intake: PictureIntake, generation: Generation, attempt: Attempt, was_past: bool) -> Found:
    """What lies at one attempt's keys. Raises StorageUnavailable or IntakeBusy, which is not the same as nothing."""
    keys = (generation.account_id, generation.id, attempt.number)
    try:
        manifest = Manifest.read(await storage.get(ObjectKey.manifest(*keys)))
    except (ObjectMissing, BrokenManifest):  # the pictures may lie there all the same
        manifest = None
    promised = {picture.index: picture for picture in manifest.pictures} if manifest else {}
    pictures = []
    for index in range(generation.n):
        try:
            content = await storage.get(ObjectKey.picture(*keys, index))
            pictures.append(promised.get(index) or await _stored(index, await intake.describe(content)))
        except (ObjectMissing, BrokenImage):  # what cannot be read is no picture
            continue
    return Found(attempt.number, tuple(pictures), manifest, was_past)


def asset_of(asset_id: AssetId, generation: Generation, attempt: int, picture: StoredPicture) -> Asset:
    if generation.finished_at is None:
        raise AssertionError("pictures are the caller's when their generation has ended, not before")
    return Asset(
        id=asset_id,
        account_id=generation.account_id,
        mode=generation.mode,
        kind=AssetKind.OUTPUT,
        format=picture.format,
        width=picture.width,
        height=picture.height,
        bytes=picture.bytes,
        sha256=picture.sha256,
        has_alpha=picture.has_alpha,
        created_at=generation.finished_at,
        generation_id=generation.id,
        attempt=attempt,
        index=picture.index,
        marking=picture.marking,
    )


async def _put(storage: ObjectStorage, key: ObjectKey, content: bytes, content_type: str, until: float, pause: float) -> bool:
    """Once it may lie there it is looked for before it is put again: what others have found and signed meanwhile stays."""
    loop, again = asyncio.get_running_loop(), False
    while loop.time() < until:
        try:
            async with asyncio.timeout_at(until):
                if not (again and [found async for found in storage.list(str(key)) if found.key == key]):
                    again = True
                    await storage.put(key, content, content_type)
            return True
        except StorageUnavailable:
            await asyncio.sleep(pause)
        except TimeoutError:
            break
    return False


async def _stored(index: int, picture: Picture) -> StoredPicture:
    digest = await sha256_of(picture.content)
    bytes, alpha = len(picture.content), picture.has_alpha
    return StoredPicture(index, picture.format, picture.width, picture.height, bytes, digest, alpha, picture.marking)
