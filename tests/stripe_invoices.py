"""Invoices of the pretended Stripe: draft, open, paid, uncollectible or void; lines, discounts, tax, credit balance, numbers."""

from typing import Any

from tests import stripe_money as money
from tests.stripe_catalogue import merged, off
from tests.stripe_params import Refused
from tests.stripe_shapes import Obj
from tests.stripe_world import World, listed


def line(
    world: World,
    price: Obj,
    quantity: int,
    period: tuple[int, int],
    *,
    amount: int | None = None,
    item: Obj | None = None,
    invoice_item: Obj | None = None,
    proration: bool = False,
    metadata: Obj | None = None,
) -> Obj:
    """A line before its invoice exists. `amount`: of the whole line, where it is not price × quantity."""
    amount = price["unit_amount"] * quantity if amount is None else amount
    details: Obj = {"proration": proration, "proration_details": None, "subscription": item["subscription"] if item else None}
    details["invoice_item"] = invoice_item["id"] if invoice_item else None
    if item and not invoice_item:
        parent: Obj = {
            "type": "subscription_item_details",
            "subscription_item_details": details | {"subscription_item": item["id"]},
        }
    else:
        parent = {"type": "invoice_item_details", "invoice_item_details": details}
    return world.new(
        "line_item",
        amount=amount,
        currency=price["currency"],
        description=f"{quantity} of {price['id']}",
        metadata=metadata or {},
        parent={"invoice_item_details": None, "subscription_item_details": None} | parent,
        period={"start": period[0], "end": period[1]},
        pricing=pricing(price),
        quantity=quantity,
        subscription=item["subscription"] if item else None,
        subtotal=amount,
    )


def pricing(price: Obj) -> Obj:
    details = {"price": price["id"], "product": price["product"]}
    return {"type": "price_details", "price_details": details, "unit_amount_decimal": price["unit_amount_decimal"]}


def create(
    world: World,
    customer: str,
    lines: list[Obj],
    reason: str,
    *,
    subscription: Obj | None = None,
    discounts: tuple[str, ...] = (),
    tax: bool = False,
    **fields: Any,
) -> Obj:
    """A draft with its sums. `discounts`: ids of discounts, taken in their order from the lines that cost something."""
    owner, parent = world.get("customer", customer), None
    if subscription:
        about = {"subscription": subscription["id"], "metadata": dict(subscription["metadata"])}
        parent = {"type": "subscription_details", "subscription_details": about, "quote_details": None}
    one = world.new("invoice", **fields, customer=customer, customer_email=owner["email"], billing_reason=reason, parent=parent)
    one["currency"] = lines[0]["currency"] if lines else one["currency"]
    one["period_start"] = min((each["period"]["start"] for each in lines), default=world.now)
    one["period_end"] = max((each["period"]["end"] for each in lines), default=world.now)
    one["automatic_tax"] = one["automatic_tax"] | {"enabled": tax, "status": "complete" if tax else None}
    one["lines"] = listed(f"/v1/invoices/{one['id']}/lines", lines)
    one["payments"] = listed("/v1/invoice_payments", [])
    one["discounts"] = list(discounts)
    for each in lines:
        each["invoice"] = one["id"]
        details = each["parent"]["invoice_item_details"]
        if details and details["invoice_item"]:
            world.objects[details["invoice_item"]]["invoice"] = one["id"]
    _add_up(world, one)
    world.tell("invoice.created", one)
    return one


def _add_up(world: World, one: Obj) -> None:
    lines = one["lines"]["data"]
    for each in lines:
        each["discount_amounts"] = []
    for each in one["discounts"]:
        discount, coupon = world.objects[each], world.objects[world.objects[each]["source"]["coupon"]]
        left = coupon["amount_off"] or 0
        for taken in (line for line in lines if line["amount"] > 0):
            rest = taken["amount"] - sum(part["amount"] for part in taken["discount_amounts"])
            less = min(rest, left) if coupon["percent_off"] is None else off(world, discount, rest)
            left -= less
            taken["discount_amounts"].append({"amount": less, "discount": each})
    percent = world.settings["tax_percent"] if one["automatic_tax"]["enabled"] else 0
    for each in lines if percent else ():
        net = each["amount"] - sum(part["amount"] for part in each["discount_amounts"])
        taxed = {"tax_behavior": "exclusive", "taxability_reason": "standard_rated", "type": "tax_rate_details"}
        each["taxes"] = [taxed | {"amount": round(net * percent / 100), "taxable_amount": net, "tax_rate_details": None}]
    one["subtotal"] = sum(each["amount"] for each in lines)
    less = sum(part["amount"] for each in lines for part in each["discount_amounts"])
    taxes = [tax for each in lines for tax in each["taxes"]]
    one["total_discount_amounts"] = [part for each in lines for part in each["discount_amounts"]]
    one["total_taxes"] = taxes
    one["total_excluding_tax"] = one["subtotal"] - less
    one["total"] = one["subtotal"] - less + sum(tax["amount"] for tax in taxes)
    one["amount_due"] = one["amount_remaining"] = max(0, one["total"])


def finalize(world: World, one: Obj, paid_by: str | None = None) -> None:
    """Give it a number and an intent to pay; what costs nothing is paid by that. A total below 0 becomes credit.
    `paid_by`: the intent whose money it only writes down."""
    if one["status"] != "draft":
        raise Refused(
            "This invoice is already finalized, you can't re-finalize a non-draft invoice.", None, "invoice_not_editable"
        )
    owner = world.get("customer", one["customer"])
    balance = 0 if paid_by else owner["balance"]
    due = max(0, one["total"] + balance)
    left = balance + one["total"] - due
    one |= {"starting_balance": balance, "ending_balance": left, "amount_due": due, "amount_remaining": due}
    world.change(owner, balance=owner["balance"] + left - balance)
    count = sum(1 for each in world.all("invoice", customer=one["customer"]) if each["number"])
    one["number"] = f"{owner['invoice_prefix']}-{count + 1:04d}"
    one["hosted_invoice_url"] = f"https://invoice.stripe.com/i/{one['id']}"
    one["status_transitions"] = one["status_transitions"] | {"finalized_at": world.now}
    one["status"] = "open"
    if due:
        intent = paid_by or money.new_intent(world, due, one["currency"], customer=one["customer"], metadata={})["id"]
        payment = {"type": "payment_intent", "payment_intent": intent}
        about = {"invoice": one["id"], "amount_requested": due, "currency": one["currency"]}
        one["payments"]["data"].append(world.new("invoice_payment", payment=payment, **about))
    world.tell("invoice.finalized", one)
    if paid_by:
        follow(world, one)
    elif not due:
        _paid(world, one, 0)


def intent_of(world: World, one: Obj) -> Obj | None:
    payments = one["payments"]["data"]
    return world.objects[payments[-1]["payment"]["payment_intent"]] if payments else None


def invoice_of(world: World, intent: Obj) -> Obj | None:
    for payment in world.all("invoice_payment"):
        if payment["payment"].get("payment_intent") == intent["id"]:
            return world.objects[payment["invoice"]]
    return None


def collect(world: World, one: Obj, method: str | None, *, present: bool = False) -> str:
    """Try to have it paid with this method (None: there is none), and answer its status or that of its intent."""
    intent = intent_of(world, one)
    if one["status"] not in ("open", "uncollectible") or intent is None:
        return str(one["status"])
    one["attempt_count"] += 1
    one["attempted"] = True
    if method is None:
        world.tell("invoice.payment_failed", one)
        return "requires_payment_method"
    money.attempt(world, intent, method, present=present)
    return follow(world, one)


def follow(world: World, one: Obj) -> str:
    """Say of the invoice what has become of its intent."""
    intent = intent_of(world, one)
    assert intent
    if intent["status"] == "succeeded":
        payment = one["payments"]["data"][-1]
        payment |= {"status": "paid", "amount_paid": intent["amount"]}
        payment["status_transitions"] = payment["status_transitions"] | {"paid_at": world.now}
        world.tell("invoice_payment.paid", payment)
        _paid(world, one, intent["amount"])
    elif intent["status"] == "requires_action":
        world.tell("invoice.payment_action_required", one)
        world.tell("invoice.payment_failed", one)
    elif intent["status"] == "requires_payment_method":
        world.tell("invoice.payment_failed", one)
    return str(intent["status"])


def _paid(world: World, one: Obj, amount: int) -> None:
    one |= {"amount_paid": amount, "amount_remaining": 0, "status": "paid", "attempted": True, "next_payment_attempt": None}
    one["status_transitions"] = one["status_transitions"] | {"paid_at": world.now}
    world.tell("invoice.paid", one)
    world.tell("invoice.payment_succeeded", one)


def paid_elsewhere(world: World, one: Obj) -> None:
    """Paid out of band: Stripe moves no money, so there is no charge to refund."""
    _drop_intent(world, one)
    one["amount_paid_off_stripe"] = one["amount_due"]
    _paid(world, one, one["amount_due"])


def void(world: World, one: Obj) -> None:
    if one["status"] not in ("open", "uncollectible"):
        raise Refused(f"You can only pass in open invoices. This invoice is {one['status']}.", None, "invoice_not_editable")
    _drop_intent(world, one)
    one["status_transitions"] = one["status_transitions"] | {"voided_at": world.now}
    world.change(one, "invoice.voided", status="void", next_payment_attempt=None)


def give_up(world: World, one: Obj) -> None:
    """Mark it uncollectible; it can be paid all the same."""
    if one["status"] != "open":
        why = f"You can only mark open invoices as uncollectible. This invoice is {one['status']}."
        raise Refused(why, None, "invoice_not_editable")
    one["status_transitions"] = one["status_transitions"] | {"marked_uncollectible_at": world.now}
    world.change(one, "invoice.marked_uncollectible", status="uncollectible", next_payment_attempt=None)


def _drop_intent(world: World, one: Obj) -> None:
    intent = intent_of(world, one)
    if intent and intent["status"] not in ("succeeded", "canceled"):
        world.change(
            intent, "payment_intent.canceled", status="canceled", canceled_at=world.now, cancellation_reason="void_invoice"
        )
    for payment in one["payments"]["data"]:
        payment["status"] = "canceled"


def add_item(world: World, customer: str, price: Obj, quantity: int, **about: Any) -> Obj:
    """Something to be billed by the next invoice. `about`: amount, period, proration, subscription (its item)."""
    item = about.get("item")
    period = about.get("period") or (world.now, world.now)
    amount = about.get("amount")
    details = {"subscription": item["subscription"], "subscription_item": item["id"]} if item else None
    one = world.new(
        "invoiceitem",
        amount=price["unit_amount"] * quantity if amount is None else amount,
        currency=price["currency"],
        customer=customer,
        date=world.now,
        description=about.get("description"),
        metadata=about.get("metadata") or {},
        parent={"type": "subscription_details", "subscription_details": details} if item else None,
        period={"start": period[0], "end": period[1]},
        pricing=pricing(price),
        proration=about.get("proration", False),
        quantity=quantity,
        invoice=about.get("invoice"),
    )
    world.tell("invoiceitem.created", one)
    return one


def pending_lines(world: World, customer: str, subscription: str | None) -> list[Obj]:
    """Lines of what waits for an invoice of this subscription, or (None) of what belongs to none."""
    found = list[Obj]()
    for one in world.all("invoiceitem", customer=customer, invoice=None):
        details = (one["parent"] or {}).get("subscription_details")
        if (details["subscription"] if details else None) == subscription:
            found.append(line_of(world, one))
    return found


def line_of(world: World, one: Obj) -> Obj:
    """The invoice line of an invoice item."""
    details = (one["parent"] or {}).get("subscription_details")
    item = world.objects[details["subscription_item"]] if details else None
    price, period = world.objects[one["pricing"]["price_details"]["price"]], (one["period"]["start"], one["period"]["end"])
    about = {"amount": one["amount"], "item": item, "invoice_item": one, "proration": one["proration"]}
    return line(world, price, one["quantity"], period, metadata=dict(one["metadata"]), **about)


def create_invoice_item(world: World, params: Obj) -> Obj:
    if "customer" not in params:
        raise Refused("Missing required param: customer.", "customer", "parameter_missing")
    world.get("customer", params["customer"], "customer")
    price_id = params.get("pricing", {}).get("price")
    if not price_id:
        raise Refused("Missing required param: pricing[price].", "pricing[price]", "parameter_missing")
    price = world.get("price", price_id, "pricing[price]")
    if price["type"] != "one_time":
        raise Refused("The price specified is set to `type=recurring` but this field only accepts one-time.", "pricing[price]")
    invoice = world.get("invoice", params["invoice"], "invoice") if "invoice" in params else None
    if invoice and invoice["status"] != "draft":
        raise Refused("The invoice is no longer editable.", "invoice", "invoice_not_editable")
    about = {"metadata": merged({}, params.get("metadata")), "description": params.get("description")}
    one = add_item(world, params["customer"], price, params.get("quantity", 1), **about)
    if invoice:
        new = line_of(world, one)
        one["invoice"], new["invoice"] = invoice["id"], invoice["id"]
        invoice["lines"]["data"].append(new)
        invoice["currency"] = new["currency"]
        _add_up(world, invoice)
        world.tell("invoice.updated", invoice, {})
    return one


def create_invoice(world: World, params: Obj) -> Obj:
    if "customer" not in params:
        raise Refused("Missing required param: customer.", "customer", "parameter_missing")
    customer = world.get("customer", params["customer"], "customer")["id"]
    takes = params.get("pending_invoice_items_behavior") == "include"
    lines = pending_lines(world, customer, None) if takes else []
    fields = {name: params[name] for name in ("auto_advance", "description", "default_payment_method") if name in params}
    tax = params.get("automatic_tax", {}).get("enabled", False)
    return create(world, customer, lines, "manual", tax=tax, metadata=merged({}, params.get("metadata")), **fields)
