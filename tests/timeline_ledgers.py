"""What our books must hold when each timeline of the pretended Stripe is over, reckoned by hand from the prices below.

It is the oracle: nothing here is computed from what our code does. docs/billing-timelines.md tells the same in words.
"""

from dataclasses import dataclass

from domain.catalogue import Catalogue
from tests.offer import MODELS

PLANS = """
currency = "usd"
default_plan = "free"

[plans.free]
name = "Free"
price = 0
credits = 0
trial_credits = 0
trial_days = 0
priority = 20
open_generations = 10

[plans.starter]
name = "Starter"
price = 900
credits = 750
trial_credits = 0
trial_days = 0
priority = 10
open_generations = 200

[plans.starter_year]
name = "Starter, by the year"
price = 9_000
credits = 8_000
trial_credits = 0
trial_days = 0
priority = 9
open_generations = 200

[plans.pro]
name = "Pro"
price = 2_900
credits = 2_600
trial_credits = 0
trial_days = 0
priority = 5
open_generations = 200

[packs.pack]
name = "A pack"
price = 1_000
credits = 800

[packs.big_pack]
name = "A big pack"
price = 5_000
credits = 4_500
"""
CATALOGUE = Catalogue.parse(MODELS, PLANS)
"""What the timelines sell."""


@dataclass(frozen=True, slots=True)
class Comes:
    """`plan`: of the account at the timeline's end; `lots`: granted credits, and how many of them go back, one pair each."""

    plan: str
    lots: tuple[tuple[int, int], ...]

    @property
    def words(self) -> str:
        said = [f"{granted:,}" + (f" \u2212 {back:,}" if back else "") for granted, back in self.lots]
        return f"{len(said)} \u00d7 {said[0]}" if len(said) > 3 else ", ".join(said) or "none"


def comes(plan: str, *lots: int | tuple[int, int]) -> Comes:
    return Comes(plan, tuple(sorted(lot if isinstance(lot, tuple) else (lot, 0) for lot in lots)))


LEDGERS = {
    "pack bought": comes("free", 800),
    "three packs in one line": comes("free", 2_400),
    "two kinds of pack in one session": comes("free", 800, 4_500),
    "two packs one after the other": comes("free", 800, 800),
    "session complete before its webhook": comes("free", 800),
    "session left and expired": comes("free"),
    "card declined then another at the page": comes("free", 800),
    "confirmed at the page": comes("free", 800),
    "not confirmed at the page": comes("free"),
    "bank debit succeeds days later": comes("free", 800),
    "bank debit fails days later": comes("free"),
    "pack with half off": comes("free", 800),  # a discount does not lessen credits
    "pack for nothing": comes("free", 800),
    "pack with an invoice as receipt": comes("free", 800),
    "pack with tax half refunded": comes("free", (800, 400)),
    "pack refunded": comes("free", (800, 800)),
    "pack refunded thrice by a third": comes("free", (800, 800)),
    "refund pending": comes("free", (800, 320)),
    "refund pending then failed": comes("free", 800),
    "refund succeeded then failed beside another": comes("free", (800, 240)),
    "refund canceled": comes("free", 800),
    "dispute opened funds still ours": comes("free", 800),
    "inquiry answered and closed": comes("free", 800),
    "inquiry becomes a dispute": comes("free", (800, 800)),
    "dispute withdrawn": comes("free", (800, 800)),
    "dispute won": comes("free", 800),
    "dispute won funds not back yet": comes("free", (800, 800)),
    "dispute lost": comes("free", (800, 800)),
    "refund during an inquiry": comes("free", (800, 800)),
    "half refunded then all of it disputed": comes("free", (800, 800)),
    "half refunded then disputed and won": comes("free", (800, 400)),
    "part refunded and part disputed": comes("free", (800, 560)),
    "top up by invoice": comes("free", 800),
    "top up declined": comes("free"),
    "first subscription": comes("starter", 750),
    "renewal": comes("starter", 750, 750),
    "a year of renewals": comes("starter", *[750] * 13),
    "renewal declined then paid with another card": comes("starter", 750, 750),
    "renewal declined until it is cancelled": comes("free", 750),
    "unpaid then paid": comes("starter", 750, 750),
    "renewal asks for a confirmation and gets it": comes("starter", 750, 750),
    "renewal asks for a confirmation in vain": comes("starter", 750),  # a week of grace
    "card replaced before the renewal": comes("starter", 750, 750),
    # 1,000 came in for what 2,900 buys: 2,600 x 1,000 / 2,900 = 896.6
    "upgrade in the middle billed at once": comes("pro", 750, 896, 2_600),
    "upgrade in the middle billed at the renewal": comes("pro", 750, 896, 2_600),
    "upgrade declined": comes("starter", 750),  # whose period is paid
    "downgrade at the period end": comes("starter", 2_600, 750),
    "downgrade at once for credit": comes("starter", 2_600),  # the credit paid the renewal
    "upgrade and back in one period": comes("pro", 750, 896),  # of which the period is paid
    "monthly to yearly": comes("starter_year", 750, 7_600),  # 8,550 of 9,000 came in: 8,000 x 8,550 / 9,000
    "cancelled at the period end": comes("free", 750),
    "cancelled at the period end and resumed": comes("starter", 750, 750),
    "cancelled now with a refund": comes("free", (750, 375)),
    "cancelled now for credit": comes("free", 750),
    "subscribed again after the end": comes("starter", 750, 750),
    "trial then paid": comes("starter", 750),
    "trial cancelled in time": comes("free"),
    "trial without a card pauses then resumes": comes("starter", 750),
    "first month for nothing": comes("starter", 750, 750),
    "three off for ever": comes("starter", 750, 750),
    "two subscriptions at once": comes("pro", 750, 2_600),
    "subscription with a pack in its session": comes("starter", 750, 750, 800),
    "subscription by debit succeeds": comes("starter", 750),
    "subscription by debit fails": comes("starter"),  # a week of grace
    "renewal voided": comes("starter", 750),  # a week of grace
    "renewal paid out of band": comes("starter", 750, 750),
    "renewal uncollectible then paid": comes("starter", 750, 750),
    "renewal disputed and lost": comes("starter", 750, (750, 750)),
    "collection paused": comes("free", 750),
    "never paid and expired": comes("free"),
    "incomplete then paid": comes("starter", 750),
}
"""By the timeline's name."""
