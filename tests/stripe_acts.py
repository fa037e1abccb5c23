"""What happens at the pretended Stripe without a request of ours: time, customers at its pages, banks, people at the dashboard.

Each act is a function of the world and of ids, and answers the object it was about. `ACTS` has them by name.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from tests import stripe_checkout as checkout
from tests import stripe_invoices as invoices
from tests import stripe_money as money
from tests import stripe_subscription_calls as calls
from tests import stripe_subscriptions as subscriptions
from tests.stripe_shapes import Obj
from tests.stripe_world import World


def advance(world: World, seconds: int) -> int:
    """Move the clock; what falls due happens at its own time. Answers the new time."""
    target = world.now + seconds
    while True:
        waiting = [(at, act) for at, act in (*subscriptions.due(world), *_expiring(world)) if at <= target]
        if not waiting:
            world.now = target
            world.rest()
            return target
        at, act = min(waiting, key=lambda each: each[0])
        world.now = max(world.now, at)
        act()
        world.rest()


def _expiring(world: World) -> list[tuple[int, Callable[[], object]]]:
    open_ones = world.all("checkout.session", status="open")
    return [(one["expires_at"], partial(checkout.expire, world, {}, one["id"])) for one in open_ones]


def pay(world: World, session: str, card: str = "good", *, confirms: bool = True, code: str | None = None) -> Obj:
    """The customer pays at the hosted page; `code` is a promotion code typed in there."""
    return checkout.pay(world, world.get("checkout.session", session), card, confirms=confirms, code=code)


def leave(world: World, session: str) -> Obj:
    """The customer goes away: the session stays open until it expires."""
    return world.get("checkout.session", session)


def settle(world: World, intent: str, ok: bool = True) -> Obj:
    """The bank's answer to a debit."""
    one = world.get("payment_intent", intent)
    money.settle(world, one, ok)
    return _follow(world, one)


def authenticate(world: World, intent: str, ok: bool = True) -> Obj:
    """The customer confirms a payment that asked for it, from the link in an e-mail."""
    one = world.get("payment_intent", intent)
    money.authenticate(world, one, ok)
    return _follow(world, one)


def _follow(world: World, intent: Obj) -> Obj:
    invoice = invoices.invoice_of(world, intent)
    if invoice:
        invoices.follow(world, invoice)
        details = (invoice["parent"] or {}).get("subscription_details")
        if details:
            subscriptions.follow(world, world.objects[details["subscription"]], invoice)
    for one in world.all("checkout.session", status="complete", payment_status="unpaid"):
        if intent["id"] == one["payment_intent"] or (invoice and one["invoice"] == invoice["id"]):
            checkout.settled(world, one, intent["status"] == "succeeded")
    return intent


def new_card(world: World, customer: str, card: str = "good") -> Obj:
    """The customer gives another card in the portal; subscriptions are paid with it from now on."""
    method = money.add_card(world, customer, card)
    for one in world.all("subscription", customer=customer):
        if one["status"] not in subscriptions.ENDED and one["default_payment_method"]:
            world.change(one, default_payment_method=method["id"])
    return method


def pay_invoice(world: World, invoice: str) -> Obj:
    """The customer pays an open invoice at its hosted page, with the card on file."""
    one = world.get("invoice", invoice)
    owner = world.get("customer", one["customer"])
    invoices.collect(world, one, owner["invoice_settings"]["default_payment_method"], present=True)
    details = (one["parent"] or {}).get("subscription_details")
    if details:
        subscriptions.follow(world, world.objects[details["subscription"]], one)
    return one


def switch(world: World, subscription: str, price: str, prorations: str = "always_invoice") -> Obj:
    """Another plan, chosen in the portal."""
    one = world.get("subscription", subscription)
    item = one["items"]["data"][0]["id"]
    return calls.update(world, {"items": [{"id": item, "price": price}], "proration_behavior": prorations}, subscription)


def cancel(world: World, subscription: str, at_period_end: bool = True) -> Obj:
    """In the portal."""
    if at_period_end:
        return calls.update(world, {"cancel_at_period_end": True}, subscription)
    return calls.cancel(world, {}, subscription)


def resume(world: World, subscription: str) -> Obj:
    """The customer takes a cancellation at the period's end back."""
    return calls.update(world, {"cancel_at_period_end": False}, subscription)


def refund(world: World, charge: str, amount: int | None = None, status: str | None = None) -> Obj:
    """At the dashboard. `status`: pending or requires_action, where it is not done at once."""
    before = world.settings["refund"]
    world.settings["refund"] = status or before
    try:
        return money.create_refund(world, {"charge": charge} | ({} if amount is None else {"amount": amount}))
    finally:
        world.settings["refund"] = before


def end_refund(world: World, refund: str, status: str) -> Obj:
    one = world.get("refund", refund)
    money.end_refund(world, one, status)
    return one


def dispute(world: World, charge: str, amount: int | None = None, *, inquiry: bool = False, withdrawn: bool = True) -> Obj:
    """The customer's bank disputes a charge and, as a rule, takes the money at once."""
    one = money.open_dispute(world, world.get("charge", charge), amount, inquiry=inquiry)
    if withdrawn and not inquiry:
        money.withdraw(world, one)
    return one


def withdraw(world: World, dispute: str) -> Obj:
    one = world.get("dispute", dispute)
    money.withdraw(world, one)
    return one


def respond(world: World, dispute: str) -> Obj:
    one = world.get("dispute", dispute)
    money.respond(world, one)
    return one


def close_dispute(world: World, dispute: str, status: str) -> Obj:
    one = world.get("dispute", dispute)
    money.close_dispute(world, one, status)
    return one


def reinstate(world: World, dispute: str) -> Obj:
    one = world.get("dispute", dispute)
    money.reinstate(world, one)
    return one


def settings(world: World, **chosen: Any) -> Obj:
    """What the owner of the account chooses at the dashboard: after_retries, tax_percent, refund, rate."""
    assert chosen.keys() <= world.settings.keys()
    world.settings |= chosen
    return world.settings


ACTS: dict[str, Callable[..., Any]] = {
    act.__name__: act
    for act in (
        advance,
        authenticate,
        cancel,
        close_dispute,
        dispute,
        end_refund,
        leave,
        new_card,
        pay,
        pay_invoice,
        refund,
        reinstate,
        respond,
        resume,
        settings,
        settle,
        switch,
        withdraw,
    )
}
