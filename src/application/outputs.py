"""What a call brought, at keys made of account, generation and attempt: putting it there, and finding it again."""

import asyncio
import hashlib
from collections.abc import Sequence

from application.ports import ObjectMissing, ObjectStorage, PictureIntake, StorageUnavailable
from domain.attempts import Attempt, Executed, Found, Manifest, Picture, StoredPicture
from domain.errors import BrokenImage
from domain.generations import Generation
from domain.media import ObjectKey


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
    stored = [_stored(index, picture) for index, picture in pictures if lies[index]]
    if stored:
        manifest = Manifest(tuple(stored), result.request_id, result.usage, result.cost)
        await _put(storage, ObjectKey.manifest(*keys), manifest.write(), "application/json", until, pause)
    return stored


async def keep_answer(
    storage: ObjectStorage, generation: Generation, attempt: Attempt, answer: bytes, *, until: float, pause: float
) -> None:
    """Put aside, for support, what came instead of a picture."""
    key = ObjectKey.answer(generation.account_id, generation.id, attempt.number)
    await _put(storage, key, answer, "application/octet-stream", until, pause)


async def find(storage: ObjectStorage, intake: PictureIntake, generation: Generation, attempt: Attempt, was_past: bool) -> Found:
    """What lies at one attempt's keys. Raises StorageUnavailable or IntakeBusy, which is not the same as nothing."""
    keys = (generation.account_id, generation.id, attempt.number)
    try:
        manifest = Manifest.read(await storage.get(ObjectKey.manifest(*keys)))
    except ObjectMissing:
        manifest = None
    promised = {picture.index: picture for picture in manifest.pictures} if manifest else {}
    pictures = []
    for index in range(generation.n):
        try:
            content = await storage.get(ObjectKey.picture(*keys, index))
            pictures.append(promised.get(index) or _stored(index, await intake.describe(content)))
        except (ObjectMissing, BrokenImage):  # what cannot be read is no picture
            continue
    return Found(attempt.number, tuple(pictures), manifest, was_past)


async def _put(storage: ObjectStorage, key: ObjectKey, content: bytes, content_type: str, until: float, pause: float) -> bool:
    loop = asyncio.get_running_loop()
    while loop.time() < until:
        try:
            async with asyncio.timeout_at(until):
                await storage.put(key, content, content_type)
            return True
        except StorageUnavailable:
            await asyncio.sleep(pause)
        except TimeoutError:
            break
    return False


def _stored(index: int, picture: Picture) -> StoredPicture:
    digest = hashlib.sha256(picture.content).hexdigest()
    return StoredPicture(index, picture.format, picture.width, picture.height, len(picture.content), digest, picture.has_alpha)
