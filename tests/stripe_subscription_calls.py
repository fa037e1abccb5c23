"""What a program may ask of subscriptions and invoices at the pretended Stripe."""

from tests import stripe_invoices as invoices
from tests import stripe_subscriptions as subscriptions
from tests.stripe_catalogue import merged, updated
from tests.stripe_money import card_error
from tests.stripe_params import Refused
from tests.stripe_shapes import Obj
from tests.stripe_world import World, page


def create(world: World, params: Obj) -> Obj:
    """`payment_behavior`: default_incomplete leaves the first invoice unpaid; error_if_incomplete makes nothing that is not."""
    if "customer" not in params:
        raise Refused("Missing required param: customer.", "customer", "parameter_missing")
    customer = world.get("customer", params["customer"], "customer")
    if not params.get("items"):
        raise Refused("Missing required param: items.", "items", "parameter_missing")
    wanted = []
    for number, item in enumerate(params["items"]):
        price = world.get("price", item.get("price", ""), f"items[{number}][price]")
        if not price["recurring"] or not price["active"]:
            raise Refused("The price specified is not recurring, or not active.", f"items[{number}][price]")
        wanted.append((price, item.get("quantity", 1)))
    behavior = params.get("payment_behavior", "allow_incomplete")
    method = params.get("default_payment_method") or customer["invoice_settings"]["default_payment_method"]
    if method is None and behavior != "default_incomplete" and not _trial_end(world, params):
        raise Refused("This customer has no attached payment source or default payment method.", None, "resource_missing")
    if behavior == "error_if_incomplete" and world.cards[str(method)] not in ("good", "debit"):
        raise card_error(world, None, world.cards[str(method)])
    one, invoice = subscriptions.begin(
        world,
        customer["id"],
        wanted,
        trial_end=_trial_end(world, params),
        discounts=subscriptions.redeemed(world, params.get("discounts") or [], customer["id"]),
        tax=params.get("automatic_tax", {}).get("enabled", False),
        metadata=merged({}, params.get("metadata")),
        default_payment_method=params.get("default_payment_method"),
        trial_settings=params.get("trial_settings"),
    )
    if invoice["status"] == "open" and behavior != "default_incomplete":
        subscriptions.collect(world, one, invoice)
    return one


def _trial_end(world: World, params: Obj) -> int | None:
    if days := params.get("trial_period_days"):
        return world.now + int(days) * subscriptions.DAY
    ends = params.get("trial_end")
    return ends if isinstance(ends, int) else None


def update(world: World, params: Obj, id: str) -> Obj:
    """`proration_behavior`: create_prorations leaves credit and charge to the next invoice, always_invoice bills them at once,
    none makes none; a change of interval or `billing_cycle_anchor=now` begins a new period, which is billed at once."""
    one = world.get("subscription", id)
    if one["status"] in subscriptions.ENDED and params.keys() - {"metadata", "cancellation_details", "expand"}:
        raise Refused("A canceled subscription can only update its cancellation_details and metadata.", None)
    if params.get("cancel_at_period_end") and params.get("cancel_at"):
        raise Refused("You cannot pass both `cancel_at` and `cancel_at_period_end`.", "cancel_at")
    restarts = params.get("billing_cycle_anchor", {}).get("type") == "now"
    moves = "items" in params or restarts
    if moves and params.get("payment_behavior") == "error_if_incomplete":
        subscriptions.refuse_unless_payable(world, one)
    before = {"items": world.expanded(one, [])["items"], "billing_cycle_anchor": one["billing_cycle_anchor"]}
    if moves:
        how = params.get("proration_behavior", "create_prorations")
        begins = subscriptions.change_items(world, one, params.get("items", []), prorates=how != "none", restarts=restarts)
        previous = {name: was for name, was in before.items() if one[name] != was}
        if previous:
            world.tell("customer.subscription.updated", one, previous)
        if how == "always_invoice" or begins:
            subscriptions.bill_now(world, one)
    fields = _plain_fields(world, one, params)
    return updated(world, one, fields)


def _plain_fields(world: World, one: Obj, params: Obj) -> Obj:
    names = ("metadata", "default_payment_method", "trial_settings", "pause_collection", "description")
    fields = {name: params[name] for name in names if name in params}
    if fields.get("pause_collection"):
        fields["pause_collection"] = {"resumes_at": None} | fields["pause_collection"]
    if method := fields.get("default_payment_method"):
        world.get("payment_method", method, "default_payment_method")
    if "cancel_at_period_end" in params:
        ends = min(item["current_period_end"] for item in one["items"]["data"])
        wanted = params["cancel_at_period_end"]
        times = {"cancel_at": ends, "canceled_at": world.now} if wanted else {"cancel_at": None, "canceled_at": None}
        fields |= times | {"cancel_at_period_end": wanted}
    if "cancel_at" in params:
        if isinstance(params["cancel_at"], int) and params["cancel_at"] <= world.now:
            raise Refused("cancel_at must be in the future.", "cancel_at")
        at = params["cancel_at"] or None
        if isinstance(at, str):
            at = min(item["current_period_end"] for item in one["items"]["data"])
        fields |= {"cancel_at": at, "canceled_at": world.now if at else None, "cancel_at_period_end": False}
    if params.get("trial_end") == "now" and one["status"] == "trialing":
        one["items"]["data"][0]["current_period_end"] = one["billing_cycle_anchor"] = world.now
        one["trial_end"] = world.now
    if "discounts" in params:
        fields["discounts"] = list(subscriptions.redeemed(world, params["discounts"] or [], one["customer"]))
    return fields


def cancel(world: World, params: Obj, id: str) -> Obj:
    """At once. `prorate` credits what is left of the period, `invoice_now` bills that credit to the customer's balance."""
    one = world.get("subscription", id)
    if one["status"] in subscriptions.ENDED:
        raise Refused(f"No such subscription: {id}", "id", "resource_missing", status=404)
    if params.get("prorate"):
        for item in one["items"]["data"]:
            left, whole = item["current_period_end"] - world.now, item["current_period_end"] - item["current_period_start"]
            amount = -round(item["price"]["unit_amount"] * item["quantity"] * left / whole)
            about = {"item": item, "period": (world.now, item["current_period_end"]), "proration": True, "amount": amount}
            invoices.add_item(world, one["customer"], item["price"], item["quantity"], **about)
    if params.get("invoice_now"):
        subscriptions.bill_now(world, one)
    subscriptions.end(world, one, "cancellation_requested")
    return one


def resume(world: World, params: Obj, id: str) -> Obj:
    """A paused subscription goes on with a new period, once that is paid."""
    one = world.get("subscription", id)
    if one["status"] != "paused":
        raise Refused(f"Subscription {id} is {one['status']}; only a paused one can be resumed.", None)
    subscriptions.refuse_unless_payable(world, one)
    one["status"] = "active"
    subscriptions.change_items(world, one, [], prorates=False, restarts=True)
    world.tell("customer.subscription.resumed", one)
    subscriptions.bill_now(world, one, "subscription_cycle")
    return one


def list_all(world: World, params: Obj) -> Obj:
    """Those that ended only where `status` asks for them."""
    status = params.get("status")
    if "customer" in params:
        world.get("customer", params["customer"], "customer")
    found = [one for one in world.all("subscription") if params.get("customer") in (None, one["customer"])]
    if status == "ended":
        found = [one for one in found if one["status"] in subscriptions.ENDED]
    elif status != "all":
        found = [one for one in found if (one["status"] == status if status else one["status"] != "canceled")]
    if price := params.get("price"):
        found = [one for one in found if any(item["price"]["id"] == price for item in one["items"]["data"])]
    return page(found, "/v1/subscriptions", params)


def finalize_invoice(world: World, params: Obj, id: str) -> Obj:
    one = world.get("invoice", id)
    invoices.finalize(world, one)
    return one


def pay_invoice(world: World, params: Obj, id: str) -> Obj:
    """Raises: Refused 402, what the card says; 400, what is paid already or cannot be."""
    one = world.get("invoice", id)
    if one["status"] == "paid":
        raise Refused("Invoice is already paid", None, "invoice_already_paid")
    if one["status"] == "draft":
        invoices.finalize(world, one)
    if one["status"] == "void":
        raise Refused("This invoice is void and cannot be paid.", None, "invoice_not_editable")
    subscription = _subscription_of(world, one)
    if params.get("paid_out_of_band"):
        invoices.paid_elsewhere(world, one)
    elif one["status"] != "paid":
        owner = world.get("customer", one["customer"])
        method = params.get("payment_method") or one["default_payment_method"]
        method = method or owner["invoice_settings"]["default_payment_method"]
        if method is None:
            raise Refused("There is no default_payment_method set on this Customer or Invoice.", None, "resource_missing")
        world.get("payment_method", method, "payment_method")
        status = invoices.collect(world, one, method)
        if status in ("requires_payment_method", "requires_action"):
            raise card_error(world, invoices.intent_of(world, one), world.cards[method])
    if subscription:
        subscriptions.follow(world, subscription, one)
    return one


def void_invoice(world: World, params: Obj, id: str) -> Obj:
    one = world.get("invoice", id)
    invoices.void(world, one)
    return one


def give_up_invoice(world: World, params: Obj, id: str) -> Obj:
    one = world.get("invoice", id)
    invoices.give_up(world, one)
    return one


def delete_invoice(world: World, params: Obj, id: str) -> Obj:
    one = world.get("invoice", id)
    if one["status"] != "draft":
        raise Refused("You can only delete draft invoices.", None, "invoice_not_editable")
    world.tell("invoice.deleted", one)
    one["deleted"] = True
    return {"id": id, "object": "invoice", "deleted": True}


def list_invoices(world: World, params: Obj) -> Obj:
    wanted = {name: params[name] for name in ("customer", "status", "collection_method") if name in params}
    found = [one for one in world.all("invoice", **wanted) if not one.get("deleted")]
    if named := params.get("subscription"):
        found = [one for one in found if (_subscription_of(world, one) or {}).get("id") == named]
    return page(found, "/v1/invoices", params)


def list_lines(world: World, params: Obj, id: str) -> Obj:
    lines = world.get("invoice", id)["lines"]["data"]
    return page(lines[::-1], f"/v1/invoices/{id}/lines", params)


def list_invoice_payments(world: World, params: Obj) -> Obj:
    wanted = {name: params[name] for name in ("invoice", "status") if name in params}
    found = world.all("invoice_payment", **wanted)
    if named := params.get("payment"):
        found = [one for one in found if one["payment"].get(named["type"]) == named.get(named["type"])]
    return page(found, "/v1/invoice_payments", params)


def _subscription_of(world: World, invoice: Obj) -> Obj | None:
    details = (invoice["parent"] or {}).get("subscription_details")
    return world.objects[details["subscription"]] if details else None
