"""Customers, products, prices, coupons and promotion codes of the pretended Stripe."""

import re
from typing import Any

from tests.stripe_params import Refused
from tests.stripe_shapes import Obj
from tests.stripe_world import World, listed, page

CURRENCIES = ("eur", "usd")
SEARCHED_AFTER = 60
"""Seconds until a new object is found by a search."""


def merged(old: Obj, new: Any) -> Obj:
    """Metadata after an update: an empty value unsets its key, an empty whole all of them. Raises: Refused 400."""
    if new == "":
        return {}
    found = {name: value for name, value in (old | dict(new or {})).items() if value != ""}
    if len(found) > 50 or any(len(name) > 40 or len(value) > 500 for name, value in found.items()):
        raise Refused("Metadata can have up to 50 keys, of 40 characters, with values of 500.", "metadata")
    return found


def updated(world: World, one: Obj, params: Obj) -> Obj:
    """The object with these fields set; empty strings unset."""
    fields = {name: value if value != "" else None for name, value in params.items() if name not in ("metadata", "expand")}
    if "metadata" in params:
        fields["metadata"] = merged(one["metadata"], params["metadata"])
    world.change(one, **fields)
    return one


def create_customer(world: World, params: Obj) -> Obj:
    fields = _fields(params)
    settings = fields.pop("invoice_settings", {})
    one = world.new("customer", **fields)
    one["invoice_prefix"] = f"{len(world.all('customer')):08X}"
    one["invoice_settings"] |= settings
    world.tell("customer.created", one)
    return one


def update_customer(world: World, params: Obj, id: str) -> Obj:
    one = world.get("customer", id)
    if "invoice_settings" in params:
        method = params["invoice_settings"].get("default_payment_method")
        if method and world.get("payment_method", method, "invoice_settings[default_payment_method]")["customer"] != id:
            raise Refused("The customer does not have this payment method.", "invoice_settings[default_payment_method]")
        params = params | {"invoice_settings": one["invoice_settings"] | params["invoice_settings"]}
    return updated(world, one, params)


def delete_customer(world: World, params: Obj, id: str) -> Obj:
    one = world.get("customer", id)
    world.tell("customer.deleted", one)
    one["deleted"] = True
    return {"id": id, "object": "customer", "deleted": True}


def list_customers(world: World, params: Obj) -> Obj:
    found = [one for one in world.all("customer") if not one.get("deleted")]
    return page([one for one in found if params.get("email") in (None, one["email"])], "/v1/customers", params)


def search_customers(world: World, params: Obj) -> Obj:
    """By one entry of their metadata. What is new is not found for a minute."""
    said = re.fullmatch(r"""metadata\[["'](\w+)["']\]:["']([^"']*)["']""", params["query"])
    if not said:
        raise Refused("We were unable to parse your search query.", "query")
    old = [one for one in world.all("customer") if one["created"] + SEARCHED_AFTER <= world.now and not one.get("deleted")]
    found = [one for one in old if one["metadata"].get(said[1]) == said[2]]
    return listed("/v1/customers/search", found[: params.get("limit", 10)]) | {"object": "search_result"}


def list_payment_methods(world: World, params: Obj, customer: str) -> Obj:
    world.get("customer", customer)
    return page(world.all("payment_method", customer=customer), f"/v1/customers/{customer}/payment_methods", params)


def create_product(world: World, params: Obj) -> Obj:
    if params.get("id") in world.objects:
        raise Refused("Product already exists.", "id", "resource_already_exists")
    one = world.new("product", **_fields(params))
    one["updated"] = world.now
    world.tell("product.created", one)
    return one


def update_product(world: World, params: Obj, id: str) -> Obj:
    return updated(world, world.get("product", id), params | {"updated": world.now})


def delete_product(world: World, params: Obj, id: str) -> Obj:
    one = world.get("product", id)
    if world.all("price", product=id):
        raise Refused("This product cannot be deleted because it has one or more user-created prices.", "id")
    world.tell("product.deleted", one)
    one["deleted"] = True
    return {"id": id, "object": "product", "deleted": True}


def list_products(world: World, params: Obj) -> Obj:
    found = [one for one in world.all("product") if not one.get("deleted") and params.get("active") in (None, one["active"])]
    return page([one for one in found if one["id"] in params.get("ids", (one["id"],))], "/v1/products", params)


def create_price(world: World, params: Obj) -> Obj:
    if ("product" in params) == ("product_data" in params):
        raise Refused("You must specify exactly one of these parameters: product, product_data.", "product", "parameter_missing")
    if "unit_amount" not in params:
        raise Refused("Missing required param: unit_amount.", "unit_amount", "parameter_missing")
    if params["unit_amount"] < 0:
        raise Refused("Invalid non-negative integer", "unit_amount", "parameter_invalid_integer")
    if params["currency"].lower() not in CURRENCIES:
        raise Refused(f"Invalid currency: {params['currency']}.", "currency")
    fields = _fields(params)
    if "product_data" in fields:
        fields["product"] = create_product(world, fields.pop("product_data"))["id"]
    world.get("product", fields["product"], "product")
    _take_lookup_key(world, fields)
    if recurring := fields.get("recurring"):
        whole = {"interval_count": 1, "usage_type": "licensed", "meter": None, "trial_period_days": None}
        fields |= {"type": "recurring", "recurring": whole | recurring}
    fields["unit_amount_decimal"] = str(fields["unit_amount"])
    one = world.new("price", **fields)
    world.tell("price.created", one)
    return one


def update_price(world: World, params: Obj, id: str) -> Obj:
    one = world.get("price", id)
    fields = dict(params)
    _take_lookup_key(world, fields, one)
    return updated(world, one, fields)


def list_prices(world: World, params: Obj) -> Obj:
    wanted = {name: params[name] for name in ("active", "product", "type", "currency") if name in params}
    found = [one for one in world.all("price", **wanted) if one["lookup_key"] in params.get("lookup_keys", (one["lookup_key"],))]
    for name, value in params.get("recurring", {}).items():
        found = [one for one in found if one["recurring"] and one["recurring"][name] == value]
    return page(found, "/v1/prices", params)


def _take_lookup_key(world: World, fields: Obj, own: Obj | None = None) -> None:
    """One price at most has a lookup key: it is moved only where the request says so."""
    transfers = fields.pop("transfer_lookup_key", False)
    key = fields.get("lookup_key")
    for other in world.all("price", lookup_key=key) if key else ():
        if other is own:
            continue
        if not transfers:
            raise Refused(f"A price (`{other['id']}`) already uses that lookup key.", "lookup_key")
        world.change(other, lookup_key=None)


def create_coupon(world: World, params: Obj) -> Obj:
    if ("percent_off" in params) == ("amount_off" in params):
        raise Refused("You must pass either `percent_off` or `amount_off`, and not both.", "percent_off")
    if "amount_off" in params and "currency" not in params:
        raise Refused("You must pass `currency` when passing `amount_off`.", "currency", "parameter_missing")
    if not 0 < params.get("percent_off", 1) <= 100:
        raise Refused("Invalid percent: must be above 0 and at most 100", "percent_off")
    if (params.get("duration") == "repeating") != ("duration_in_months" in params):
        raise Refused("You must pass `duration_in_months` for a repeating coupon only.", "duration_in_months")
    if params.get("id") in world.objects:
        raise Refused("Coupon already exists.", "id", "resource_already_exists")
    one = world.new("coupon", **_fields(params))
    world.tell("coupon.created", one)
    return one


def create_promotion_code(world: World, params: Obj) -> Obj:
    coupon = params["promotion"].get("coupon")
    if not coupon:
        raise Refused("Missing required param: promotion[coupon].", "promotion[coupon]", "parameter_missing")
    world.get("coupon", coupon, "promotion[coupon]")
    code = params.get("code") or f"CODE{len(world.all('promotion_code'))}"
    if any(one["active"] and one["code"].lower() == code.lower() for one in world.all("promotion_code")):
        raise Refused("An active promotion code with this code already exists.", "code")
    if customer := params.get("customer"):
        world.get("customer", customer, "customer")
    one = world.new("promotion_code", **(_fields(params) | {"code": code}))
    world.tell("promotion_code.created", one)
    return one


def list_promotion_codes(world: World, params: Obj) -> Obj:
    wanted = {name: params[name] for name in ("active", "customer") if name in params}
    found = world.all("promotion_code", **wanted)
    if code := params.get("code"):
        found = [one for one in found if one["code"].lower() == code.lower()]
    found = [one for one in found if params.get("coupon") in (None, one["promotion"]["coupon"])]
    return page(found, "/v1/promotion_codes", params)


def redeem(world: World, *, coupon: str | None = None, code: str | None = None, customer: str | None = None, at: str = "") -> Obj:
    """The discount of one redemption; `code` is the id of a promotion code. Raises: Refused 400, what is spent or over."""
    if code:
        promotion = world.get("promotion_code", code, at)
        over = promotion["expires_at"] is not None and promotion["expires_at"] <= world.now
        spent = promotion["max_redemptions"] is not None and promotion["times_redeemed"] >= promotion["max_redemptions"]
        foreign = promotion["customer"] not in (None, customer)
        if not promotion["active"] or over or spent or foreign:
            raise Refused("This promotion code is not valid.", at, "promotion_code_not_valid")
        coupon = promotion["promotion"]["coupon"]
        promotion["times_redeemed"] += 1
    found = world.get("coupon", str(coupon), at)
    if found["max_redemptions"] is not None and found["times_redeemed"] >= found["max_redemptions"]:
        raise Refused("Coupon expired.", at, "coupon_expired")
    found["times_redeemed"] += 1
    source = {"type": "coupon", "coupon": found["id"]}
    return world.new("discount", customer=customer, promotion_code=code, source=source, start=world.now)


def off(world: World, discount: Obj, amount: int) -> int:
    """What a discount takes from an amount, in its smallest unit."""
    coupon = world.objects[discount["source"]["coupon"]]
    percent = coupon["percent_off"]
    return min(amount, int(coupon["amount_off"]) if percent is None else round(amount * percent / 100))


def _fields(params: Obj) -> Obj:
    fields = {name: value for name, value in params.items() if name != "expand" and value != ""}
    return fields | {"metadata": merged({}, fields.get("metadata"))}
