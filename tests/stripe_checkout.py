"""Hosted pages of the pretended Stripe: Checkout sessions and the billing portal, and what a customer does there."""

import re

from tests import stripe_invoices as invoices
from tests import stripe_money as money
from tests import stripe_subscriptions as subscriptions
from tests.stripe_catalogue import create_customer, merged, off, redeem
from tests.stripe_params import Refused
from tests.stripe_shapes import Obj
from tests.stripe_world import World, listed, page

HOUR, DAY = 3600, 86400


def create(world: World, params: Obj) -> Obj:
    """Raises: Refused 400 for each rule that the parameter types cannot say."""
    mode = params.get("mode")
    if mode not in ("payment", "subscription"):
        raise Refused("You must provide a mode; setup is not pretended.", "mode", "parameter_missing")
    if not params.get("line_items"):
        raise Refused(f"Missing required param: line_items in `{mode}` mode.", "line_items", "parameter_missing")
    if "success_url" not in params:
        raise Refused("Missing required param: success_url.", "success_url", "parameter_missing")
    for name in ("success_url", "cancel_url"):
        if name in params and not re.match(r"https?://[^/\s]+", params[name]):
            raise Refused("Not a valid URL", name, "url_invalid")
    _refuse_mixtures(mode, params)
    customer = _customer(world, params)
    expires = params.get("expires_at", world.now + DAY)
    if not world.now + HOUR // 2 <= expires <= world.now + DAY:
        raise Refused("The `expires_at` timestamp must be 30 minutes to 24 hours after Checkout Session creation.", "expires_at")
    items = [_item(world, mode, asked, f"line_items[{number}]") for number, asked in enumerate(params["line_items"])]
    if mode == "subscription" and not any(item["price"]["recurring"] for item in items):
        raise Refused("You must provide at least one recurring price in `subscription` mode when using prices.", "line_items")
    if len({item["currency"] for item in items}) > 1:
        raise Refused("All prices must have the same currency.", "line_items")
    names = ("allow_promotion_codes", "cancel_url", "client_reference_id", "customer_email", "success_url")
    fields = {name: params[name] for name in names if name in params}
    one = world.new("checkout.session", mode=mode, customer=customer, expires_at=expires, **fields)
    one["metadata"], one["currency"] = merged({}, params.get("metadata")), items[0]["currency"]
    one["url"] = f"https://checkout.stripe.com/c/pay/{one['id']}"
    one["automatic_tax"] = one["automatic_tax"] | {"enabled": params.get("automatic_tax", {}).get("enabled", False)}
    one["line_items"] = listed(f"/v1/checkout/sessions/{one['id']}/line_items", items)
    world.kept[one["id"]] = {
        name: params[name] for name in ("subscription_data", "payment_intent_data", "invoice_creation") if name in params
    }
    _add_up(world, one, subscriptions.redeemed(world, params.get("discounts", []), customer))
    return one


def _refuse_mixtures(mode: str, params: Obj) -> None:
    for name, only in (
        ("subscription_data", "subscription"),
        ("payment_intent_data", "payment"),
        ("invoice_creation", "payment"),
    ):
        if name in params and mode != only:
            raise Refused(f"You can not pass `{name}` in `{mode}` mode.", name)
    for left, right in (("customer", "customer_email"), ("discounts", "allow_promotion_codes")):
        if left in params and right in params:
            raise Refused(f"You may only specify one of these parameters: {left}, {right}.", left)
    if len(params.get("discounts", [])) > 1:
        raise Refused("You can pass one discount at most.", "discounts")


def _customer(world: World, params: Obj) -> str | None:
    if "customer" not in params:
        return None
    customer = world.get("customer", params["customer"], "customer")
    saves = params.get("customer_update", {}).get("address") == "auto"
    if params.get("automatic_tax", {}).get("enabled") and not customer["address"] and not saves:
        why = "Automatic tax needs a valid address on the Customer, or customer_update[address]=auto."
        raise Refused(why, "automatic_tax", "customer_tax_location_invalid")
    return str(customer["id"])


def _item(world: World, mode: str, asked: Obj, at: str) -> Obj:
    if "price" not in asked:
        raise Refused(f"Missing required param: {at}[price].", f"{at}[price]", "parameter_missing")
    if "quantity" not in asked:
        raise Refused(f"Quantity is required. Add `quantity` to `{at}`", f"{at}[quantity]", "parameter_missing")
    if asked["quantity"] < 1:
        raise Refused("Invalid positive integer", f"{at}[quantity]", "parameter_invalid_integer")
    price = world.get("price", asked["price"], f"{at}[price]")
    if not price["active"]:
        raise Refused(f"The price specified is inactive: {price['id']}.", f"{at}[price]")
    if mode == "payment" and price["recurring"]:
        raise Refused("You specified `payment` mode but passed a recurring price.", f"{at}[price]")
    amount = price["unit_amount"] * asked["quantity"]
    one = world.new("item", price=dict(price), quantity=asked["quantity"], currency=price["currency"])
    one |= {"amount_subtotal": amount, "amount_total": amount, "description": price["product"]}
    return one


def _add_up(world: World, one: Obj, discounts: tuple[str, ...]) -> None:
    percent = world.settings["tax_percent"] if one["automatic_tax"]["enabled"] else 0
    trial = "trial_period_days" in world.kept[one["id"]].get("subscription_data", {})
    left = sum(world.objects[world.objects[each]["source"]["coupon"]]["amount_off"] or 0 for each in discounts)
    for item in one["line_items"]["data"]:
        item["amount_subtotal"] = 0 if trial and item["price"]["recurring"] else item["price"]["unit_amount"] * item["quantity"]
        less = 0
        for each in discounts:
            is_percent = world.objects[world.objects[each]["source"]["coupon"]]["percent_off"] is not None
            less = off(world, world.objects[each], item["amount_subtotal"]) if is_percent else min(left, item["amount_subtotal"])
            left -= 0 if is_percent else less
        item["amount_discount"], net = less, item["amount_subtotal"] - less
        item["amount_tax"] = round(net * percent / 100)
        item["amount_total"] = net + item["amount_tax"]
    items = one["line_items"]["data"]
    one["amount_subtotal"] = sum(item["amount_subtotal"] for item in items)
    one["amount_total"] = sum(item["amount_total"] for item in items)
    sums = {f"amount_{name}": sum(item[f"amount_{name}"] for item in items) for name in ("discount", "tax")}
    one["total_details"] = sums | {"amount_shipping": 0}
    one["discounts"] = [
        {"coupon": world.objects[each]["source"]["coupon"], "promotion_code": world.objects[each]["promotion_code"]}
        for each in discounts
    ]
    world.kept[one["id"]]["discounts"] = discounts


def pay(world: World, one: Obj, card: str, *, confirms: bool = True, code: str | None = None) -> Obj:
    """The customer pays at the page, with a promotion code typed in. Declined, or not confirmed, leaves the session open."""
    assert one["status"] == "open", one["status"]
    if code:
        assert one["allow_promotion_codes"], "the page has no field for a promotion code"
        found = next((each for each in world.all("promotion_code", active=True) if each["code"] == code), {"id": code})
        _add_up(world, one, (redeem(world, code=found["id"], customer=one["customer"], at="code")["id"],))
    if not one["customer"] and one["mode"] == "subscription":
        one["customer"] = create_customer(world, {"email": one["customer_email"] or "guest@mail.example"})["id"]
    if one["mode"] == "subscription":
        _subscribe(world, one, card, confirms)
    else:
        _pay_once(world, one, card, confirms)
    return one


def _pay_once(world: World, one: Obj, card: str, confirms: bool) -> None:
    if one["amount_total"] == 0:
        return _complete(world, one, "no_payment_required")
    if one["payment_intent"] is None:
        asked = world.kept[one["id"]].get("payment_intent_data", {})
        fields = {"metadata": merged({}, asked.get("metadata")), "customer": one["customer"]}
        one["payment_intent"] = money.new_intent(world, one["amount_total"], one["currency"], **fields)["id"]
    intent, method = world.objects[one["payment_intent"]], _method(world, one, card)
    status = money.attempt(world, intent, method)
    if status == "requires_action":
        status = money.authenticate(world, intent, confirms)
    if status in ("succeeded", "processing"):
        _complete(world, one, "paid" if status == "succeeded" else "unpaid")
    return None


def _subscribe(world: World, one: Obj, card: str, confirms: bool) -> None:
    fails = card not in ("good", "debit") and not (card == "authenticate" and confirms)
    if fails and one["amount_total"]:
        intent = money.new_intent(world, one["amount_total"], one["currency"], customer=one["customer"])
        if money.attempt(world, intent, _method(world, one, card)) == "requires_action":
            money.authenticate(world, intent, ok=False)
        return
    asked = world.kept[one["id"]].get("subscription_data", {})
    method = _method(world, one, card)
    days = asked.get("trial_period_days")
    subscription, invoice = subscriptions.begin(
        world,
        one["customer"],
        [(world.objects[item["price"]["id"]], item["quantity"]) for item in one["line_items"]["data"]],
        trial_end=world.now + days * DAY if days else None,
        discounts=world.kept[one["id"]]["discounts"],
        tax=one["automatic_tax"]["enabled"],
        metadata=merged({}, asked.get("metadata")),
        default_payment_method=method,
        trial_settings=asked.get("trial_settings"),
    )
    one |= {"subscription": subscription["id"], "invoice": invoice["id"]}
    status = invoice["status"]
    if status == "open":
        status = invoices.collect(world, invoice, method, present=True)
        subscriptions.follow(world, subscription, invoice)
    _complete(world, one, "unpaid" if status == "processing" else "paid" if one["amount_total"] else "no_payment_required")


def _method(world: World, one: Obj, card: str) -> str:
    return str(money.add_card(world, one["customer"], card, default=one["mode"] == "subscription")["id"])


def _complete(world: World, one: Obj, payment_status: str) -> None:
    email = world.objects[one["customer"]]["email"] if one["customer"] else one["customer_email"]
    one["customer_details"] = {"email": email, "address": None, "name": None, "phone": None, "tax_exempt": "none", "tax_ids": []}
    one |= {"status": "complete", "payment_status": payment_status, "url": None}
    if payment_status == "paid" and one["mode"] == "payment":
        _write_invoice(world, one)
    world.tell("checkout.session.completed", one)


def _write_invoice(world: World, one: Obj) -> None:
    """The receipt of a single payment, where the session was made with `invoice_creation`: the same money, not more of it."""
    if not world.kept[one["id"]].get("invoice_creation", {}).get("enabled") or not one["customer"]:
        return
    bought = [(item["price"], item["quantity"]) for item in one["line_items"]["data"]]
    lines = [invoices.line_of(world, invoices.add_item(world, one["customer"], price, count)) for price, count in bought]
    about = {"discounts": world.kept[one["id"]]["discounts"], "tax": one["automatic_tax"]["enabled"]}
    invoice = invoices.create(world, one["customer"], lines, "manual", **about)
    invoices.finalize(world, invoice, paid_by=one["payment_intent"])
    one["invoice"] = invoice["id"]


def settled(world: World, one: Obj, ok: bool) -> None:
    """The bank answered for a session that was complete and not paid."""
    if ok:
        one["payment_status"] = "paid"
        if one["mode"] == "payment":
            _write_invoice(world, one)
    world.tell(f"checkout.session.async_payment_{'succeeded' if ok else 'failed'}", one)


def expire(world: World, params: Obj, id: str) -> Obj:
    one = world.get("checkout.session", id)
    if one["status"] != "open":
        raise Refused('Only Checkout Sessions with a status in ["open"] can be expired.', None)
    world.change(one, "checkout.session.expired", status="expired", url=None)
    return one


def list_sessions(world: World, params: Obj) -> Obj:
    names = ("customer", "payment_intent", "subscription", "status")
    wanted = {name: params[name] for name in names if name in params}
    return page(world.all("checkout.session", **wanted), "/v1/checkout/sessions", params)


def list_line_items(world: World, params: Obj, id: str) -> Obj:
    items = world.get("checkout.session", id)["line_items"]
    return page(items["data"][::-1], items["url"], params)


def create_configuration(world: World, params: Obj) -> Obj:
    fields = {name: params[name] for name in ("name",) if name in params}
    one = world.new("billing_portal.configuration", metadata=merged({}, params.get("metadata")), **fields)
    return _with_features(world, one, params, "created")


def update_configuration(world: World, params: Obj, id: str) -> Obj:
    one = world.get("billing_portal.configuration", id)
    fields = {name: params[name] for name in ("active", "name") if name in params}
    one |= fields | {"metadata": merged(one["metadata"], params.get("metadata"))}
    return _with_features(world, one, params, "updated")


def _with_features(world: World, one: Obj, params: Obj, told: str) -> Obj:
    features = params.get("features", {})
    changes = features.get("subscription_update", {})
    if changes.get("enabled") and not (changes.get("products") and changes.get("default_allowed_updates")):
        raise Refused("Missing required param: features[subscription_update][products].", "features[subscription_update]")
    if features.get("customer_update", {}).get("enabled") and not features["customer_update"].get("allowed_updates"):
        raise Refused("Missing required param: features[customer_update][allowed_updates].", "features[customer_update]")
    one["features"] = {name: was | features.get(name, {}) for name, was in one["features"].items()}
    world.tell(f"billing_portal.configuration.{told}", one, {} if told == "updated" else None)
    return one


def create_portal(world: World, params: Obj) -> Obj:
    if "customer" not in params:
        raise Refused("Missing required param: customer.", "customer", "parameter_missing")
    customer = world.get("customer", params["customer"], "customer")["id"]
    if not re.match(r"https?://[^/\s]+", params.get("return_url", "https://x")):
        raise Refused("Not a valid URL", "return_url", "url_invalid")
    named = params.get("configuration")
    known = world.all("billing_portal.configuration")
    if named:
        chosen = world.get("billing_portal.configuration", named, "configuration")
    else:
        chosen = known[0] if known else world.new("billing_portal.configuration", is_default=True)
    fields = {"configuration": chosen["id"], "customer": customer, "return_url": params.get("return_url")}
    one = world.new("billing_portal.session", **fields, locale=params.get("locale"))
    one["url"] = f"https://billing.stripe.com/p/session/{one['id']}"
    world.tell("billing_portal.session.created", one)
    return one
