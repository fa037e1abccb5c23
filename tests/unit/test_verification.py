"""Anybody may ask where a picture comes from, and keeps nobody waiting who brings one in."""

import asyncio

import pytest

from application.provenance import Match, ProvenanceQueries
from application.verification import VerifyPicture
from domain.media import AssetKind, CleanPicture, PictureFormat
from tests.protocol import ScriptedIntake
from tests.scripted_provenance import ScriptedProvenance

pytestmark = pytest.mark.anyio


class Busy(ScriptedIntake):
    """Notes how many it has in hand at once."""

    def __init__(self) -> None:
        self.in_hand, self.most, self.seen = 0, 0, 0

    async def clean(self, content: bytes, kind: AssetKind) -> CleanPicture:
        self.in_hand += 1
        self.most, self.seen = max(self.most, self.in_hand), self.seen + 1
        await asyncio.sleep(0)
        self.in_hand -= 1
        return CleanPicture(content, PictureFormat.PNG, 8, 8, "", has_alpha=False, changed=())


class Nothing(ProvenanceQueries):
    """Knows no picture."""

    async def matches(self, sha256: str, pdq: str | None, most_distance: int, limit: int) -> list[Match]:
        return []


async def test_strangers_hold_one_picture_worker_at_most() -> None:
    intake = Busy()
    verify = VerifyPicture(ScriptedProvenance(), intake, Nothing())  # type: ignore[abstract]  # the rest is not asked for
    await asyncio.gather(*(verify(b"\x89PNG\r\n\x1a\n") for _ in range(8)))
    assert (intake.seen, intake.most) == (8, 1)
