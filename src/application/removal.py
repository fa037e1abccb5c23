"""How a picture goes: rows in the transaction of whoever takes it away, bytes after that."""

from contextlib import suppress

from application.ports import ObjectStorage, StorageUnavailable
from application.store import Transaction
from domain.media import Asset
from domain.objects import ObjectKey


async def remove(tx: Transaction, asset: Asset) -> list[ObjectKey]:
    """Its row, with those of its copies; no archive keeps it either. The caller holds its lock. Answers where copies and archives
    lie, to be deleted afterwards with its own bytes."""
    archives = await tx.archives.lock_ready(asset.id, asset.account_id)
    for archive in archives:
        archive.withdraw()
        tx.archives.save(archive)
    return [*(archive.key for archive in archives), *await tx.assets.remove(asset)]


async def delete_bytes(storage: ObjectStorage, *keys: ObjectKey) -> None:
    """Of which no row speaks, or ever will: what an outage or a death leaves here the object sweep finds."""
    with suppress(StorageUnavailable):
        for key in keys:
            await storage.delete(key)
