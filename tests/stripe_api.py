"""The operations of Stripe that are pretended: which function performs each, and which of its parameters that function honours.

A parameter that Stripe takes and nothing here honours is refused with 501 and not ignored: a test must not pass by our ignorance.
"""

from collections.abc import Callable
from fnmatch import fnmatch
from typing import Any
from urllib.parse import urlencode

from stripe._encode import _api_encode

from tests import stripe_catalogue as catalogue
from tests import stripe_checkout as checkout
from tests import stripe_invoices as invoices
from tests import stripe_money as money
from tests import stripe_subscription_calls as subscriptions
from tests.stripe_params import Operation, Refused, find, read
from tests.stripe_shapes import Obj
from tests.stripe_world import World, page

Perform = Callable[..., Obj]
PAGE = "created ending_before limit starting_after"


def _retrieve(kind: str) -> Perform:
    def retrieve(world: World, params: Obj, id: str) -> Obj:
        gone = world.objects.get(id, {})
        if gone.get("deleted") and gone["object"] == kind:
            return {"id": id, "object": kind, "deleted": True}
        return world.get(kind, id)

    return retrieve


def _update(kind: str) -> Perform:
    return lambda world, params, id: catalogue.updated(world, world.get(kind, id), params)


def _list(kind: str, url: str, *by: str) -> Perform:
    def find_all(world: World, params: Obj) -> Obj:
        return page(world.all(kind, **{name: params[name] for name in by if name in params}), url, params)

    return find_all


def _list_events(world: World, params: Obj) -> Obj:
    """Those of the last 30 days."""
    types = params.get("types", [params["type"]] if "type" in params else ["*"])
    if "type" in params and "types" in params:
        raise Refused("You may only specify one of these parameters: type, types.", "type")
    if len(types) > 20:
        raise Refused("You can pass 20 types at most.", "types")
    found = [one for one in world.events if one["created"] > world.now - 30 * 86400]
    found = [one for one in found if any(fnmatch(one["type"], each) for each in types)]
    if "delivery_success" in params:
        found = [one for one in found if (one["id"] not in world.undelivered) == params["delivery_success"]]
    return page(found, "/v1/events", params)


_CUSTOMER = "address description email invoice_settings metadata name phone preferred_locales tax_exempt"
_PRODUCT = "active description images metadata name statement_descriptor tax_code unit_label url"
_PRICE = "active lookup_key metadata nickname tax_behavior transfer_lookup_key"
_SESSION = (
    "allow_promotion_codes automatic_tax billing_address_collection cancel_url client_reference_id customer customer_email"
    " customer_update discounts expires_at invoice_creation line_items locale metadata mode payment_intent_data"
    " payment_method_collection payment_method_types subscription_data success_url tax_id_collection"
)
_SUBSCRIPTION = (
    "automatic_tax default_payment_method description discounts items metadata payment_behavior trial_end trial_settings"
)

ROUTES: dict[str, tuple[Perform, str]] = {
    "post /v1/customers": (catalogue.create_customer, _CUSTOMER),
    "get /v1/customers": (catalogue.list_customers, f"{PAGE} email"),
    "get /v1/customers/search": (catalogue.search_customers, "limit page query"),
    "get /v1/customers/{customer}": (_retrieve("customer"), ""),
    "post /v1/customers/{customer}": (catalogue.update_customer, _CUSTOMER),
    "delete /v1/customers/{customer}": (catalogue.delete_customer, ""),
    "get /v1/customers/{customer}/payment_methods": (catalogue.list_payment_methods, f"{PAGE} type"),
    "get /v1/payment_methods/{payment_method}": (_retrieve("payment_method"), ""),
    "post /v1/products": (catalogue.create_product, f"{_PRODUCT} id"),
    "get /v1/products": (catalogue.list_products, f"{PAGE} active ids"),
    "get /v1/products/{id}": (_retrieve("product"), ""),
    "post /v1/products/{id}": (catalogue.update_product, _PRODUCT),
    "delete /v1/products/{id}": (catalogue.delete_product, ""),
    "post /v1/prices": (catalogue.create_price, f"{_PRICE} currency product product_data recurring unit_amount"),
    "get /v1/prices": (catalogue.list_prices, f"{PAGE} active currency lookup_keys product recurring type"),
    "get /v1/prices/{price}": (_retrieve("price"), ""),
    "post /v1/prices/{price}": (catalogue.update_price, _PRICE),
    "post /v1/coupons": (
        catalogue.create_coupon,
        "amount_off currency duration duration_in_months id max_redemptions metadata name percent_off redeem_by",
    ),
    "get /v1/coupons": (_list("coupon", "/v1/coupons"), PAGE),
    "get /v1/coupons/{coupon}": (_retrieve("coupon"), ""),
    "post /v1/promotion_codes": (
        catalogue.create_promotion_code,
        "active code customer expires_at max_redemptions metadata promotion",
    ),
    "get /v1/promotion_codes": (catalogue.list_promotion_codes, f"{PAGE} active code coupon customer"),
    "get /v1/promotion_codes/{promotion_code}": (_retrieve("promotion_code"), ""),
    "post /v1/promotion_codes/{promotion_code}": (_update("promotion_code"), "active metadata"),
    "post /v1/checkout/sessions": (checkout.create, _SESSION),
    "get /v1/checkout/sessions": (checkout.list_sessions, f"{PAGE} customer payment_intent status subscription"),
    "get /v1/checkout/sessions/{session}": (_retrieve("checkout.session"), ""),
    "get /v1/checkout/sessions/{session}/line_items": (checkout.list_line_items, PAGE),
    "post /v1/checkout/sessions/{session}/expire": (checkout.expire, ""),
    "post /v1/billing_portal/sessions": (checkout.create_portal, "configuration customer locale return_url"),
    "get /v1/billing_portal/configurations": (
        _list("billing_portal.configuration", "/v1/billing_portal/configurations", "active", "is_default"),
        f"{PAGE} active is_default",
    ),
    "post /v1/billing_portal/configurations": (checkout.create_configuration, "features metadata name"),
    "post /v1/billing_portal/configurations/{configuration}": (
        checkout.update_configuration,
        "active features metadata name",
    ),
    "post /v1/subscriptions": (subscriptions.create, f"{_SUBSCRIPTION} customer trial_period_days"),
    "get /v1/subscriptions": (subscriptions.list_all, f"{PAGE} customer price status"),
    "get /v1/subscriptions/{subscription_exposed_id}": (_retrieve("subscription"), ""),
    "post /v1/subscriptions/{subscription_exposed_id}": (
        subscriptions.update,
        f"{_SUBSCRIPTION} billing_cycle_anchor cancel_at cancel_at_period_end pause_collection proration_behavior",
    ),
    "delete /v1/subscriptions/{subscription_exposed_id}": (subscriptions.cancel, "cancellation_details invoice_now prorate"),
    "post /v1/subscriptions/{subscription}/resume": (subscriptions.resume, "billing_cycle_anchor proration_behavior"),
    "post /v1/invoiceitems": (invoices.create_invoice_item, "customer description invoice metadata pricing quantity"),
    "post /v1/invoices": (
        invoices.create_invoice,
        "auto_advance automatic_tax customer default_payment_method description metadata pending_invoice_items_behavior",
    ),
    "get /v1/invoices": (subscriptions.list_invoices, f"{PAGE} collection_method customer status subscription"),
    "get /v1/invoices/{invoice}": (_retrieve("invoice"), ""),
    "post /v1/invoices/{invoice}": (_update("invoice"), "auto_advance description metadata"),
    "delete /v1/invoices/{invoice}": (subscriptions.delete_invoice, ""),
    "get /v1/invoices/{invoice}/lines": (subscriptions.list_lines, PAGE),
    "post /v1/invoices/{invoice}/finalize": (subscriptions.finalize_invoice, ""),
    "post /v1/invoices/{invoice}/pay": (subscriptions.pay_invoice, "off_session paid_out_of_band payment_method"),
    "post /v1/invoices/{invoice}/void": (subscriptions.void_invoice, ""),
    "post /v1/invoices/{invoice}/mark_uncollectible": (subscriptions.give_up_invoice, ""),
    "get /v1/invoice_payments": (subscriptions.list_invoice_payments, f"{PAGE} invoice payment status"),
    "get /v1/invoice_payments/{invoice_payment}": (_retrieve("invoice_payment"), ""),
    "post /v1/payment_intents": (
        money.create_intent,
        "amount confirm currency customer description metadata off_session payment_method payment_method_types receipt_email",
    ),
    "get /v1/payment_intents": (_list("payment_intent", "/v1/payment_intents", "customer"), f"{PAGE} customer"),
    "get /v1/payment_intents/{intent}": (_retrieve("payment_intent"), ""),
    "post /v1/payment_intents/{intent}/confirm": (money.confirm_intent, "off_session payment_method"),
    "post /v1/payment_intents/{intent}/cancel": (money.cancel_intent, "cancellation_reason"),
    "get /v1/charges": (_list("charge", "/v1/charges", "customer", "payment_intent"), f"{PAGE} customer payment_intent"),
    "get /v1/charges/{charge}": (_retrieve("charge"), ""),
    "post /v1/refunds": (money.create_refund, "amount charge metadata payment_intent reason"),
    "get /v1/refunds": (_list("refund", "/v1/refunds", "charge", "payment_intent"), f"{PAGE} charge payment_intent"),
    "get /v1/refunds/{refund}": (_retrieve("refund"), ""),
    "post /v1/refunds/{refund}/cancel": (money.cancel_refund, ""),
    "get /v1/disputes": (_list("dispute", "/v1/disputes", "charge", "payment_intent"), f"{PAGE} charge payment_intent"),
    "get /v1/disputes/{dispute}": (_retrieve("dispute"), ""),
    "post /v1/disputes/{dispute}/close": (money.accept_dispute, ""),
    "get /v1/events": (_list_events, f"{PAGE} delivery_success type types"),
    "get /v1/events/{id}": (_retrieve("event"), ""),
}
"""By verb and path, as the SDK writes it."""


def understand(verb: str, path: str, body: str) -> tuple[Operation, tuple[str, ...], Obj]:
    """The operation, the ids in its path, its typed parameters. Raises: Refused, and nothing was done."""
    operation, ids = find(verb, path)
    params = read(operation, body)
    route = ROUTES.get(f"{operation.verb} {operation.template}")
    if route is None:
        raise Refused(f"{operation.verb} {operation.template} is not pretended.", status=501, type="api_error")
    for name in params:
        if name not in (*route[1].split(), "expand"):
            raise Refused(f"{operation.template} does not honour {name}.", name, status=501, type="api_error")
    return operation, ids, params


def perform(world: World, operation: Operation, ids: tuple[str, ...], params: Obj) -> Obj:
    """Do it, and answer as `expand` asks. Raises: Refused."""
    answer = ROUTES[f"{operation.verb} {operation.template}"][0](world, params, *ids)
    paths = params.get("expand", [])
    if answer.get("object") != "list":
        return answer if answer.get("deleted") else world.expanded(answer, paths)
    if wrong := [path for path in paths if not path.startswith("data.")]:
        raise Refused(f"This property cannot be expanded ({wrong[0]}).", "expand[0]")
    members = [world.expanded(one, [path.removeprefix("data.") for path in paths]) for one in answer["data"]]
    return answer | {"data": members}


def ask(world: World, verb: str, path: str, params: Obj | None = None) -> Any:
    """An operation from inside, as a person at the dashboard has it done: parameters are written to a form and read again."""
    written = urlencode(list(_api_encode(params or {})))
    return perform(world, *understand(verb, path, written))
