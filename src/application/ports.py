"""What the use cases need from outside. Each docstring is the promise an adapter keeps; the contract tests hold it to that."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID

from domain.attempts import CallResult, Picture
from domain.identities import Person
from domain.media import AssetKind, CleanPicture, FileFormat, Likeness
from domain.objects import ObjectKey
from domain.rate_limits import Rate
from domain.requests import PictureRequest

Today = Callable[[], date]
"""The date in UTC, for what changes by the day (the retirement of a model)."""

Clock = Callable[[], datetime]
"""Now, in UTC, for what is not written down: whatever is takes its time from the transaction."""

NewId = Callable[[], UUID]
"""Makes UUIDs of version 7."""


Show = Callable[[int, bytes], Awaitable[None]]
"""Is awaited with index and bytes of each partial picture."""


@dataclass(frozen=True, slots=True)
class ModelCall:
    """All that a model is told. `references` and `mask` are bytes of cleaned uploads, in the request's order; `subject` is an
    opaque name for the account. `partial`: who is shown the partial pictures, if anybody. `seconds`: the call is over by then,
    and what has come by then is delivered."""

    request: PictureRequest
    references: tuple[bytes, ...]
    mask: bytes | None
    subject: str
    partial: Show | None = None
    seconds: float | None = None


class ImageModel(Protocol):
    """Makes and edits pictures."""

    async def make(self, call: ModelCall) -> CallResult:
        """Call the model exactly once; never retry. Every way it can end is one of the three results, never an exception.

        Cancelling the awaiting task closes the call's socket.
        """

    async def examine(self) -> str | None:
        """Ask the provider, without buying anything, whether it accepts us: None, or what is wrong in a few words."""


class StorageUnavailable(Exception):
    """The store did not answer: nothing is known about the object (which is not the same as absent)."""


class ObjectMissing(Exception):
    """The store answered: there is no such object."""


class ObjectTooLarge(Exception):
    """The object has more bytes than whoever wants it takes; none of them was read."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    key: ObjectKey
    bytes: int
    modified: datetime

    def stays(self, now: datetime, *, spoken_of: bool) -> bool:
        """By the rule of its class."""
        return self.key.object_class.rule.keeps(self.modified, now, spoken_of=spoken_of)


@dataclass(frozen=True, slots=True)
class PutLink:
    """Where anyone can PUT one object until the link expires: with these headers exactly, named in small letters."""

    url: str
    headers: Mapping[str, str]


class ObjectStorage(Protocol):
    """Keeps bytes under keys. Every method may raise StorageUnavailable."""

    async def put(self, key: ObjectKey, content: bytes, content_type: str) -> None:
        """Durable and whole when it returns; a reader never sees a part. An equal key is overwritten."""

    async def put_new(self, key: ObjectKey, content: bytes, content_type: str) -> bool:
        """As `put`, unless there is something at this key: then False, and that stays. Of several at once one is first."""

    async def put_file(self, key: ObjectKey, path: Path, content_type: str) -> None:
        """As `put`, of a file of any length, which is never in memory as a whole. It must be there and stay as it is meanwhile;
        it is left where it is."""

    async def get(self, key: ObjectKey, at_most: int | None = None) -> bytes:
        """The bytes, as last put anywhere. Raises ObjectMissing, or ObjectTooLarge when they are more than `at_most`."""

    async def delete(self, key: ObjectKey) -> None:
        """Gone when it returns; deleting what is not there is no error."""

    def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Everything whose key starts with `prefix` (empty: everything), in key order, never stale."""

    def link(self, key: ObjectKey, *, format: FileFormat, file_name: str, expires_at: datetime) -> str:
        """A path or address from which anyone can read the object until `expires_at`; what is not shown inline is attached.
        Links may raise StorageUnavailable too: whoever signs must know who they are."""

    def link_to_put(self, key: ObjectKey, *, content_type: str, bytes: int, expires_at: datetime) -> PutLink:
        """A path or address at which anyone can put the object, of this type and length, until `expires_at`."""

    async def clear_remnants(self, before: datetime) -> int:
        """Drop what writers that died had begun before then, and what is no object and never will be; answers how many. What is
        still being written is left alone."""


@dataclass(frozen=True, slots=True)
class LinkedObject:
    """What a signed link leads to. `tag` is another when the object is; `pieces` are the bytes from one place up to another, and
    come to an early end with StorageUnavailable."""

    length: int
    tag: str
    content_type: str
    disposition: str
    seconds_left: int
    pieces: Callable[[int, int], AsyncIterator[bytes]]


class LinkedObjects(Protocol):
    """Serves the links of a store that has no server of its own. `path` and `query` are as they came; NotFound is raised for a
    link that is altered, expired, or for something else."""

    async def open(self, path: str, query: str) -> LinkedObject:
        """The object behind a link. Raises NotFound for one that leads to nothing, too."""

    async def receive(self, path: str, query: str, content_type: str, pieces: AsyncIterator[bytes]) -> None:
        """Put what comes at the link's key, in one piece or not at all, without holding it in memory. Raises InvalidRequest if it
        is not of the link's type and length."""


class PictureIntake(Protocol):
    """Turns hostile bytes into a picture that is nothing but pixels. Never on the event loop, within memory and time limits."""

    async def clean(self, content: bytes, kind: AssetKind) -> CleanPicture:
        """Check, decode, turn upright, drop everything but pixels, write anew.

        Raises UnsupportedFormat, TooManyBytes, TooManyPixels, TooHeavy, Truncated, Animated, MaskMismatch, or IntakeBusy when
        no worker is free.
        """

    async def describe(self, content: bytes) -> Picture:
        """A model's own picture with what its header says; the bytes are not touched. Raises BrokenImage, or IntakeBusy
        when no worker answered, which says nothing about the picture."""

    async def fingerprint(self, content: bytes) -> str:
        """Equal for pictures of equal pixels, however their files are written; of a film, the first frame counts. Raises as
        `describe` does."""

    async def redraw(self, content: bytes) -> Picture:
        """The same pixels, all frames, in a new file that holds nothing else: of the same format where that loses nothing, else a
        PNG. Raises as `describe` does."""

    async def likeness(self, content: bytes) -> Likeness:
        """What the picture looks like, to be known again when it has been written anew; of a film, its first frame. Raises as
        `describe` does."""


@dataclass(frozen=True, slots=True)
class SignInStart:
    """Where a person is sent to sign in, and what must be kept for them until they are back: the answer is good only with it."""

    url: str = field(repr=False)
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


class IdentityProvider(Protocol):
    """Somebody who knows who people are. The redirect's address is the same, to the letter, in both calls."""

    async def start(self, redirect_uri: str, max_age: int | None = None) -> SignInStart:
        """A sign-in that nobody has begun before. The person is asked as whom, where the provider can; and who they are, if it
        has not asked them for `max_age` seconds. Raises ProviderUnavailable."""

    async def finish(self, start: SignInStart, redirect_uri: str, answer: Mapping[str, str]) -> Person:
        """Who signed in; `answer` is what they were sent back with. What the provider hands out for it lives no longer than this
        call, and of what it says of the person only the fields of Person are read.

        Raises SignInDenied (the person or the provider said no), SignInInvalid (replayed, altered, of another sign-in, another
        provider or another time), EmailUnverified, or ProviderUnavailable.
        """


class Signer(Protocol):
    """Signs what goes out and will come back, for one purpose. Rotating keys breaks nothing: each signature names its key."""

    def sign(self, message: bytes) -> tuple[str, bytes]:
        """The signing key's name and the 32 bytes of the signature, which covers the name too."""

    def verify(self, kid: str, message: bytes, mac: bytes) -> bool:
        """Whether `mac` is what the key of that name makes of `message`; an unknown name is no error. In constant time."""


class SignInSigner(Signer, Protocol):
    """Signs what a browser keeps while its person signs in."""


class CursorSigner(Signer, Protocol):
    """Signs the cursors of lists."""


@dataclass(frozen=True, slots=True)
class Want:
    """So many units at most of a subject's rate. `subject` is a digest that names nobody."""

    subject: bytes
    rate: Rate
    units: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was taken, and the whole units that are left."""

    granted: int
    left: int


class SharedBuckets(Protocol):
    """One bucket for each subject that all processes draw from."""

    async def draw(self, wants: Sequence[Want]) -> Sequence[Drawn]:
        """What is wanted, as far as it is there, in the order of `wants`, whose subjects differ. Of one subject everyone draws
        after the other, by one clock. A subject that nobody has drawn for, or that was forgotten, has a full bucket. Raises
        StoreUnavailable, and then perhaps units are lost."""
        ...

    async def forget(self, limit: int) -> int:
        """Remove at most so many buckets that have been left alone for LONGEST_WINDOW and so are full, which changes nothing for
        anybody; answers how many."""
        ...
