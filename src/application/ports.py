"""What the use cases need from outside. Each docstring is the promise an adapter keeps; the contract tests hold it to that."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.attempts import CallResult
from domain.media import AssetKind, CleanPicture, ObjectKey, PictureFormat
from domain.requests import PictureRequest


@dataclass(frozen=True, slots=True)
class ModelCall:
    """All that a model is told. `references` and `mask` are bytes of cleaned uploads, in the request's order; `subject` is an
    opaque name for the account. `partial`, if given, is awaited with (index, bytes) for each partial picture."""

    request: PictureRequest
    references: tuple[bytes, ...]
    mask: bytes | None
    subject: str
    partial: Callable[[int, bytes], Awaitable[None]] | None = None


class ImageModel(Protocol):
    """Makes and edits pictures."""

    async def make(self, call: ModelCall) -> CallResult:
        """Call the model exactly once; never retry. Every way it can end is one of the three results, never an exception.

        Cancelling the awaiting task closes the call's socket.
        """
        ...


class StorageUnavailable(Exception):
    """The store did not answer: nothing is known about the object (which is not the same as absent)."""


class ObjectMissing(Exception):
    """The store answered: there is no such object."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    key: ObjectKey
    bytes: int
    modified: datetime


class ObjectStorage(Protocol):
    """Keeps bytes under keys. Every method may raise StorageUnavailable."""

    async def put(self, key: ObjectKey, content: bytes, content_type: str) -> None:
        """Durable and whole when it returns; a reader never sees a part. An equal key is overwritten."""
        ...

    async def get(self, key: ObjectKey) -> bytes:
        """The bytes, as last put anywhere. Raises ObjectMissing."""
        ...

    async def delete(self, key: ObjectKey) -> None:
        """Gone when it returns; deleting what is not there is no error."""
        ...

    def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Everything whose key starts with `prefix` (empty: everything), in key order, never stale."""
        ...

    def link(self, key: ObjectKey, *, format: PictureFormat, file_name: str, expires_at: datetime) -> str:
        """A path or address from which anyone can read the object until `expires_at`; what is not shown inline is attached."""
        ...


@dataclass(frozen=True, slots=True)
class LinkedObject:
    """What a signed link leads to."""

    content: bytes
    content_type: str
    disposition: str


class LinkedObjects(Protocol):
    """Serves the links of a store that has no server of its own."""

    async def open(self, path: str, signature: str) -> LinkedObject:
        """The object behind a link. Raises NotFound for a link that is altered, expired, or leads to nothing."""
        ...


class PictureIntake(Protocol):
    """Turns hostile bytes into a picture that is nothing but pixels. Never on the event loop, within memory and time limits."""

    async def clean(self, content: bytes, kind: AssetKind) -> CleanPicture:
        """Check, decode, turn upright, drop everything but pixels, write anew.

        Raises UnsupportedFormat, UploadTooLarge, LimitExceeded, BrokenImage, InvalidMask, or IntakeBusy when no worker is free.
        """
        ...
