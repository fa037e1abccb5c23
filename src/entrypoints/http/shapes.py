"""The shapes of the wire: what is read and what is written, as structs that also make the OpenAPI document.

Names are those of API.md. Credits are integers, times are UTC, ids are UUIDs of version 7. What is read refuses fields it does
not know; the bounds written here are those every model shares, what one model can do is checked by the domain.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct, field

from domain.accounts import Mode
from domain.attempts import FailureClass, Stage
from domain.generations import GenerationState
from domain.ledger import LedgerAccount, LotSource
from domain.limits import LIMITS, MAX_INTEGER
from domain.media import MADE_FORMATS, PictureFormat
from domain.requests import LONGEST_LATENCY_MS, MODERATIONS, Background, Fault, Kind, Quality

_SMALL = 2**31 - 1

Time = Annotated[datetime, Meta(tz=True)]
"""The document calls it a date-time only if its zone is sure."""


def one_of(*words: str) -> dict[str, Any]:
    """Shown in the document; the refusal is the domain's, which says what this model allows."""
    return {"enum": list(words)}


class Sandbox(Struct, frozen=True, forbid_unknown_fields=True):
    """Test mode only: what the painter is to do wrong, and how long it is to take."""

    fault: Fault | None = None
    latency_ms: Annotated[int, Meta(ge=0, le=LONGEST_LATENCY_MS)] = 0


_Key = Annotated[str, Meta(min_length=1, max_length=LIMITS["metadata_key_characters"])]
_Value = Annotated[str, Meta(max_length=LIMITS["metadata_value_characters"])]
Labels = Annotated[dict[_Key, _Value], Meta(max_length=LIMITS["metadata_pairs"], description="the caller's own labels")]


class PictureBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A request for pictures. With `images` it is an edit; what is left out, null or "auto" is ours to choose."""

    prompt: Annotated[str, Meta(min_length=1, max_length=LIMITS["prompt_characters"], examples=["a red fox in snow"])]
    model: Annotated[str, Meta(description="an id of GET /v1/models", examples=["gpt-image-2"])] | None = None
    n: Annotated[int, Meta(ge=1, le=LIMITS["pictures"], description="how many pictures")] | None = None
    size: (
        Annotated[
            str,
            Meta(
                description="WIDTHxHEIGHT in pixels, or auto",
                examples=["1024x1024"],
                extra_json_schema={"pattern": r"^(auto|[0-9]{1,5}x[0-9]{1,5})$"},
            ),
        ]
        | None
    ) = None
    quality: Annotated[str, Meta(extra_json_schema=one_of("auto", *Quality))] | None = None
    complexity: str | None = None
    background: Annotated[str, Meta(extra_json_schema=one_of(*Background))] | None = None
    output_format: Annotated[str, Meta(extra_json_schema=one_of(*MADE_FORMATS))] | None = None
    output_compression: Annotated[int, Meta(ge=0, le=100)] | None = None
    moderation: Annotated[str, Meta(extra_json_schema=one_of(*MODERATIONS))] | None = None
    partial_images: Annotated[int, Meta(ge=0, le=_SMALL)] | None = None
    images: Annotated[
        tuple[UUID, ...],
        Meta(
            max_length=LIMITS["references"],
            description="references: assets, in order",
            extra_json_schema={"uniqueItems": True},
        ),
    ] = ()
    mask: Annotated[UUID, Meta(description="an asset; it applies to the first of images")] | None = None
    parent: Annotated[UUID, Meta(description="the generation this one was made from")] | None = None
    frame_count: Annotated[int, Meta(ge=1, le=_SMALL)] | None = None
    frame_duration_ms: Annotated[int, Meta(ge=1, le=_SMALL)] | None = None
    max_credits: Annotated[int, Meta(ge=0, le=MAX_INTEGER, description="refuse a higher price")] | None = None
    deadline: Annotated[Time, Meta(description="no call of the model starts after this")] | None = None
    metadata: Labels = {}
    sandbox: Sandbox | None = None


class RetryBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What may be different when the same is asked for again."""

    max_credits: Annotated[int, Meta(ge=0, le=MAX_INTEGER, description="refuse a higher price")] | None = None
    deadline: Annotated[Time, Meta(description="no call of the model starts after this")] | None = None


class RequestShape(Struct, frozen=True):
    """A request with nothing left open."""

    model: str
    prompt: str
    n: int
    size: str
    quality: Quality
    complexity: str | None
    background: Background
    output_format: PictureFormat
    output_compression: int | None
    moderation: str
    partial_images: int
    images: list[UUID]
    mask: UUID | None
    frame_count: int | None
    frame_duration_ms: int | None
    deadline: Time
    metadata: dict[str, str]
    sandbox: Sandbox | None


class Uncertain(Struct, frozen=True):
    """A call is out of which nothing is known: cancelling takes the refund; by `resolves_by` it is settled without."""

    since: Time
    resolves_by: Time


class ExpectedSeconds(Struct, frozen=True):
    """From now until it is finished: half of all take no longer, nine tenths take no longer."""

    p50: int
    p90: int


class Queue(Struct, frozen=True):
    """The place in the line: 1 is next, null is too far back to tell. `expected_seconds` by recent calls, null if too little is
    known."""

    position: int | None
    expected_seconds: ExpectedSeconds | None


class GenerationCredits(Struct, frozen=True):
    """What a generation costs: `held` while it is open, then `captured` for what was delivered, the rest `released`."""

    quoted: int
    held: int
    captured: int
    released: int


class Failure(Struct, frozen=True):
    """Why there is no picture. Failures cost nothing."""

    failure_class: FailureClass = field(name="class")
    stage: Stage
    code: str
    message: str
    charged: int
    request_id: str | None


class Picture(Struct, frozen=True):
    """A delivered picture. `url` and `thumbnail_url` are readable by whoever has them, until `url_expires_at`; ask again for
    fresh ones. The thumbnail comes some seconds after the picture. Both are null while the picture waits for the signature that
    says where it comes from."""

    id: UUID
    index: int
    content_type: str
    width: int
    height: int
    bytes: int
    sha256: str
    url: str | None
    thumbnail_url: str | None
    blurhash: str | None
    url_expires_at: Time


class Generation(Struct, frozen=True, kw_only=True):
    """One request for pictures, from the hold on its price to its end. In the trash since `trashed_at` it is erased after seven
    days."""

    id: UUID
    object: Literal["generation"] = "generation"
    mode: Mode
    kind: Kind
    state: GenerationState
    uncertain: Uncertain | None
    request: RequestShape | None
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    queue: Queue | None
    credits: GenerationCredits
    assets: list[Picture]
    failure: Failure | None
    parent: UUID | None
    favourite: bool
    trashed_at: Time | None
    metadata: dict[str, str]


class Generations(Struct, frozen=True):
    """A page of generations, newest first; `next` continues it."""

    data: list[Generation]
    next: str | None


class Quote(Struct, frozen=True):
    """A price: `unit` for each picture delivered. `breakdown` says what the credits are for and adds up to `credits`."""

    credits: int
    unit: int
    breakdown: dict[str, int]


class Lot(Struct, frozen=True):
    """Credits that came in together. Lower `priority` is used first, then what expires first."""

    id: UUID
    source: LotSource
    granted: int
    remaining: int
    held: int
    priority: int
    expires_at: Time | None


class Credits(Struct, frozen=True):
    """The wallet of this key's mode, now."""

    mode: Mode
    available: int
    held: int
    debt: int
    lots: list[Lot]


class PastCredits(Struct, frozen=True):
    """The wallet at a past instant; `provisional` while something begun before it may still be booked."""

    mode: Mode
    as_of: Time
    available: int
    held: int
    debt: int
    provisional: bool


class Transfer(Struct, frozen=True):
    """One line of the statement: credits left `debit` and arrived at `credit`, and how the wallet stood after it."""

    version: int
    created_at: Time
    kind: str
    debit: LedgerAccount
    credit: LedgerAccount
    amount: int
    lot: UUID
    generation: UUID | None
    available_after: int
    held_after: int
    debt_after: int


class Transfers(Struct, frozen=True):
    """A page of the statement, newest first; `next` continues it."""

    data: list[Transfer]
    next: str | None


class Health(Struct, frozen=True):
    """`up`; or `degraded`: the image model's provider refuses us, so live requests are taken but wait; or the answer is 503."""

    status: Literal["up", "degraded"]


class Problem(Struct, frozen=True):
    """RFC 9457. `type` is stable; members beside these tell what to act on, such as those named here."""

    type: str
    title: str
    status: int
    detail: str | None = None
    instance: str | None = None
    field: str | None = None
    limit: int | None = None
    allowed: list[str] | None = None
    reason: str | None = None
    required: int | None = None
    available: int | None = None
    retry_after: int | None = None
