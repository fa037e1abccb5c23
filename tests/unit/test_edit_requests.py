"""Edits of pictures that come with the request: kept only if the edit is, and nothing of them if it is not."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from application.edits import MayEdit, Picture, RequestEdit
from application.generations import CancelGeneration, RequestGeneration
from application.media import AdmitUpload, DeleteAsset
from application.ports import StorageUnavailable
from application.store import IdempotencyKey
from domain.accounts import Caller, Mode
from domain.errors import (
    AccountFrozen,
    AssetInUse,
    DomainError,
    IdempotencyMismatch,
    InsufficientCredits,
    LimitExceeded,
    MaskMismatch,
    NotFound,
    PriceAboveMaximum,
    TooManyBytes,
    TooManyOpen,
    UnknownModel,
    UnsupportedByModel,
    UnsupportedFormat,
)
from domain.generations import Generation, GenerationId
from domain.joining import Try
from domain.limits import LIMITS
from domain.media import Asset, AssetId, AssetKind, CleanPicture, PictureFormat, unsupported
from domain.objects import ObjectKey
from domain.requests import Asked, Kind
from tests.contract.harnesses import MemoryHarness
from tests.contract.store_contract import TIMING, customer, new_id
from tests.offer import CATALOGUE, TODAY
from tests.protocol import ScriptedIntake
from tests.scripted_storage import ScriptedStorage

ASKED = Asked(prompt="a boat", model="gpt-image-2")


class Intake(ScriptedIntake):
    """Pictures are as large as they say, and counted."""

    def __init__(self) -> None:
        self.cleaned = list[bytes]()
        self.pause: Callable[[], Awaitable[None]] | None = None

    async def clean(self, content: bytes, kind: AssetKind) -> CleanPicture:
        self.cleaned.append(content)
        if self.pause:
            await self.pause()
        if b"bad" in content:
            raise unsupported()
        width = 512 if b"narrow" in content else 1_024
        is_mask = kind is AssetKind.MASK
        return CleanPicture(content, PictureFormat.PNG, width, 1_024, hashlib.sha256(content).hexdigest(), is_mask, ())


@dataclass
class House:
    harness: MemoryHarness = field(default_factory=MemoryHarness)
    storage: ScriptedStorage = field(default_factory=ScriptedStorage)
    intake: Intake = field(default_factory=Intake)
    caller: Caller = field(init=False)

    async def open(self, credits: int = 1_000, mode: Mode = Mode.TEST) -> "House":
        self.caller = await customer(self.harness.store, credits, mode)
        return self

    @property
    def request(self) -> RequestGeneration:
        return RequestGeneration(self.harness.store, CATALOGUE, TIMING, new_id, lambda: TODAY, open_limit=3)

    @property
    def admit(self) -> AdmitUpload:
        return AdmitUpload(self.harness.store, self.storage, self.intake, new_id)

    async def tries(self, number: int, image: bytes, *, has_left: bool = False) -> tuple[GenerationId, Generation | None]:
        edit, left_by = RequestEdit(self.request, self.admit), lambda: timedelta(milliseconds=1) if has_left else None
        return await edit(self.caller, ASKED, [image], tried=Try("one client's", number), left_by=left_by)

    async def edit(
        self, images: list[Picture], mask: Picture | None = None, asked: Asked = ASKED, key: str | None = None, body: str = "body"
    ) -> tuple[GenerationId, Generation | None]:
        once = (self.key(key), body) if key else None
        return await RequestEdit(self.request, self.admit)(self.caller, asked, images, mask, idempotency=once)

    def key(self, key: str) -> IdempotencyKey:
        return IdempotencyKey(self.caller.account_id, self.caller.mode, "edits", key)

    @property
    def rows(self) -> list[Asset]:
        return [asset for asset in self.harness.store.tables.assets.values() if asset]

    @property
    def made(self) -> list[Generation]:
        return list(self.harness.store.tables.generations.values())


def run(play: Callable[[House], Awaitable[Any]], **opening: Any) -> None:
    async def played() -> None:
        await play(await House().open(**opening))

    asyncio.run(played())


def test_what_comes_along_is_kept_with_the_edit_in_its_order() -> None:
    async def play(house: House) -> None:
        stored, _ = await house.admit(house.caller, b"stored", AssetKind.REFERENCE)
        _, made = await house.edit([b"one", stored.id, b"two"], b"mask")
        assert made is not None
        assert made.request is not None
        assert made.kind is Kind.EDIT
        of = {asset.id: asset for asset in house.rows}
        assert [house.storage.objects[str(of[id].key)] for id in made.request.references] == [b"one", b"stored", b"two"]
        mask = of[AssetId(made.request.mask)] if made.request.mask else None
        assert mask is not None
        assert (mask.kind, house.storage.objects[str(mask.key)]) == (AssetKind.MASK, b"mask")
        assert {asset.mode for asset in house.rows} == {house.caller.mode}
        assert all(asset.created_at == made.created_at for asset in house.rows if asset.id != stored.id)
        for asset in house.rows:
            with pytest.raises(AssetInUse):
                await DeleteAsset(house.harness.store, house.storage)(house.caller, asset.id)

    run(play)


REFUSED: list[tuple[list[Picture], Picture | None, Asked, type[DomainError], str | None, int]] = [
    # what can be said without the pictures is said before any is taken in
    ([b"one"], None, Asked(prompt=""), DomainError, "prompt", 0),
    ([b"one"], None, Asked(prompt="a", model="gpt-image-9"), UnknownModel, None, 0),
    ([b"one"], None, Asked(prompt="a", quality="grand"), UnsupportedByModel, "quality", 0),
    ([b"one"], None, Asked(prompt="a", n=11, size="1024x1024"), LimitExceeded, "n", 0),
    ([b"one"] * 17, None, ASKED, LimitExceeded, "images", 0),
    ([], b"mask", ASKED, MaskMismatch, "mask", 0),
    # the rest after what it depends on
    ([b"one", b"two", b"bad"], None, ASKED, UnsupportedFormat, "image", 3),
    ([b"one", b"two"], b"bad", ASKED, UnsupportedFormat, "mask", 3),
    ([b"one", b"two"], bytes(LIMITS["mask_bytes"] + 1), ASKED, TooManyBytes, "mask", 2),
    ([b"one", b"two"], b"narrow", ASKED, MaskMismatch, "mask", 3),
    ([b"one", AssetId(new_id())], None, ASKED, NotFound, None, 1),
    ([b"one"], None, Asked(prompt="a", max_credits=1), PriceAboveMaximum, None, 1),
    ([b"one"], None, Asked(prompt="a", n=10, quality="high"), InsufficientCredits, None, 1),
]


@pytest.mark.parametrize(("images", "mask", "asked", "refusal", "field", "cleaned"), REFUSED, ids=range(len(REFUSED)))
def test_a_refused_edit_leaves_no_row_and_no_object(
    images: list[Picture], mask: Picture | None, asked: Asked, refusal: type[DomainError], field: str | None, cleaned: int
) -> None:
    async def play(house: House) -> None:
        with pytest.raises(refusal) as refused:
            await house.edit(images, mask, asked, key="k")
        if field:
            assert refused.value.facts["field"] == field
        assert (house.rows, house.storage.objects, house.made) == ([], {}, [])
        assert len(house.intake.cleaned) == cleaned
        _, made = await house.edit([b"one"], key="k")
        assert made is not None, "a refused request binds no key"

    run(play, credits=50)


def test_a_repeat_brings_in_nothing_and_answers_the_same() -> None:
    async def play(house: House) -> None:
        first, made = await house.edit([b"one", b"two"], key="k")
        objects, seen = dict(house.storage.objects), len(house.intake.cleaned)
        assert made is not None
        await CancelGeneration(house.harness.store)(house.caller, first)
        for asset in list(house.rows)[:1]:
            await DeleteAsset(house.harness.store, house.storage)(house.caller, asset.id)
        assert await house.edit([b"one", b"two"], key="k") == (first, None)
        with pytest.raises(IdempotencyMismatch):
            await house.edit([b"one", b"three"], key="k", body="other")
        assert len(house.intake.cleaned) == seen
        assert house.storage.objects.items() < objects.items()
        assert (len(house.rows), len(house.made)) == (1, 1)

    run(play)


def test_of_equal_edits_at_once_one_is_made_and_the_others_leave_nothing() -> None:
    async def play(house: House) -> None:
        arrived, all_there = 0, asyncio.Event()

        async def together() -> None:
            nonlocal arrived
            arrived += 1
            if arrived == 3:
                all_there.set()
            await all_there.wait()

        house.intake.pause = together
        made = await asyncio.gather(*(house.edit([b"one"], key="k") for _ in range(3)))
        assert len({id for id, _ in made}) == 1
        assert len([generation for _, generation in made if generation]) == 1
        assert len(house.made) == len(house.rows) == 1
        assert set(house.storage.objects) == {str(house.rows[0].key)}

    run(play)


@pytest.mark.parametrize("has_left", [True, False])
def test_a_first_try_whose_client_left_while_it_was_taken_in_does_not_buy_beside_the_retry(has_left: bool) -> None:
    async def play(house: House) -> None:
        reached, go_on = asyncio.Event(), asyncio.Event()

        async def stand_still() -> None:
            if house.intake.cleaned == [b"one"]:
                reached.set()
                await go_on.wait()

        house.intake.pause = stand_still
        first = asyncio.create_task(house.tries(0, b"one", has_left=has_left))
        await reached.wait()
        bought, made = await house.tries(1, b"one")
        assert made is not None
        go_on.set()
        id, also = await first
        if has_left:
            assert (id, also) == (bought, None)
            assert len(house.made) == len(house.rows) == len(house.storage.objects) == 1
        else:
            assert also is not None, "two who ask for the same on purpose"

    run(play)


def test_whoever_leaves_buys_all_the_same_where_the_other_was_there_before() -> None:
    async def play(house: House) -> None:
        await house.tries(1, b"one")
        house.harness.clock.now += timedelta(seconds=60)
        _, made = await house.tries(0, b"one", has_left=True)
        assert made is not None

    run(play)


def test_when_storage_goes_away_between_two_pictures_the_first_does_not_stay() -> None:
    class Tired(ScriptedStorage):
        async def put(self, key: ObjectKey, content: bytes, content_type: str) -> None:
            if content == b"three":
                raise StorageUnavailable
            await super().put(key, content, content_type)

    async def play(house: House) -> None:
        house.storage = Tired()
        with pytest.raises(StorageUnavailable):
            await house.edit([b"one", b"two", b"three"])
        assert (house.rows, house.storage.objects) == ([], {})

    run(play)


def test_one_who_hangs_up_half_way_leaves_nothing() -> None:
    async def play(house: House) -> None:
        reached = asyncio.Event()

        async def stand_still() -> None:
            if len(house.intake.cleaned) == 2:
                reached.set()
                await asyncio.sleep(60)

        house.intake.pause = stand_still
        task = asyncio.create_task(house.edit([b"one", b"two"]))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (house.rows, house.storage.objects) == ([], {})

    run(play)


def test_who_could_not_pay_one_credit_is_told_before_anything_is_read() -> None:
    async def play(house: House) -> None:
        ask = MayEdit(house.request)
        with pytest.raises(InsufficientCredits):
            await ask(house.caller, None)
        assert (house.made, house.intake.cleaned) == ([], [])

    run(play, credits=0)


def test_who_has_as_many_open_as_may_be_is_told_too_but_a_repeat_is_read() -> None:
    async def play(house: House) -> None:
        ask = MayEdit(house.request)
        for number in range(3):
            await ask(house.caller, None)
            await house.edit([b"one"], key=str(number))
        with pytest.raises(TooManyOpen):
            await ask(house.caller, house.key("new"))
        await ask(house.caller, house.key("0"))
        held = house.harness.store.tables.generations
        assert len(held) == 3

    run(play)


def test_a_frozen_account_is_told_first() -> None:
    async def play(house: House) -> None:
        frozen = replace(house.caller, frozen=True)
        with pytest.raises(AccountFrozen):
            await MayEdit(house.request)(frozen, None)
        with pytest.raises(AccountFrozen):
            await RequestEdit(house.request, house.admit)(frozen, ASKED, [b"one"])

    run(play)
