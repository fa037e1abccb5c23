"""The main job, end to end: ask for a picture, get it, and the books balance."""

from pathlib import Path

import pytest

from application.attempts import PerformGeneration
from application.generations import RequestGeneration
from application.ports import ObjectStorage
from application.queries import Queries, TransferFilter
from domain.generations import GenerationState
from domain.requests import Asked
from tests.world import world

pytestmark = pytest.mark.anyio


async def test_a_picture_is_asked_for_made_and_paid(database_url: str, tmp_path: Path) -> None:
    async with world(database_url, tmp_path, picture_workers=1) as service:
        caller = await service.caller(credits=100)
        request, queries = await service.parts.get(RequestGeneration), await service.parts.get(Queries)
        asked = Asked(prompt="a red fox in snow", size="64x64")
        generation_id, made = await request(caller, asked)
        assert made is not None
        assert (await queries.credits(caller.wallet_id)).held == made.price

        assert await (await service.parts.get(PerformGeneration))()

        done, assets = await queries.generation(generation_id, caller.account_id, caller.mode)
        assert done.state is GenerationState.SUCCEEDED
        assert len(assets) == 1
        storage = await service.parts.get(ObjectStorage)
        assert len(await storage.get(assets[0].key)) == assets[0].bytes
        credits = await queries.credits(caller.wallet_id)
        assert (credits.available, credits.held, credits.debt) == (100 - made.price, 0, 0)
        lines = await queries.transfers(caller.wallet_id, TransferFilter(generation=generation_id), None, 10)
        assert [(line.kind, line.credit) for line in lines] == [("capture", "consumed"), ("hold", "held")]
