"""One call of a model, and the three ways it can have ended as far as we know."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.media import PictureFormat


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
    """Why there is no picture. `code` and `message` are ours or the provider's, never the prompt."""

    failure_class: FailureClass
    stage: Stage
    code: str
    message: str
    request_id: str | None = None


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
    """One picture as the model returned it, untouched. `width` and `height` in pixels."""

    content: bytes
    format: PictureFormat
    width: int
    height: int
    has_alpha: bool


@dataclass(frozen=True, slots=True)
class Executed:
    """The provider did the work and will bill it. No picture at all is possible, and a failure.

    `cost` is in millionths of a US dollar."""

    pictures: tuple[Picture, ...]
    request_id: str | None
    usage: Usage
    cost: int


@dataclass(frozen=True, slots=True)
class NotExecuted:
    """The provider says, or the network proves, that nothing was made or billed."""

    failure: Failure
    finality: Finality
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """The line broke after the request was sent: it may have been made and billed."""

    code: str
    request_id: str | None = None


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
    """The record of one call, written before the socket opens. At most one attempt of a generation is `booked`."""

    number: int
    started_at: datetime
    act_until: datetime
    owner: int
    """The advisory lock held by the process that may make this call."""
    outcome: Outcome = Outcome.INTENDED
    finality: Finality | None = None
    failure: Failure | None = None
    booked: bool = False
    cost: int | None = None
    request_id: str | None = None
    written_by_caller: bool = False
    """Its own caller has said how it ended, so nothing more can come of it."""

    def is_past(self, now: datetime) -> bool:
        """Nothing can be put at its keys any more, as far as the rules allow."""
        return now >= self.act_until or self.written_by_caller
