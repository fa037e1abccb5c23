"""One call of a model, and the three ways it can have ended as far as we know."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from domain.media import Asset, PictureFormat
from domain.provenance import Marking
from domain.timing import Timing as Timing

MESSAGE_CHARACTERS = 500


class FailureClass(StrEnum):
    MODERATION = "moderation"
    CAPABILITY = "capability"
    PROVIDER = "provider"
    TIMEOUT = "timeout"
    STORAGE = "storage"
    UNKNOWN_OUTCOME = "unknown_outcome"
    CAPACITY = "capacity"
    INTERNAL = "internal"
    CANCELLED = "cancelled"


class Stage(StrEnum):
    INPUT = "input"
    OUTPUT = "output"
    CALL = "call"
    STORE = "store"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no picture. `code` and `message` are ours or the provider's, who may quote the prompt in the message."""

    failure_class: FailureClass
    stage: Stage
    code: str
    message: str
    request_id: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", self.message.replace("\0", "")[:MESSAGE_CHARACTERS])

    def without_words(self) -> Self:
        return replace(self, message="")

    def of_capacity(self) -> Self:
        """Tried as often as anything is: none of it was this request's doing, in the provider's own words."""
        return replace(self, failure_class=FailureClass.CAPACITY)


EMPTY = Failure(FailureClass.PROVIDER, Stage.CALL, "empty", "The model answered without a picture")
NOT_STORED = Failure(FailureClass.STORAGE, Stage.STORE, "not_stored", "The pictures could not be kept")
ECHO = Failure(FailureClass.PROVIDER, Stage.OUTPUT, "echo", "The model returned a reference unchanged")
UNUSABLE = Failure(FailureClass.PROVIDER, Stage.OUTPUT, "unusable", "The model returned a picture that cannot be drawn")
ANSWER_LOST = Failure(FailureClass.UNKNOWN_OUTCOME, Stage.CALL, "unknown_outcome", "The model's answer was lost")
HOLD_EXPIRED = Failure(FailureClass.TIMEOUT, Stage.CALL, "hold_expired", "The generation did not finish in time")
DEADLINE_PASSED = Failure(FailureClass.TIMEOUT, Stage.CALL, "deadline", "The deadline passed before a call could start")
REFUNDED = Failure(FailureClass.CANCELLED, Stage.CALL, "refunded", "Cancelled by the caller while the model's answer was lost")
CANCELLED = Failure(FailureClass.CANCELLED, Stage.CALL, "cancelled", "Cancelled by the caller")


class Finality(StrEnum):
    """What a call that was not executed means for its generation."""

    REFUSED = "refused"
    """The content was refused: asking again with the same words would be refused again."""
    FINAL = "final"
    """The request can never work: a wrong parameter, a revoked provider key."""
    RETRYABLE = "retryable"
    """Nothing wrong with the request: the provider was busy or not there. Free to ask again."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counts them."""

    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture as the model returned it, but for our signature where it has no other. `width` and `height` in pixels."""

    content: bytes
    format: PictureFormat
    width: int
    height: int
    has_alpha: bool
    marking: Marking = Marking.UNMARKED


class Obstacle(StrEnum):
    """What stood in the way of a call stands in the way of others too."""

    RATE_LIMIT = "rate_limit"
    """Of this model, for a while."""
    KEY_REFUSED = "key_refused"
    """Our key, our organisation or our balance with the provider."""
    UNREACHABLE = "unreachable"
    """Nobody answers there: nothing was sent."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the provider says it allows: `spare` of `capacity` calls now, all of them again in so many seconds."""

    capacity: int
    spare: int
    full_in_seconds: float


@dataclass(frozen=True, slots=True)
class Executed:
    """The provider did the work and will bill it. No picture at all is possible, and a failure: `failure` says why, where it is
    not simply empty. Pictures with a failure are those that our own check refuses.

    `cost` is in millionths of a US dollar, None if the answer does not tell. `answer`: what came, where it could not be used.
    """

    pictures: tuple[Picture, ...]
    request_id: str | None
    usage: Usage
    cost: int | None
    failure: Failure | None = None
    answer: bytes | None = None
    allowance: Allowance | None = None


@dataclass(frozen=True, slots=True)
class NotExecuted:
    """The provider says, or the network proves, that nothing was made or billed. `answer`: what came, if it says too little."""

    failure: Failure
    finality: Finality
    retry_after_seconds: float | None = None
    obstacle: Obstacle | None = None
    allowance: Allowance | None = None
    answer: bytes | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """The line broke after the request was sent: it may have been made and billed. `answer`: the part of it that came."""

    code: str
    request_id: str | None = None
    answer: bytes | None = None
    allowance: Allowance | None = None


CallResult = Executed | NotExecuted | Unknown


class Outcome(StrEnum):
    INTENDED = "intended"
    EXECUTED = "executed"
    NOT_EXECUTED = "not_executed"
    UNKNOWN = "unknown"

    @property
    def perhaps_paid(self) -> bool:
        return self is not Outcome.NOT_EXECUTED


@dataclass(slots=True)
class Attempt:
    """The record of one call, written before the socket opens. At most one attempt of a generation is `booked`.

    `owner` names the process that may make the call (an advisory lock it holds); `decided_at` is when `outcome` was last written.
    `written_by_caller`: its own caller has said how it ended, so nothing more can come of it.
    """

    number: int
    started_at: datetime
    act_until: datetime
    owner: int
    outcome: Outcome = Outcome.INTENDED
    decided_at: datetime | None = None
    finality: Finality | None = None
    failure: Failure | None = None
    booked: bool = False
    cost: int | None = None
    usage: Usage | None = None
    request_id: str | None = None
    written_by_caller: bool = False

    def is_past(self, now: datetime) -> bool:
        """Nothing can be put at its keys any more, as far as the clock and its caller's own word can tell."""
        return now >= self.act_until or self.written_by_caller

    def record(self, result: CallResult, now: datetime) -> None:
        """Write what its own caller saw. `executed` and `not_executed` are final; a later word only adds what it cost."""
        if self.outcome is Outcome.EXECUTED and isinstance(result, Executed) and self.cost is None:
            self.cost, self.usage, self.request_id = result.cost, result.usage, result.request_id
        if self.outcome in (Outcome.EXECUTED, Outcome.NOT_EXECUTED):
            return
        self.written_by_caller, self.decided_at = True, now
        self._write(result)

    def returned_echoes(self, found: "Found", now: datetime) -> None:
        """All that lies at its keys is what was sent."""
        if self.outcome in (Outcome.INTENDED, Outcome.UNKNOWN) and (found.manifest or found.was_past):
            told = found.manifest or Manifest((), self.request_id, Usage(), None)
            self.decided_at = now
            self._write(Executed((), told.request_id, told.usage, told.cost, ECHO))

    def _write(self, result: CallResult) -> None:
        match result:
            case Executed():
                self.outcome, self.cost, self.request_id = Outcome.EXECUTED, result.cost, result.request_id
                self.usage = result.usage
                if result.failure or not result.pictures:
                    self.failure = replace(result.failure or EMPTY, request_id=result.request_id)
            case NotExecuted():
                self.outcome, self.finality, self.failure = Outcome.NOT_EXECUTED, result.finality, result.failure
                self.request_id = result.failure.request_id
            case Unknown():
                self.outcome, self.request_id = Outcome.UNKNOWN, result.request_id


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture lying at its key in object storage. `sha256` is of the bytes that lie there."""

    index: int
    format: PictureFormat
    width: int
    height: int
    bytes: int
    sha256: str
    has_alpha: bool
    marking: Marking = Marking.UNMARKED


class BrokenManifest(Exception):
    """It cannot be read. What lies beside it can."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Put after the last picture of an attempt: proof that the call was executed and that nothing more will be put."""

    pictures: tuple[StoredPicture, ...]
    request_id: str | None
    usage: Usage
    cost: int | None

    def write(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    def about(self, asset: Asset) -> Self:
        """Saying of one picture what its row says."""
        told = [
            replace(p, format=asset.format, bytes=asset.bytes, sha256=asset.sha256, marking=asset.marking)
            if p.index == asset.index
            else p
            for p in self.pictures
        ]
        return replace(self, pictures=tuple(told))

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Raises BrokenManifest, also for one that a later version wrote differently."""
        try:
            said = json.loads(content)
            pictures = tuple(_stored(p) for p in said["pictures"])
            return cls(pictures, said["request_id"], Usage(**said["usage"]), said["cost"])
        except (ValueError, KeyError, TypeError) as error:
            raise BrokenManifest from error


def _stored(said: Mapping[str, Any]) -> StoredPicture:
    """An earlier version's manifest says nothing of the marking."""
    marking = Marking(said.get("marking", Marking.UNMARKED))
    return StoredPicture(**{**said, "format": PictureFormat(said["format"]), "marking": marking})


@dataclass(frozen=True, slots=True)
class Found:
    """What lay at the keys of one attempt. `was_past`: nothing more could come when the look began. `echoes`: how many of the
    pictures there were none. `refusal`: what our own check says of them."""

    attempt: int
    pictures: tuple[StoredPicture, ...]
    manifest: Manifest | None
    was_past: bool
    echoes: int = 0
    refusal: Failure | None = None

    def without(self, echoes: Collection[int]) -> Self:
        pictures = tuple(picture for picture in self.pictures if picture.index not in echoes)
        return replace(self, pictures=pictures, echoes=len(self.pictures) - len(pictures))

    @property
    def only_echoes(self) -> bool:
        return bool(self.echoes and not self.pictures)

    @property
    def is_whole(self) -> bool:
        """All that the manifest promises lies there, and some of it is a picture."""
        return bool(self.manifest and self.pictures and len(self.pictures) + self.echoes == len(self.manifest.pictures))
