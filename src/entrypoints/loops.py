"""What a worker does again and again, beside what wakes it up: each act with its seconds, in one table."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

import structlog
from dishka import AsyncContainer

from application.archives import ForgetArchives, MakeArchives
from application.audit_chain import SignHeads
from application.hints import HandleHints
from application.housekeeping import ForgetAccess, KeepHouse, SweepObjects
from application.notices import SendNotices
from application.object_checks import SampleObjects
from application.payments import PaymentsUnavailable
from application.ports import Clock, StorageUnavailable
from application.rate_limits import ForgetRates
from application.reconciliation import PollPayments
from application.recording import RecordOutputs
from application.refunds import FinishRefunds
from application.renditions import ForgetRenditions
from application.search import IndexPrompts
from application.store import StoreUnavailable
from application.thumbnails import MakeThumbnails
from application.top_up import WatchCredits
from application.turns import InTurn
from application.webhook_deliveries import ForgetDeliveries, SendWebhooks
from entrypoints.metrics import OBJECTS_ORPHANED, OBJECTS_WRONG, count_hints, count_notices, count_top_ups, count_unexplained
from entrypoints.settings import Settings
from entrypoints.wiring_payments import Deliver, SandboxPayments

log = structlog.get_logger()
HEAD_LOOK_SECONDS = 60.0
"""How soon a day's end is noticed."""
COMPARED = timedelta(days=3)
"""How far back each poll compares purchases with the books; `gpt-image admin billing reconcile` goes as far as it is told."""

ASKED = 10
"""How many times a pace."""

Act = Callable[[], Awaitable[object]]


async def loops(parts: AsyncContainer, settings: Settings) -> Sequence[tuple[float, Act]]:
    """How many seconds pass from the end of an act to its next beginning, and the act."""
    often, seldom = settings.sweep_seconds, settings.object_sweep_seconds
    notices, hints, credits = await parts.get(SendNotices), await parts.get(HandleHints), await parts.get(WatchCredits)
    outputs = await parts.get(RecordOutputs)
    payments, clock = await parts.get(PollPayments), await parts.get(Clock)
    thumbnails, renditions = await parts.get(MakeThumbnails), await parts.get(ForgetRenditions)
    turns, archives, expired = await parts.get(InTurn), await parts.get(MakeArchives), await parts.get(ForgetArchives)
    words = await parts.get(IndexPrompts)
    sweep, sample = await parts.get(SweepObjects), await parts.get(SampleObjects)

    def in_turn(name: str, seconds: float, act: Act) -> tuple[float, Act]:
        return until_asked(often, seconds), lambda: turns(name, timedelta(seconds=seconds), act)

    table: list[tuple[float, Act]] = [
        (often, await parts.get(KeepHouse)),
        (often, lambda: _pack(archives)),
        (often, lambda: _sketch(thumbnails)),
        (seldom, lambda: _forget(expired)),
        (seldom, lambda: _throw_away(renditions)),
        (seldom, await parts.get(ForgetRates)),
        (seldom, await parts.get(ForgetAccess)),
        (min(settings.audit_head_seconds, HEAD_LOOK_SECONDS), await parts.get(SignHeads)),
        (often, lambda: _send(notices)),
        (often, await parts.get(SendWebhooks)),
        (seldom, await parts.get(ForgetDeliveries)),
        (often, lambda: follow(hints)),
        (often, await parts.get(FinishRefunds)),
        in_turn(SampleObjects.NAME, seldom, lambda: _sample(sample)),
        in_turn("orphans", seldom, lambda: _sweep(sweep)),
        in_turn("outputs", 5 * often, lambda: _record(outputs)),
        in_turn(IndexPrompts.NAME, 5 * often, lambda: _index(words)),
        in_turn("payments", settings.payments_poll_seconds, lambda: _poll(payments, clock)),
        in_turn("credits", settings.credit_watch_seconds, lambda: watch(credits)),
    ]
    if not settings.stripe_secret_key:
        sandbox, deliver = await parts.get(SandboxPayments), await parts.get(Deliver)
        table.append((often, lambda: _deliver(sandbox, deliver)))
    return table


def until_asked(often: float, pace: float) -> float:
    """Seconds after which a worker asks again whether it is its turn: soon enough to take over, no load where many do."""
    return min(max(often, pace / ASKED), pace)


async def every(seconds: float, act: Act) -> None:
    """Until it is cancelled, whatever an act comes to."""
    while True:
        try:
            done = await act()
            if isinstance(done, Mapping) and any(done.values()):
                log.info("kept_house", **done)
            elif isinstance(done, int) and done:
                log.info("swept_objects", swept=done)
        except (StoreUnavailable, StorageUnavailable, PaymentsUnavailable) as error:
            log.warning("sweep_failed", error=type(error).__name__)
        except Exception as error:
            log.error("sweep_failed", error=type(error).__name__)
        await asyncio.sleep(seconds)


async def _sweep(sweep: SweepObjects) -> int:
    swept = await sweep()
    OBJECTS_ORPHANED.set(swept)
    return swept


async def _sample(sample: SampleObjects) -> None:
    """What is wrong is for an operator, who finds the same by `gpt-image admin media verify`."""
    wrong, lately = await sample()
    OBJECTS_WRONG.set(lately)
    for each in wrong:
        log.error("object_wrong", error=each.fault.value, where=str(each.key))


async def _pack(make: MakeArchives) -> Mapping[str, int]:
    return {"archives_made": await make()}


async def _sketch(make: MakeThumbnails) -> Mapping[str, int]:
    return {"thumbnails_made": await make()}


async def _index(words: IndexPrompts) -> Mapping[str, int]:
    return {"prompts_indexed": await words()}


async def _record(outputs: RecordOutputs) -> Mapping[str, int]:
    """What can never be signed is never handed out either: each is told once, to an operator."""
    done = await outputs()
    if times := done["pictures_unsignable"]:
        log.error("pictures_unsignable", times=times)
    return done


async def _throw_away(forget: ForgetRenditions) -> Mapping[str, int]:
    return {"renditions_forgotten": await forget()}


async def _forget(forget: ForgetArchives) -> Mapping[str, int]:
    return {"archives_forgotten": await forget()}


async def _send(send_notices: SendNotices) -> Mapping[str, int]:
    ends = await send_notices()
    count_notices(ends)
    return ends


async def follow(hints: HandleHints) -> Mapping[str, int]:
    """How many hints were handled and put off; the operator is told of the rest."""
    ends = dict(await hints())
    followed = {outcome: ends.pop(outcome) for outcome in ("handled", "put_off")}
    count_hints(followed)
    for remark, times in ends.items():
        log.warning("payment_remark", remark=remark, times=times)
    return followed


async def watch(credits: WatchCredits) -> Mapping[str, int]:
    """How top-ups ended, and how many accounts were told; the operator, of what the provider refused."""
    ends = await credits()
    count_top_ups({outcome: ends[outcome] for outcome in ends if outcome not in ("told", "refused")})
    if ends["refused"]:
        log.error("top_ups_refused", times=ends["refused"])
    return ends


async def _deliver(sandbox: SandboxPayments, deliver: Deliver) -> None:
    await sandbox.deliver(deliver)


async def _poll(poll: PollPayments, clock: Clock) -> None:
    """What the books could not explain is for an operator, who finds the same by `gpt-image admin billing reconcile`."""
    found = await poll(clock() - COMPARED)
    if found.hints or found.healed:
        log.info("payments_healed", hints=found.hints, purchases=len(found.healed))
    count_unexplained(Counter(each.remark for each in found.unexplained))
    for each in found.unexplained:
        log.error("payment_unexplained", remark=each.remark.value, where=each.about)
