"""Asking for a picture: what is asked again is answered again, and what is refused leaves nothing."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import pytest
from dishka import Provider, Scope, provide

from application.generations import CancelGeneration, DeleteGeneration, QuoteRequest, RequestGeneration
from application.media import AdmitUpload, DeleteAsset
from application.moderation import NO_PARTIALS
from application.ports import Today
from application.queries import Queries
from application.store import IdempotencyKey
from domain.accounts import Caller, Mode
from domain.errors import AssetInUse, DomainError, Gone, IdempotencyMismatch, LimitExceeded, NotFound, RetiredModel
from domain.generations import GenerationId
from domain.media import AssetId, AssetKind
from domain.requests import Asked
from tests.kill_matrix import a_png
from tests.world import World, world

pytestmark = pytest.mark.anyio
SMALL = Asked(prompt="a boat", size="64x64")


class Calendar(Provider):
    scope = Scope.APP

    def __init__(self) -> None:
        super().__init__()
        self.day = date(2026, 11, 22)

    @provide(override=True)
    def today(self) -> Today:
        return lambda: self.day


def key_of(caller: Caller, key: str) -> IdempotencyKey:
    return IdempotencyKey(caller.account_id, caller.mode, "POST /v1/generations", key)


async def held(service: World, caller: Caller) -> int:
    queries: Queries = await service.parts.get(Queries)
    return (await queries.credits(caller.wallet_id)).held


async def test_the_same_key_and_body_is_one_generation(database_url: str, tmp_path: Path) -> None:
    async with world(database_url, tmp_path, picture_workers=1) as service:
        caller, ask = await service.caller(credits=100), await service.parts.get(RequestGeneration)
        first, made = await ask(caller, SMALL, idempotency=(key_of(caller, "k"), "body"))
        again, remade = await ask(caller, SMALL, idempotency=(key_of(caller, "k"), "body"))
        assert made is not None
        assert (again, remade) == (first, None)
        assert await held(service, caller) == made.price
        with pytest.raises(IdempotencyMismatch):
            await ask(caller, SMALL, idempotency=(key_of(caller, "k"), "another body"))


async def test_a_repeat_is_answered_though_its_reference_is_gone_and_its_model_retired(database_url: str, tmp_path: Path) -> None:
    calendar = Calendar()
    async with world(database_url, tmp_path, calendar, picture_workers=1) as service:
        caller, ask = await service.caller(credits=100), await service.parts.get(RequestGeneration)
        reference, _ = await (await service.parts.get(AdmitUpload))(caller, a_png(), AssetKind.REFERENCE)
        asked = Asked(prompt="a boat", model="gpt-image-1.5", images=(reference.id,))
        first, _ = await ask(caller, asked, idempotency=(key_of(caller, "k"), "body"))
        with pytest.raises(AssetInUse):
            await (await service.parts.get(DeleteAsset))(caller, reference.id)
        await (await service.parts.get(CancelGeneration))(caller, first)
        await (await service.parts.get(DeleteAsset))(caller, reference.id)
        calendar.day = date(2026, 12, 1)
        assert await ask(caller, asked, idempotency=(key_of(caller, "k"), "body")) == (first, None)
        with pytest.raises(RetiredModel):
            await ask(caller, Asked(prompt="a boat", model="gpt-image-1.5"))


@pytest.mark.parametrize(
    ("asked", "more"),
    [
        (Asked(prompt=""), {}),
        (Asked(prompt="a boat", model="dall-e-3"), {}),
        (Asked(prompt="a boat", images=(AssetId(UUID(int=1)),)), {}),
        (Asked(prompt="a boat", max_credits=1), {}),
        (Asked(prompt="4242 4242 4242 4242"), {}),
        (Asked(prompt="a boat", n=10, quality="high"), {}),
        (SMALL, {"parent": GenerationId(UUID(int=1))}),
        (SMALL, {"deadline": datetime(2020, 1, 1, tzinfo=UTC)}),
    ],
)
async def test_a_refusal_costs_nothing_and_leaves_nothing(
    database_url: str, tmp_path: Path, asked: Asked, more: dict[str, object]
) -> None:
    async with world(database_url, tmp_path, picture_workers=1) as service:
        caller, ask = await service.caller(credits=20), await service.parts.get(RequestGeneration)
        with pytest.raises(DomainError):
            await ask(caller, asked, idempotency=(key_of(caller, "k"), "body"), **more)  # type: ignore[arg-type]  # by name
        assert await held(service, caller) == 0
        fresh, made = await ask(caller, SMALL, idempotency=(key_of(caller, "k"), "body"))
        assert made is not None, "a refused request binds no key"
        assert fresh == made.id


async def test_another_accounts_picture_and_generation_look_like_missing_ones(database_url: str, tmp_path: Path) -> None:
    async with world(database_url, tmp_path, picture_workers=1) as service:
        mine, theirs = await service.caller(credits=50), await service.caller(credits=50)
        other_mode = Caller(mine.account_id, mine.key_id, Mode.LIVE, mine.scopes, mine.plan, mine.wallet_id)
        ask = await service.parts.get(RequestGeneration)
        picture, _ = await (await service.parts.get(AdmitUpload))(mine, a_png(), AssetKind.REFERENCE)
        generation, _ = await ask(mine, SMALL)
        for stranger in (theirs, other_mode):
            with pytest.raises(NotFound):
                await ask(stranger, Asked(prompt="a boat", images=(picture.id,)))
            with pytest.raises(NotFound):
                await ask(stranger, Asked(prompt="a boat"), parent=generation)
            with pytest.raises(NotFound):
                await (await service.parts.get(CancelGeneration))(stranger, generation)
            with pytest.raises(NotFound):
                await (await service.parts.get(DeleteAsset))(stranger, picture.id)


async def test_a_quote_is_the_price_and_holds_nothing(database_url: str, tmp_path: Path) -> None:
    async with world(database_url, tmp_path, picture_workers=1) as service:
        caller = await service.caller(credits=50)
        quote = await (await service.parts.get(QuoteRequest))(caller, Asked(prompt="a boat", n=2))
        assert await held(service, caller) == 0
        _, made = await (await service.parts.get(RequestGeneration))(caller, Asked(prompt="a boat", n=2))
        assert made is not None
        assert (made.price, made.unit) == (quote.credits, quote.unit)


async def test_a_deleted_generation_leaves_a_skeleton_without_words(database_url: str, tmp_path: Path) -> None:
    async with world(database_url, tmp_path, picture_workers=1) as service:
        caller = await service.caller(credits=50)
        generation, _ = await (await service.parts.get(RequestGeneration))(caller, SMALL)
        delete = await service.parts.get(DeleteGeneration)
        await (await service.parts.get(CancelGeneration))(caller, generation)
        await delete(caller, generation, purge=True)
        with pytest.raises(Gone):
            await (await service.parts.get(Queries)).generation(generation, caller.account_id, caller.mode)
        with pytest.raises(NotFound):
            await delete(caller, generation, purge=True)


async def test_nobody_pays_for_partial_pictures_that_nobody_is_shown(database_url: str, tmp_path: Path) -> None:
    watched = replace(SMALL, partial_images=3)
    async with world(database_url, tmp_path, picture_workers=1) as service:
        caller, ask = await service.caller(credits=100), await service.parts.get(RequestGeneration)
        quote: QuoteRequest = await service.parts.get(QuoteRequest)
        plain, shown = await quote(caller, SMALL), await quote(caller, watched)
        assert dict(shown.breakdown)["partial_images"] == shown.unit - plain.unit > 0
        _, made = await ask(caller, watched)
        assert made
        assert made.request
        assert (made.request.partial_images, made.unit) == (3, shown.unit)
        quote, ask = replace(quote, partials=NO_PARTIALS), replace(ask, partials=NO_PARTIALS)
        assert await quote(caller, watched) == plain
        _, made = await ask(caller, watched)
        assert made
        assert made.request
        assert (made.request.partial_images, made.unit) == (0, plain.unit)
        with pytest.raises(LimitExceeded):
            await ask(caller, replace(SMALL, partial_images=4))
