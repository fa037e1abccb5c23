"""Subscriptions of the pretended Stripe: how they begin, renew, fail to be paid, change and end.

A period is counted from the anchor, so that the 31st comes back after a short month. What falls due while the clock moves is told
by `due`; each is done at its own time.
"""

from calendar import monthrange
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from tests import stripe_invoices as invoices
from tests.stripe_catalogue import redeem
from tests.stripe_money import card_error
from tests.stripe_params import Refused
from tests.stripe_shapes import Obj
from tests.stripe_world import World, listed

HOUR, DAY = 3600, 86400
RETRIES = (3 * DAY, 5 * DAY, 7 * DAY)
"""After how long an invoice that was not paid is tried again; then what the account's setting `after_retries` says."""
ENDED = ("canceled", "incomplete_expired")


def after(anchor: int, recurring: Obj, count: int) -> int:
    """The end of the period number `count` since the anchor."""
    begun, steps = datetime.fromtimestamp(anchor, UTC), count * recurring["interval_count"]
    if recurring["interval"] in ("day", "week"):
        return int(anchor + steps * DAY * (7 if recurring["interval"] == "week" else 1))
    months = begun.month - 1 + steps * (12 if recurring["interval"] == "year" else 1)
    year, month = begun.year + months // 12, months % 12 + 1
    return int(begun.replace(year=year, month=month, day=min(begun.day, monthrange(year, month)[1])).timestamp())


def period_from(anchor: int, recurring: Obj, start: int) -> tuple[int, int]:
    """The period that begins at `start`, or in which it lies."""
    count = 1
    while after(anchor, recurring, count) <= start:
        count += 1
    return after(anchor, recurring, count - 1), after(anchor, recurring, count)


def begin(
    world: World,
    customer: str,
    wanted: list[tuple[Obj, int]],
    *,
    trial_end: int | None = None,
    discounts: tuple[str, ...] = (),
    tax: bool = False,
    **fields: Any,
) -> tuple[Obj, Obj]:
    """A new subscription, incomplete or trialing, and its first invoice, open or already paid. Recurring prices of one currency;
    what is sold once besides is passed in `wanted` too."""
    one = world.new(
        "subscription", **fields, customer=customer, billing_cycle_anchor=trial_end or world.now, start_date=world.now
    )
    one["automatic_tax"] = one["automatic_tax"] | {"enabled": tax}
    one["discounts"], one["currency"] = list(discounts), wanted[0][0]["currency"]
    one["status"] = "trialing" if trial_end else "incomplete"
    one["items"] = listed(f"/v1/subscription_items?subscription={one['id']}", [])
    one |= {"trial_start": world.now, "trial_end": trial_end} if trial_end else {}
    single = [(price, count) for price, count in wanted if not price["recurring"]]
    lines = [invoices.line_of(world, invoices.add_item(world, customer, price, count)) for price, count in single]
    for price, count in wanted:
        if price["recurring"]:
            period = (world.now, trial_end or after(world.now, price["recurring"], 1))
            item = add_item(world, one, price, count, period)
            lines.append(invoices.line(world, price, count, period, amount=0 if trial_end else None, item=item))
    world.tell("customer.subscription.created", one)
    about: Obj = {"subscription": one, "discounts": discounts, "tax": tax}
    invoice = invoices.create(world, customer, lines, "subscription_create", **about)
    one["latest_invoice"] = invoice["id"]
    invoices.finalize(world, invoice)
    follow(world, one, invoice)
    return one, invoice


def add_item(world: World, one: Obj, price: Obj, quantity: int, period: tuple[int, int]) -> Obj:
    item = world.new("subscription_item", price=dict(price), quantity=quantity, subscription=one["id"])
    item["current_period_start"], item["current_period_end"] = period
    one["items"]["data"].append(item)
    return item


def method_of(world: World, one: Obj) -> str | None:
    owner = world.get("customer", one["customer"])
    found = one["default_payment_method"] or owner["invoice_settings"]["default_payment_method"]
    return str(found) if found else None


def collect(world: World, one: Obj, invoice: Obj, *, present: bool = False) -> str:
    """Try to have an invoice of it paid, and let its own state follow."""
    status = invoices.collect(world, invoice, method_of(world, one), present=present)
    follow(world, one, invoice)
    return status


def follow(world: World, one: Obj, invoice: Obj) -> None:
    """The state of the subscription after something became of an invoice of it."""
    if one["status"] in ENDED:
        return
    is_first, newest = invoice["billing_reason"] == "subscription_create", one["latest_invoice"] == invoice["id"]
    intent = invoices.intent_of(world, invoice)
    if invoice["status"] == "paid":
        if one["status"] in ("incomplete", "past_due", "unpaid") and (newest or is_first):
            world.change(one, status="active")
    elif is_first and one["status"] == "incomplete" and intent and intent["status"] == "processing":
        world.change(one, status="active")  # a bank debit counts until it fails
    elif intent and intent["status"] in ("requires_payment_method", "requires_action") and one["status"] == "active":
        _plan_retry(world, invoice)
        world.change(one, status="past_due")


def _plan_retry(world: World, invoice: Obj) -> None:
    tried = invoice["attempt_count"]
    world.change(invoice, next_payment_attempt=world.now + RETRIES[tried - 1] if 0 < tried <= len(RETRIES) else None)


def renew(world: World, one: Obj) -> None:
    """The next period begins: its invoice is a draft for an hour."""
    items = one["items"]["data"]
    if one["status"] == "trialing" and method_of(world, one) is None and _end_trial(world, one):
        return
    lines = invoices.pending_lines(world, one["customer"], one["id"])
    before = [dict(item) for item in items]
    for item in items:
        recurring = item["price"]["recurring"]
        period = period_from(one["billing_cycle_anchor"], recurring, item["current_period_end"])
        item["current_period_start"], item["current_period_end"] = period
        lines.append(invoices.line(world, item["price"], item["quantity"], period, item=item))
    tax, discounts = one["automatic_tax"]["enabled"], tuple(each for each in one["discounts"] if _still(world, each))
    about: Obj = {"subscription": one, "discounts": discounts, "tax": tax}
    invoice = invoices.create(world, one["customer"], lines, "subscription_cycle", **about)
    status = "active" if one["status"] == "trialing" else one["status"]
    previous = {"items": listed(one["items"]["url"], before), "latest_invoice": one["latest_invoice"], "status": one["status"]}
    one |= {"latest_invoice": invoice["id"], "status": status}
    world.tell("customer.subscription.updated", one, {name: was for name, was in previous.items() if one[name] != was})
    if one["pause_collection"] or status == "unpaid":
        behavior = (one["pause_collection"] or {"behavior": "keep_as_draft"})["behavior"]
        invoice["auto_advance"] = False
        if behavior != "keep_as_draft":
            invoices.finalize(world, invoice)
            (invoices.void if behavior == "void" else invoices.give_up)(world, invoice)


def _end_trial(world: World, one: Obj) -> bool:
    """Nobody can pay for what comes after the trial: whether that ends or pauses it."""
    behavior = ((one["trial_settings"] or {}).get("end_behavior") or {}).get("missing_payment_method", "create_invoice")
    if behavior == "cancel":
        end(world, one, "payment_failed")
    elif behavior == "pause":
        world.change(one, "customer.subscription.paused", status="paused")
    return behavior in ("cancel", "pause")


def _still(world: World, id: str) -> bool:
    coupon = world.objects[world.objects[id]["source"]["coupon"]]
    months, begun = coupon["duration_in_months"], world.objects[id]["start"]
    in_time = months and world.now < after(begun, {"interval": "month", "interval_count": 1}, months)
    return coupon["duration"] == "forever" or bool(in_time)


def end(world: World, one: Obj, reason: str) -> None:
    fields = {"ended_at": world.now, "canceled_at": one["canceled_at"] or world.now, "status": "canceled"}
    details = {"reason": reason, "comment": None, "feedback": None}
    for waiting in (*world.all("invoice", status="draft"), *world.all("invoice", status="open")):
        if waiting["parent"] and waiting["parent"]["subscription_details"]["subscription"] == one["id"]:
            world.change(waiting, auto_advance=False, next_payment_attempt=None)
    world.change(one, "customer.subscription.deleted", **fields, cancellation_details=details)


def change_items(world: World, one: Obj, wanted: list[Obj], *, prorates: bool, restarts: bool) -> bool:
    """Other prices or quantities from now on. Answers whether a new period begins by it. Unused time is credited, and the rest of
    the period billed, as pending invoice items. Raises: Refused 400."""
    items, restarts = {item["id"]: item for item in one["items"]["data"]}, restarts
    for number, asked in enumerate(wanted):
        at = f"items[{number}]"
        if (id := asked.get("id")) and id not in items:
            raise Refused(f"No such subscription item: '{id}'", f"{at}[id]", "resource_missing")
        item = items[id] if id else None
        price = _recurring(world, one, asked, item, at)
        if item is None:
            first = next(iter(items.values()))
            period = (first["current_period_start"], first["current_period_end"])
            item = add_item(world, one, price, 0, period)
        if asked.get("deleted"):
            one["items"]["data"].remove(item)
        restarts = restarts or item["price"]["recurring"] != price["recurring"]
        _exchange(
            world,
            one,
            item,
            price,
            0 if asked.get("deleted") else int(asked.get("quantity") or item["quantity"] or 1),
            prorates,
            restarts,
        )
    if restarts:
        one["billing_cycle_anchor"] = world.now
        for item in one["items"]["data"]:
            recurring = item["price"]["recurring"]
            item["current_period_start"], item["current_period_end"] = world.now, after(world.now, recurring, 1)
            about = {"item": item, "period": (world.now, item["current_period_end"])}
            invoices.add_item(world, one["customer"], item["price"], item["quantity"], **about)
    return restarts


def _exchange(world: World, one: Obj, item: Obj, price: Obj, quantity: int, prorates: bool, restarts: bool) -> None:
    start, finish = item["current_period_start"], item["current_period_end"]
    left, whole, period = max(0, finish - world.now), finish - start, (world.now, finish)
    was = item["price"]["unit_amount"] * item["quantity"]
    if prorates and one["status"] != "trialing":
        about = {"item": item, "period": period, "proration": True}
        if was:
            invoices.add_item(world, one["customer"], item["price"], item["quantity"], amount=-round(was * left / whole), **about)
        if quantity and not restarts:
            rest = round(price["unit_amount"] * quantity * left / whole)
            invoices.add_item(world, one["customer"], price, quantity, amount=rest, **about)
    item["price"], item["quantity"] = dict(price), quantity


def _recurring(world: World, one: Obj, asked: Obj, item: Obj | None, at: str) -> Obj:
    if "price" not in asked and item is not None:
        return world.get("price", item["price"]["id"])
    price = world.get("price", asked.get("price", ""), f"{at}[price]")
    if not price["recurring"]:
        raise Refused("The price specified is set to `type=one_time` but this field only accepts recurring.", f"{at}[price]")
    if not price["active"]:
        raise Refused("The price specified is inactive. This field only accepts active prices.", f"{at}[price]")
    if price["currency"] != one["currency"]:
        raise Refused("The price specified only supports another currency.", f"{at}[price]")
    if any(other is not item and other["price"]["id"] == price["id"] for other in one["items"]["data"]):
        raise Refused("The subscription already has an item with this price.", f"{at}[price]")
    return price


def bill_now(world: World, one: Obj, reason: str = "subscription_update") -> Obj | None:
    """Invoice what is pending, at once."""
    lines = invoices.pending_lines(world, one["customer"], one["id"])
    if not lines:
        return None
    invoice = invoices.create(world, one["customer"], lines, reason, subscription=one, tax=one["automatic_tax"]["enabled"])
    one["latest_invoice"] = invoice["id"]
    invoices.finalize(world, invoice)
    collect(world, one, invoice)
    return invoice


def refuse_unless_payable(world: World, one: Obj) -> None:
    """What `error_if_incomplete` asks for. Raises: Refused 402."""
    method = method_of(world, one)
    if method is None:
        raise Refused("This customer has no attached payment source or default payment method.", None, "resource_missing")
    if world.cards[method] not in ("good", "debit"):
        raise card_error(world, None, world.cards[method])


def redeemed(world: World, wanted: list[Obj], customer: str | None) -> tuple[str, ...]:
    """Ids of new discounts for what a request lists under `discounts`."""
    found = []
    for number, each in enumerate(wanted):
        named = {"coupon": each.get("coupon"), "code": each.get("promotion_code")}
        if sum(value is not None for value in named.values()) != 1:
            raise Refused("You must pass exactly one of coupon, promotion_code.", f"discounts[{number}]", "parameter_missing")
        found.append(redeem(world, **named, customer=customer, at=f"discounts[{number}]")["id"])
    return tuple(found)


def due(world: World) -> Iterator[tuple[int, Callable[[], None]]]:
    """What will happen by itself, and when, as things stand now."""
    for one in world.all("subscription"):
        if one["status"] in ENDED:
            continue
        ends = min(item["current_period_end"] for item in one["items"]["data"])
        if one["cancel_at"] is not None:
            yield one["cancel_at"], partial(end, world, one, "cancellation_requested")
        if one["status"] == "incomplete":
            yield one["created"] + 23 * HOUR, partial(_expire, world, one)
        elif one["status"] != "paused":
            yield ends, partial(renew, world, one)
    for invoice in world.all("invoice"):
        details = (invoice["parent"] or {}).get("subscription_details")
        one = world.objects[details["subscription"]] if details else {}
        if invoice["status"] == "draft" and invoice["auto_advance"] and one:
            yield invoice["created"] + HOUR, partial(_advance, world, one, invoice)
        elif invoice["status"] == "open" and invoice["next_payment_attempt"] and one:
            yield invoice["next_payment_attempt"], partial(_retry, world, one, invoice)


def _advance(world: World, one: Obj, invoice: Obj) -> None:
    invoices.finalize(world, invoice)
    if invoice["status"] == "open":
        collect(world, one, invoice)


def _retry(world: World, one: Obj, invoice: Obj) -> None:
    collect(world, one, invoice)
    if invoice["status"] == "paid" or one["status"] in ENDED:
        return
    _plan_retry(world, invoice)
    choice = world.settings["after_retries"]
    if invoice["next_payment_attempt"] is None and choice == "cancel":
        end(world, one, "payment_failed")
    elif invoice["next_payment_attempt"] is None and choice == "unpaid":
        world.change(one, status="unpaid")


def _expire(world: World, one: Obj) -> None:
    """The first invoice was never paid."""
    world.change(one, status="incomplete_expired", ended_at=world.now)
    invoice = world.objects[one["latest_invoice"]]
    if invoice["status"] == "open":
        invoices.void(world, invoice)
