"""What a request comes to be, and what it costs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from application.moderation import NO_PARTIALS, PartialModes
from application.ports import Today
from application.store import Store, Transaction
from domain.accounts import Caller
from domain.catalogue import Catalogue
from domain.media import Asset
from domain.prices import Quote, quote
from domain.requests import Asked, PictureRequest, normalise


@dataclass(frozen=True, slots=True)
class Priced:
    request: PictureRequest
    quote: Quote


async def price(
    catalogue: Catalogue,
    tx: Transaction,
    asked: Asked,
    caller: Caller,
    today: date,
    partials: PartialModes,
    brought: Sequence[Asset] = (),
) -> Priced:
    """The request with nothing left open, and its price. What it refers to stays until the transaction ends, or is `brought`
    along: then it has no row yet. Where partial pictures are not shown there are none in it, and nobody pays for them."""
    model = catalogue.model(asked.model, today) if asked.model else catalogue.default_model(today)
    named = [*asked.images, *([asked.mask] if asked.mask else [])]
    at_hand = {asset.id: asset for asset in brought}
    if stored := [asset for asset in named if asset not in at_hand]:
        at_hand |= {asset.id: asset for asset in await tx.assets.pin(stored, caller.account_id, caller.mode)}
    assets = [at_hand[asset] for asset in named]
    mask = assets.pop() if asked.mask else None
    request = normalise(asked, model, assets, mask, caller.mode)
    if caller.mode not in partials:
        request = replace(request, partial_images=0)
    return Priced(request, quote(request, model))


@dataclass(frozen=True, slots=True)
class QuoteRequest:
    """Say what a request would cost, and hold nothing."""

    store: Store
    catalogue: Catalogue
    today: Today
    partials: PartialModes = NO_PARTIALS

    async def __call__(self, caller: Caller, asked: Asked) -> Quote:
        async with self.store.transaction() as tx:
            return (await price(self.catalogue, tx, asked, caller, self.today(), self.partials)).quote
