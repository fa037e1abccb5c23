"""Prices at Stripe: which product of the catalogue each is a price of."""

from dataclasses import dataclass, field

import stripe

from adapters.payments.stripe_answers import Listed, Price
from adapters.payments.stripe_line import told
from application.payments import PaymentRefused


@dataclass(frozen=True, slots=True)
class Prices:
    client: stripe.StripeClient
    _known: dict[str, Price] = field(default_factory=dict)
    """Of something we sell: what a price is the price of never changes."""

    async def by_id(self, id: str) -> Price:
        if known := self._known.get(id):
            return known
        price = await told(self.client.v1.prices.retrieve_async(id), Price)
        if price.sold:
            self._known[id] = price
        return price

    async def offered(self, product: str) -> Price:
        """What the product costs now. Raises PaymentRefused if it is not sold there."""
        offered = await told(self.client.v1.prices.list_async({"lookup_keys": [product], "active": True}), Listed[Price])
        if not offered.data:
            raise PaymentRefused("not_offered", f"{product} is not on offer at Stripe")
        return offered.data[0]
