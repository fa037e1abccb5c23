"""The catalogue, made products and prices at Stripe: whatever is so already stays, so that it can be said at any time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import stripe

from adapters.payments.stripe_answers import CATALOGUE_ID, Configuration, Listed, Named, Price, Product
from adapters.payments.stripe_line import once, pages, told
from domain.catalogue import Catalogue, Pack, Plan

_PAGE, _PORTAL = "page", "portal"
"""By this in its metadata our configuration of the portal is known."""
_TAX = "exclusive"
"""Prices are before tax."""


@dataclass(slots=True)
class Offer:
    """`done`: what has been changed, a line each.

    Only what is made for the first time has a key of its own. To set a field is done once however often it is said; with a key
    that is remembered, what was set, changed and is set again on one day would not be.
    """

    client: stripe.StripeClient
    automatic_tax: bool
    done: list[str] = field(default_factory=list)

    async def of(self, catalogue: Catalogue) -> Sequence[str]:
        sold = catalogue.for_sale
        known = await self._ours()
        for id, wanted in sold.items():
            await self._price(wanted, await self._product(wanted, known.get(id)))
        for id, product in known.items():
            if id not in sold and product.active:
                await self._archive(id, product)
        await self._portal()
        return self.done

    async def _ours(self) -> Mapping[str, Product]:
        """Products that we made, by the catalogue's id."""
        every = pages(self.client.v1.products.list_async, {}, Listed[Product])
        return {id: product async for product in every if (id := product.tag(CATALOGUE_ID))}

    async def _product(self, wanted: Plan | Pack, known: Product | None) -> str:
        if known is None:
            named: stripe.params.ProductCreateParams = {"name": wanted.name, "metadata": {CATALOGUE_ID: wanted.id}}
            made = await told(self.client.v1.products.create_async(named, once("product", wanted.id)), Named)
            self.done.append(f"{wanted.id}: product made")
            return made.id
        if known.name != wanted.name or not known.active:
            await told(self.client.v1.products.update_async(known.id, {"name": wanted.name, "active": True}), Named)
            self.done.append(f"{wanted.id}: product brought up to date")
        return known.id

    async def _price(self, wanted: Plan | Pack, product: str) -> None:
        """The price that bears the lookup key is asked from now on; the product's others are for those who bought by them."""
        prices = [price async for price in pages(self.client.v1.prices.list_async, {"product": product}, Listed[Price])]
        fitting = [price for price in prices if _fits(price, wanted)]
        current = min(fitting, key=lambda price: (price.lookup_key != wanted.id, not price.active, price.id), default=None)
        if current is None:
            current = await self._new_price(wanted, product)
            self.done.append(f"{wanted.id}: price of {wanted.price} {wanted.currency} made")
        elif current.lookup_key != wanted.id or not current.active:
            again: stripe.params.PriceUpdateParams = {"active": True, "lookup_key": wanted.id, "transfer_lookup_key": True}
            await told(self.client.v1.prices.update_async(current.id, again), Named)
            self.done.append(f"{wanted.id}: price of {wanted.price} {wanted.currency} taken up again")
        await self._retire(wanted.id, [price for price in prices if price.id != current.id])

    async def _new_price(self, wanted: Plan | Pack, product: str) -> Price:
        params: stripe.params.PriceCreateParams = {
            "product": product,
            "unit_amount": wanted.price,
            "currency": wanted.currency,
            "lookup_key": wanted.id,
            "transfer_lookup_key": True,
            "metadata": {CATALOGUE_ID: wanted.id},
            "tax_behavior": _TAX,
        }
        if isinstance(wanted, Plan):
            params["recurring"] = {"interval": "month"}
        key = once("price", product, wanted.price, wanted.currency, isinstance(wanted, Plan))
        return await told(self.client.v1.prices.create_async(params, key), Price)

    async def _retire(self, id: str, prices: Sequence[Price]) -> None:
        for price in prices:
            if price.active:
                await told(self.client.v1.prices.update_async(price.id, {"active": False}), Named)
                self.done.append(f"{id}: price of {price.unit_amount} {price.currency} retired")

    async def _archive(self, id: str, product: Product) -> None:
        every = pages(self.client.v1.prices.list_async, {"product": product.id, "active": True}, Listed[Price])
        await self._retire(id, [price async for price in every])
        await told(self.client.v1.products.update_async(product.id, {"active": False}), Named)
        self.done.append(f"{id}: product archived")

    async def _portal(self) -> None:
        features, known = self._features(), await portal_configuration(self.client)
        service = self.client.v1.billing_portal.configurations
        if known is None:
            await told(service.create_async({"features": features, "metadata": {_PAGE: _PORTAL}}, once("portal")), Named)
            self.done.append("portal: configuration made")
        elif any(
            known.features.get(name, {}).get(key) != value for name, each in features.items() for key, value in each.items()
        ):
            await told(service.update_async(known.id, {"features": features}), Named)
            self.done.append("portal: configuration brought up to date")

    def _features(self) -> Any:
        """Who pays tax has to say where. Nobody changes a plan there, or credits could be had by going up and down."""
        says_where = {"enabled": True, "allowed_updates": ["address", "tax_id"]}
        return {
            "customer_update": says_where if self.automatic_tax else {"enabled": False},
            "invoice_history": {"enabled": True},
            "payment_method_update": {"enabled": True},
            "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
            "subscription_update": {"enabled": False},
        }


async def portal_configuration(client: stripe.StripeClient) -> Configuration | None:
    """Ours; the oldest, should there be two."""
    every = pages(client.v1.billing_portal.configurations.list_async, {"active": True}, Listed[Configuration])
    ours = [each async for each in every if each.tag(_PAGE) == _PORTAL]
    return ours[-1] if ours else None


def _fits(price: Price, wanted: Plan | Pack) -> bool:
    every = (price.recurring.interval, price.recurring.interval_count) if price.recurring else None
    wanted_every = ("month", 1) if isinstance(wanted, Plan) else None
    known, asked = (price.unit_amount, price.currency), (wanted.price, wanted.currency)
    return (known, every, price.tax_behavior) == (asked, wanted_every, _TAX)
