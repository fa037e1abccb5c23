"""A fixed handful of the random timelines, so that every change is tried on all kinds of them: see `soak_timelines` for more."""

import pytest

from domain.attempts import Outcome
from tests.soak_timelines import play
from tests.timeline_audit import TimelineAudit
from tests.timeline_stage import Stage

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("seed", range(1, 5))
async def test_whatever_fails_and_whoever_dies_all_promises_hold_and_everything_ends(seed: int) -> None:
    for number in range(25):
        await play(seed, number)


async def test_the_same_seed_plays_the_same_timeline() -> None:
    assert await play(5, 3) == await play(5, 3)


async def test_the_timelines_go_where_it_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Second calls, lost bytes, refunds while uncertain, leases lost and pictures saved by others: each is met."""
    met: set[str] = set()
    end = TimelineAudit.end

    def look(audit: TimelineAudit) -> None:
        end(audit)
        met.update(_met(audit.stage, audit))

    monkeypatch.setattr(TimelineAudit, "end", look)
    wanted = {"second call", "saved by another", "part delivered", "unknown for good", "cancelled while out", "expired", "purged"}
    for number in range(100):
        await play(7, number)
        if met >= wanted:
            break
    assert met >= wanted, f"never met: {sorted(wanted - met)}"


def _met(stage: Stage, audit: TimelineAudit) -> set[str]:
    met = set()
    for generation in audit.seen.values():
        booked = [attempt for attempt in generation.attempts if attempt.booked]
        failure = generation.failure.code if generation.failure else ""
        signs = {
            "second call": stage.world.model.count(generation.id) == 2,
            "saved by another": bool(booked and not booked[0].written_by_caller),
            "part delivered": 0 < generation.delivered < generation.n,
            "unknown for good": failure == "unknown_outcome",
            "cancelled while out": failure == "refunded" and any(a.outcome is Outcome.UNKNOWN for a in generation.attempts),
            "expired": failure in ("hold_expired", "deadline"),
            "purged": generation.request is None,
        }
        met |= {sign for sign, seen in signs.items() if seen}
    return met
