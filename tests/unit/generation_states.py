"""A generation in each condition the rules tell apart, made by the domain's own verbs from a fixed instant."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from domain.accounts import AccountId, KeyId, Mode
from domain.attempts import CallResult, Executed, Failure, FailureClass, Finality, NotExecuted, Picture, Stage, Timing, Usage
from domain.generations import Generation, GenerationId, GenerationState, Lease
from domain.ledger import WalletId
from domain.media import PictureFormat
from domain.requests import Kind, PictureRequest, Quality, Size

START = datetime(2030, 1, 1, tzinfo=UTC)
TIMING = Timing(
    act=timedelta(seconds=100),
    lease=timedelta(seconds=30),
    settle_margin=timedelta(seconds=20),
    longest_queue=timedelta(hours=1),
    back_off=timedelta(seconds=5),
    attempts=4,
)
MINE, OTHER = Lease(UUID(int=1)), Lease(UUID(int=2))
OWNER = 7
PARKED = timedelta(seconds=50)
REQUEST = PictureRequest("gpt-image-2", "a lighthouse", 2, Size(1024, 1024), Quality.LOW, PictureFormat.PNG)


def asked(n: int = 2) -> Generation:
    """Queued at START, 3 credits a picture."""
    deadline = START + TIMING.longest_queue
    return Generation(
        id=GenerationId(UUID(int=10)),
        account_id=AccountId(UUID(int=11)),
        wallet_id=WalletId(UUID(int=12)),
        key_id=KeyId(UUID(int=13)),
        mode=Mode.LIVE,
        kind=Kind.GENERATE,
        model="gpt-image-2",
        request=replace(REQUEST, n=n),
        n=n,
        unit=3,
        priority=10,
        created_at=START,
        deadline=deadline,
        hold_expires_at=TIMING.hold_expiry(deadline),
    )


def leased() -> Generation:
    """Claimed at START under MINE: its lease lives for 30 s, its attempt for 100 s."""
    generation = asked()
    assert generation.claim(MINE, OWNER, START, TIMING)
    return generation


def parked() -> Generation:
    """Until 50 s after START."""
    generation = leased()
    generation.park(MINE, START + PARKED)
    return generation


def delivered() -> Generation:
    generation = leased()
    generation.settle(MINE, 1, executed(2), 2, START, TIMING)
    return generation


def ended() -> list[Generation]:
    """One of each end."""
    refused, failed, cancelled = leased(), leased(), asked()
    refused.settle(MINE, 1, not_executed(Finality.REFUSED), 0, START, TIMING)
    failed.settle(MINE, 1, not_executed(Finality.FINAL), 0, START, TIMING)
    cancelled.cancel(START)
    return [delivered(), refused, failed, cancelled]


OPEN: dict[str, Callable[[], Generation]] = {"queued": asked, "leased": leased, "parked": parked}


def executed(n: int, cost: int = 40_000) -> Executed:
    made = tuple(Picture(b"%d" % index, PictureFormat.PNG, 8, 8, has_alpha=False) for index in range(n))
    return Executed(made, "req_1", Usage(1, 2), cost)


def not_executed(finality: Finality, wait: float | None = None) -> CallResult:
    said = {
        Finality.REFUSED: Failure(FailureClass.MODERATION, Stage.INPUT, "safety", "Refused"),
        Finality.FINAL: Failure(FailureClass.CAPABILITY, Stage.CALL, "bad", "Bad parameter"),
        Finality.RETRYABLE: Failure(FailureClass.PROVIDER, Stage.CALL, "busy", "Busy", "req_3"),
    }
    return NotExecuted(said[finality], finality, wait)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def failed_with(generation: Generation, failure_class: FailureClass, code: str) -> None:
    assert generation.state is GenerationState.FAILED
    assert generation.failure
    assert (generation.failure.failure_class, generation.failure.code) == (failure_class, code)
    assert (generation.lease, generation.lease_until, generation.resume_at, generation.delivered) == (None, None, None, 0)
