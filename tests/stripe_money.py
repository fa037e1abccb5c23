"""How money moves at the pretended Stripe: cards, payment intents and their charges, refunds, disputes.

A payment intent goes from requires_payment_method to succeeded, to requires_action (a person has to confirm), or to processing
(a bank takes days); a declined one goes back to where it began. What that means for invoices and sessions is told by others.
"""

from typing import Any

from tests.stripe_catalogue import merged
from tests.stripe_params import Refused
from tests.stripe_shapes import Obj
from tests.stripe_world import World

CARDS = {
    "good": "4242",
    "declined": "0002",
    "insufficient": "9995",
    "expired": "0069",
    "authenticate": "3155",
    "debit": "3000",
}
"""What a customer may pay with, by its last four digits. `authenticate` asks a person each time; `debit` takes days."""
_DECLINES = {
    "declined": ("card_declined", "generic_decline", "Your card was declined."),
    "insufficient": ("card_declined", "insufficient_funds", "Your card has insufficient funds."),
    "expired": ("expired_card", "expired_card", "Your card has expired."),
    "debit": ("payment_intent_payment_attempt_failed", "debit_not_authorized", "The bank did not pay."),
}
LEAST = 50
"""The least that can be charged."""
DISPUTE_FEE = 2000


def add_card(world: World, customer: str | None, card: str, *, default: bool = True) -> Obj:
    """Attach a new card of this behaviour; as the customer's default, the next payment takes it."""
    one = world.new("payment_method", customer=customer)
    one["card"]["last4"], world.cards[one["id"]] = CARDS[card], card
    if customer:
        world.tell("payment_method.attached", one)
        if default:
            owner = world.get("customer", customer)
            world.change(owner, invoice_settings=owner["invoice_settings"] | {"default_payment_method": one["id"]})
    return one


def new_intent(world: World, amount: int, currency: str, **fields: Any) -> Obj:
    one = world.new("payment_intent", amount=amount, currency=currency, **fields)
    one["client_secret"] = f"{one['id']}_secret_x"
    world.tell("payment_intent.created", one)
    return one


def attempt(world: World, intent: Obj, method: str, *, present: bool = False) -> str:
    """Try to pay with this method, and answer the status. `present`: the customer confirms at once what asks for it."""
    card = world.cards[method]
    intent["payment_method"] = method
    if card == "authenticate" and not present:
        world.change(intent, "payment_intent.requires_action", status="requires_action", next_action={"type": "use_stripe_sdk"})
    elif card == "debit":
        charge = _charge(world, intent, status="pending", paid=True)
        world.tell("charge.pending", charge)
        world.change(intent, "payment_intent.processing", status="processing", latest_charge=charge["id"])
    elif card in _DECLINES:
        _decline(world, intent, _charge(world, intent, status="failed"), card)
    else:
        _succeed(world, intent, _charge(world, intent, status="pending"))
    return str(intent["status"])


def authenticate(world: World, intent: Obj, ok: bool) -> str:
    """The customer confirms, or fails to."""
    assert intent["status"] == "requires_action", intent["status"]
    if ok:
        _succeed(world, intent, _charge(world, intent, status="pending"))
    else:
        error = {"type": "invalid_request_error", "code": "payment_intent_authentication_failure", "message": "Not confirmed."}
        world.change(
            intent,
            "payment_intent.payment_failed",
            status="requires_payment_method",
            next_action=None,
            last_payment_error=error,
        )
    return str(intent["status"])


def settle(world: World, intent: Obj, ok: bool) -> str:
    """The bank answers, days later."""
    assert intent["status"] == "processing", intent["status"]
    charge = world.objects[intent["latest_charge"]]
    if ok:
        _succeed(world, intent, charge)
    else:
        charge["status"], charge["paid"] = "failed", False
        _decline(world, intent, charge, "debit")
    return str(intent["status"])


def card_error(world: World, intent: Obj | None, card: str) -> Refused:
    """The answer 402 of a request that could not be paid."""
    if card == "authenticate":
        code, decline, message = (
            "authentication_required",
            "authentication_required",
            "This payment must be confirmed by a person.",
        )
    else:
        code, decline, message = _DECLINES[card]
    more = {"payment_intent": world.expanded(intent, []), "charge": intent["latest_charge"]} if intent else {}
    return Refused(message, None, code, status=402, type="card_error", decline_code=decline, **more)


def _charge(world: World, intent: Obj, **fields: Any) -> Obj:
    named = ("amount", "currency", "customer", "description", "payment_method", "receipt_email")
    about = {name: intent[name] for name in named} | {"metadata": dict(intent["metadata"])}
    one = world.new("charge", payment_intent=intent["id"], **about, **fields)
    intent["latest_charge"] = one["id"]
    return one


def _succeed(world: World, intent: Obj, charge: Obj) -> None:
    charge |= {"status": "succeeded", "paid": True, "captured": True, "amount_captured": charge["amount"]}
    charge["receipt_url"] = f"https://pay.stripe.com/receipts/{charge['id']}"
    charge["balance_transaction"] = world.new_id("txn")
    world.tell("charge.succeeded", charge)
    world.change(
        intent,
        "payment_intent.succeeded",
        status="succeeded",
        amount_received=intent["amount"],
        next_action=None,
        last_payment_error=None,
    )


def _decline(world: World, intent: Obj, charge: Obj, card: str) -> None:
    code, decline, message = _DECLINES[card]
    charge |= {"failure_code": code, "failure_message": message}
    world.tell("charge.failed", charge)
    error = {"type": "card_error", "code": code, "decline_code": decline, "message": message, "charge": charge["id"]}
    world.change(intent, "payment_intent.payment_failed", status="requires_payment_method", last_payment_error=error)


def cancel_intent(world: World, params: Obj, id: str) -> Obj:
    one = world.get("payment_intent", id)
    if one["status"] in ("succeeded", "canceled", "processing"):
        why = f"You cannot cancel this PaymentIntent because it has a status of {one['status']}."
        raise Refused(why, None, "payment_intent_unexpected_state")
    fields = {"canceled_at": world.now, "cancellation_reason": params.get("cancellation_reason"), "next_action": None}
    world.change(one, "payment_intent.canceled", status="canceled", **fields)
    return one


def create_intent(world: World, params: Obj) -> Obj:
    """A payment without a page: what a top-up asks for. Raises: Refused 402 as the card says."""
    if params["amount"] < LEAST:
        raise Refused(f"Amount must be at least {LEAST}.", "amount", "amount_too_small")
    if customer := params.get("customer"):
        world.get("customer", customer, "customer")
    method = params.get("payment_method")
    if method and world.get("payment_method", method, "payment_method")["customer"] != customer:
        raise Refused("The payment method does not belong to the customer.", "payment_method")
    if params.get("off_session") and not params.get("confirm"):
        raise Refused("off_session can only be used with confirm=true.", "off_session")
    if params.get("confirm") and not method:
        raise Refused("You cannot confirm this PaymentIntent because it's missing a payment method.", "payment_method")
    fields = {name: params[name] for name in ("customer", "description", "payment_method", "receipt_email") if name in params}
    intent = new_intent(world, params["amount"], params["currency"], metadata=merged({}, params.get("metadata")), **fields)
    if params.get("confirm"):
        confirm_intent(world, params, intent["id"])
    return intent


def confirm_intent(world: World, params: Obj, id: str) -> Obj:
    intent = world.get("payment_intent", id)
    if intent["status"] not in ("requires_payment_method", "requires_confirmation"):
        why = f"This PaymentIntent's status is {intent['status']}, so it cannot be confirmed."
        raise Refused(why, None, "payment_intent_unexpected_state")
    method = params.get("payment_method") or intent["payment_method"]
    status = attempt(world, intent, str(method))
    if status == "requires_payment_method" or (status == "requires_action" and params.get("off_session")):
        raise card_error(world, intent, world.cards[str(method)])
    return intent


def create_refund(world: World, params: Obj) -> Obj:
    """Money given back. Its outcome is the account's setting `refund`: succeeded, or pending until somebody says more."""
    if ("charge" in params) == ("payment_intent" in params):
        raise Refused("You must provide exactly one of: charge, payment_intent.", "charge", "parameter_missing")
    if named := params.get("payment_intent"):
        intent = world.get("payment_intent", named, "payment_intent")
        if not intent["latest_charge"]:
            raise Refused("This PaymentIntent does not have a successful charge to refund.", "payment_intent")
        charge = world.objects[intent["latest_charge"]]
    else:
        charge = world.get("charge", params["charge"], "charge")
    if charge["status"] != "succeeded":
        raise Refused("This charge cannot be refunded: it has not succeeded.", "charge")
    if any(one["is_charge_refundable"] is False for one in world.all("dispute", charge=charge["id"])):
        raise Refused(f"Charge {charge['id']} has been charged back; cannot issue a refund.", None, "charge_disputed")
    left = charge["amount"] - charge["amount_refunded"]
    amount = params.get("amount", left)
    if left == 0:
        raise Refused(f"Charge {charge['id']} has already been refunded.", None, "charge_already_refunded")
    if amount < 1:
        raise Refused("Invalid positive integer", "amount", "parameter_invalid_integer")
    if amount > left:
        raise Refused(f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", "amount")
    fields = {"charge": charge["id"], "payment_intent": charge["payment_intent"], "reason": params.get("reason")}
    status = world.settings["refund"]
    metadata = merged({}, params.get("metadata"))
    one = world.new("refund", amount=amount, currency=charge["currency"], status=status, metadata=metadata, **fields)
    _count_refunds(world, charge)
    world.tell("refund.created", one)
    world.tell("charge.refunded", charge)
    return one


def end_refund(world: World, refund: Obj, status: str) -> None:
    """What becomes of it: succeeded, failed (the money is ours again) or canceled. A card refund may fail after it succeeded."""
    assert status in ("succeeded", "failed", "canceled")
    assert refund["status"] in ("pending", "requires_action", "succeeded"), refund["status"]
    world.change(refund, status=status, failure_reason="expired_or_canceled_card" if status == "failed" else None)
    if status == "failed":
        world.tell("refund.failed", refund)
    charge = world.objects[refund["charge"]]
    before = charge["amount_refunded"]
    _count_refunds(world, charge)
    world.tell("charge.refund.updated", refund)
    if charge["amount_refunded"] != before:
        world.tell("charge.updated", charge, {"amount_refunded": before})


def cancel_refund(world: World, params: Obj, id: str) -> Obj:
    one = world.get("refund", id)
    if one["status"] != "requires_action":
        raise Refused(f"Refund with status {one['status']} cannot be canceled.", None, "refund_not_cancelable")
    end_refund(world, one, "canceled")
    return one


def _count_refunds(world: World, charge: Obj) -> None:
    standing = sum(
        one["amount"] for one in world.all("refund", charge=charge["id"]) if one["status"] not in ("failed", "canceled")
    )
    charge["amount_refunded"], charge["refunded"] = standing, standing == charge["amount"]


def open_dispute(world: World, charge: Obj, amount: int | None = None, *, inquiry: bool = False) -> Obj:
    """The bank asks: an inquiry only warns. No money moves by this."""
    assert charge["status"] == "succeeded"
    one = world.new(
        "dispute",
        amount=charge["amount"] if amount is None else amount,
        charge=charge["id"],
        currency=charge["currency"],
        is_charge_refundable=inquiry,
        payment_intent=charge["payment_intent"],
        status="warning_needs_response" if inquiry else "needs_response",
    )
    one["evidence_details"]["due_by"] = world.now + 14 * 86400
    charge["disputed"] = True
    world.tell("charge.dispute.created", one)
    return one


def withdraw(world: World, dispute: Obj) -> None:
    """The bank takes the money. An inquiry becomes a dispute by it."""
    assert not dispute["balance_transactions"]
    dispute["balance_transactions"].append(_moved(world, dispute, -dispute["amount"], DISPUTE_FEE))
    if dispute["status"].startswith("warning"):
        world.change(dispute, status="needs_response", is_charge_refundable=False)
    world.tell("charge.dispute.funds_withdrawn", dispute)


def respond(world: World, dispute: Obj) -> None:
    world.change(dispute, status="warning_under_review" if dispute["status"].startswith("warning") else "under_review")


def close_dispute(world: World, dispute: Obj, status: str) -> None:
    """won, lost, or warning_closed. What was won is ours only once it is reinstated."""
    assert status in ("won", "lost", "warning_closed")
    assert dispute["status"] not in ("won", "lost", "warning_closed"), dispute["status"]
    world.change(dispute, "charge.dispute.closed", status=status)


def reinstate(world: World, dispute: Obj) -> None:
    assert len(dispute["balance_transactions"]) == 1
    dispute["balance_transactions"].append(_moved(world, dispute, dispute["amount"], 0))
    world.tell("charge.dispute.funds_reinstated", dispute)


def accept_dispute(world: World, params: Obj, id: str) -> Obj:
    one = world.get("dispute", id)
    if one["status"] in ("won", "lost", "warning_closed"):
        raise Refused("This dispute is already closed.", None, "dispute_already_closed")
    close_dispute(world, one, "lost")
    return one


def _moved(world: World, dispute: Obj, amount: int, fee: int) -> Obj:
    about = {"currency": dispute["currency"], "source": dispute["id"], "available_on": world.now}
    if rate := world.settings["rate"]:
        amount, about = round(amount * rate), about | {"currency": "gbp", "exchange_rate": rate}
    return world.new("balance_transaction", amount=amount, fee=fee, net=amount - fee, **about)
