"""Edits of pictures that come with the request: taken in as uploads are, and kept only if the edit is.

What can be said without the pictures is said before any is taken in, and who could not pay a single credit is told so before
anything is read: pictures are dear to read and to clean.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from application.generations import RequestGeneration, Wanted, repeated
from application.media import NOT_YET, AdmitUpload
from application.removal import delete_bytes
from application.store import IdempotencyKey, Transaction
from application.undelivered import LeftBy, by_nobody, earlier_try
from domain.accounts import Caller
from domain.catalogue import Catalogue
from domain.commands import About, PlaceHold, command_id
from domain.errors import DomainError
from domain.generations import Generation, GenerationId
from domain.joining import Try
from domain.ledger import HoldId
from domain.media import Asset, AssetId, AssetKind, PictureFormat
from domain.requests import AUTO, Asked, normalise

Picture = bytes | AssetId
"""A file that came with the request, or what the account has stored already."""
Made = tuple[GenerationId, Generation | None]


@dataclass(frozen=True, slots=True)
class MayEdit:
    """Whether this caller could hold one credit just now: asked before much is read. A repeat may always be read."""

    request: RequestGeneration

    async def __call__(self, caller: Caller, once: IdempotencyKey | None) -> None:
        """Raises what asking for the cheapest picture there could be would raise."""
        caller.may_spend()
        request, (about, hold) = self.request, _about(self.request)
        async with request.store.transaction() as tx:
            opened = await tx.wallets.open(caller.wallet_id, about, once)
            if opened.remembered:
                return
            await request.check_brake(tx, caller, opened)
            open_limit = request.open_limit or request.catalogue.plan(caller.plan).open_generations
            latest = opened.now + request.timing.longest_queue
            least = PlaceHold(id=about.command, hold_id=hold, amount=1, expires_at=latest, open_limit=open_limit)
            opened.wallet.apply(least, opened.now)  # and nothing of it is saved


@dataclass(frozen=True, slots=True)
class RequestEdit:
    """Ask for an edit: bring in what came along, then hold, record and wake as for any generation.

    The pictures get their rows in the transaction that makes the generation. A refused request leaves neither row nor object, and
    of a repeat nothing is brought in at all; what a death or an outage leaves, the object sweep finds.
    """

    request: RequestGeneration
    admit: AdmitUpload

    async def __call__(
        self,
        caller: Caller,
        asked: Asked,
        images: Sequence[Picture],
        mask: Picture | None = None,
        *,
        idempotency: tuple[IdempotencyKey, str] | None = None,
        tried: Try | None = None,
        left_by: LeftBy = by_nobody,
    ) -> Made:
        """`asked` names no pictures: they are `images`, in order, and the `mask` of the first. Answers, and raises, as
        RequestGeneration and AdmitUpload do; what is wrong with a file has `image` or `mask` for its field. To take
        pictures in takes long enough for a later try to be first."""
        caller.may_spend()
        if seen := await self._seen(caller, idempotency, tried):
            return seen, None
        _check_words(self.request.catalogue, caller, asked, images, mask, self.request.today())
        brought = list[Asset]()
        try:
            named = [await self._named(caller, picture, AssetKind.REFERENCE, brought) for picture in images]
            over = None if mask is None else await self._named(caller, mask, AssetKind.MASK, brought)
        except BaseException:
            await self._undo(brought)
            raise
        whole = replace(asked, images=tuple(named), mask=over)

        async def wanted(tx: Transaction) -> Wanted:
            return whole, None

        try:
            made = await self.request.make(caller, wanted, None, idempotency, brought, tried, left_by)
        except DomainError:  # after anything else the rows may be there
            await self._undo(brought)
            raise
        if made[1] is None:
            await self._undo(brought)
        return made

    async def _seen(
        self, caller: Caller, idempotency: tuple[IdempotencyKey, str] | None, tried: Try | None
    ) -> GenerationId | None:
        """What was asked for before, by this key or by an earlier try of this client's."""
        key, fingerprint = idempotency or (None, "")
        if not key and not (tried and tried.number):
            return None
        async with self.request.store.transaction() as tx:
            opened = await tx.wallets.open(caller.wallet_id, _about(self.request)[0], key)
            if opened.remembered:
                return repeated(opened.remembered, fingerprint)
            return await earlier_try(tx.undelivered, tried, opened.now) if tried else None

    async def _named(self, caller: Caller, picture: Picture, kind: AssetKind, brought: list[Asset]) -> AssetId:
        if isinstance(picture, UUID):
            return AssetId(picture)
        try:
            asset, _ = await self.admit.put(caller, picture, kind)
        except DomainError as error:
            if error.facts.get("field") == "file":
                error.facts["field"] = "mask" if kind is AssetKind.MASK else "image"
            raise
        brought.append(asset)
        return asset.id

    async def _undo(self, brought: Sequence[Asset]) -> None:
        await delete_bytes(self.admit.storage, *(asset.key for asset in brought))


def _about(request: RequestGeneration) -> tuple[About, HoldId]:
    """A hold that is never placed."""
    hold = HoldId(request.new_id())
    return About(command_id("hold", hold), hold=hold), hold


def _check_words(
    catalogue: Catalogue, caller: Caller, asked: Asked, images: Sequence[Picture], mask: Picture | None, today: date
) -> None:
    """All that can be refused before the pictures are known: they are taken for any that would do. What depends on their size
    waits for them."""
    model = catalogue.model(asked.model, today) if asked.model else catalogue.default_model(today)
    references = [_any(caller, AssetKind.REFERENCE, number) for number in range(len(images))]
    over = _any(caller, AssetKind.MASK, len(images)) if mask is not None else None
    n = 1 if asked.size in (None, AUTO) else asked.n
    named = replace(asked, images=tuple(asset.id for asset in references), mask=over.id if over else None, n=n)
    normalise(named, model, references, over, caller.mode)


def _any(caller: Caller, kind: AssetKind, number: int) -> Asset:
    id, side = AssetId(UUID(int=number)), 1_024
    return Asset(id, caller.account_id, caller.mode, kind, PictureFormat.PNG, side, side, 1, "", kind is AssetKind.MASK, NOT_YET)
