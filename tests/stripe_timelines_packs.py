"""Timelines of single payments: packs bought, given back, disputed; see stripe_timelines."""

from tests.stripe_stage import Stage, bought, timeline

THIRDS = (333, 333, 334)


@timeline(bought(("pack", 1000)))
def pack_bought(stage: Stage) -> None:
    stage.buy("pack")


@timeline(bought(("pack", 3000)))
def three_packs_in_one_line(stage: Stage) -> None:
    stage.buy("pack", quantity=3)


@timeline(bought(("pack", 1000), ("big_pack", 5000)))
def two_kinds_of_pack_in_one_session(stage: Stage) -> None:
    stage.buy("pack", "big_pack")


@timeline(bought(("pack", 1000)), bought(("pack", 1000)))
def two_packs_one_after_the_other(stage: Stage) -> None:
    stage.buy("pack")
    stage.buy("pack")


@timeline(bought(("pack", 1000)))
def session_complete_before_its_webhook(stage: Stage) -> None:
    """The customer is back at our page at once: whoever reads the session there finds it paid before any event is delivered."""
    assert stage.pay(stage.session("pack"))["payment_status"] == "paid"


@timeline()
def session_left_and_expired(stage: Stage) -> None:
    stage.act("leave", stage.session("pack"))
    stage.days(2)


@timeline(bought(("pack", 1000)))
def card_declined_then_another_at_the_page(stage: Stage) -> None:
    session = stage.session("pack")
    stage.pay(session, "declined")
    stage.pay(session, "insufficient")
    stage.pay(session)


@timeline(bought(("pack", 1000)))
def confirmed_at_the_page(stage: Stage) -> None:
    stage.pay(stage.session("pack"), "authenticate")


@timeline()
def not_confirmed_at_the_page(stage: Stage) -> None:
    stage.pay(stage.session("pack"), "authenticate", confirms=False)
    stage.days(2)


@timeline(bought(("pack", 1000)))
def bank_debit_succeeds_days_later(stage: Stage) -> None:
    session = stage.pay(stage.session("pack"), "debit")
    assert (session["status"], session["payment_status"]) == ("complete", "unpaid")
    stage.days(4)
    stage.act("settle", session["payment_intent"], ok=True)


@timeline()
def bank_debit_fails_days_later(stage: Stage) -> None:
    session = stage.pay(stage.session("pack"), "debit")
    stage.days(4)
    stage.act("settle", session["payment_intent"], ok=False)


@timeline(bought(("pack", 500)))
def pack_with_half_off(stage: Stage) -> None:
    stage.pay(stage.session("pack", allow_promotion_codes=True), code=stage.promotion(percent_off=50))


@timeline(bought(("pack", 0)))
def pack_for_nothing(stage: Stage) -> None:
    stage.pay(stage.session("pack", allow_promotion_codes=True), code=stage.promotion(percent_off=100))


@timeline(bought(("pack", 1000)))
def pack_with_an_invoice_as_receipt(stage: Stage) -> None:
    """A session and an invoice tell of the same money: one purchase."""
    stage.buy("pack", invoice_creation={"enabled": True})


@timeline(bought(("pack", 1000), paid=1200, reversed=600))
def pack_with_tax_half_refunded(stage: Stage) -> None:
    stage.act("settings", tax_percent=20)
    customer_update = {"address": "auto"}
    stage.act("refund", stage.buy("pack", automatic_tax={"enabled": True}, customer_update=customer_update), 600)


@timeline(bought(("pack", 1000), reversed=1000))
def pack_refunded(stage: Stage) -> None:
    stage.act("refund", stage.buy("pack"))


@timeline(bought(("pack", 1000), reversed=1000))
def pack_refunded_thrice_by_a_third(stage: Stage) -> None:
    charge = stage.buy("pack")
    for amount in THIRDS:
        stage.act("refund", charge, amount)


@timeline(bought(("pack", 1000), reversed=400))
def refund_pending(stage: Stage) -> None:
    """A refund stands from the moment it is asked for until it fails."""
    stage.act("refund", stage.buy("pack"), 400, status="pending")


@timeline(bought(("pack", 1000)))
def refund_pending_then_failed(stage: Stage) -> None:
    refund = stage.act("refund", stage.buy("pack"), 400, status="pending")
    stage.days(3)
    stage.act("end_refund", refund["id"], "failed")


@timeline(bought(("pack", 1000), reversed=300))
def refund_succeeded_then_failed_beside_another(stage: Stage) -> None:
    charge = stage.buy("pack")
    failing = stage.act("refund", charge, 500)
    stage.act("refund", charge, 300)
    stage.act("end_refund", failing["id"], "failed")


@timeline(bought(("pack", 1000)))
def refund_canceled(stage: Stage) -> None:
    refund = stage.act("refund", stage.buy("pack"), status="requires_action")
    stage.act("end_refund", refund["id"], "canceled")


@timeline(bought(("pack", 1000)))
def dispute_opened_funds_still_ours(stage: Stage) -> None:
    stage.act("dispute", stage.buy("pack"), withdrawn=False)


@timeline(bought(("pack", 1000)))
def inquiry_answered_and_closed(stage: Stage) -> None:
    inquiry = stage.act("dispute", stage.buy("pack"), inquiry=True)["id"]
    stage.act("respond", inquiry)
    stage.act("close_dispute", inquiry, "warning_closed")


@timeline(bought(("pack", 1000), reversed=1000))
def inquiry_becomes_a_dispute(stage: Stage) -> None:
    stage.act("withdraw", stage.act("dispute", stage.buy("pack"), inquiry=True)["id"])


@timeline(bought(("pack", 1000), reversed=1000))
def dispute_withdrawn(stage: Stage) -> None:
    stage.act("dispute", stage.buy("pack"))


@timeline(bought(("pack", 1000)))
def dispute_won(stage: Stage) -> None:
    dispute = stage.act("dispute", stage.buy("pack"))["id"]
    stage.act("respond", dispute)
    stage.days(60)
    stage.act("close_dispute", dispute, "won")
    stage.act("reinstate", dispute)


@timeline(bought(("pack", 1000), reversed=1000))
def dispute_won_funds_not_back_yet(stage: Stage) -> None:
    dispute = stage.act("dispute", stage.buy("pack"))["id"]
    stage.act("close_dispute", dispute, "won")


@timeline(bought(("pack", 1000), reversed=1000))
def dispute_lost(stage: Stage) -> None:
    stage.act("close_dispute", stage.act("dispute", stage.buy("pack"))["id"], "lost")


@timeline(bought(("pack", 1000), reversed=1000))
def refund_during_an_inquiry(stage: Stage) -> None:
    charge = stage.buy("pack")
    inquiry = stage.act("dispute", charge, inquiry=True)["id"]
    stage.act("refund", charge)
    stage.act("close_dispute", inquiry, "warning_closed")


@timeline(bought(("pack", 1000), reversed=1000))
def half_refunded_then_all_of_it_disputed(stage: Stage) -> None:
    charge = stage.buy("pack")
    stage.act("refund", charge, 500)
    stage.act("dispute", charge)


@timeline(bought(("pack", 1000), reversed=500))
def half_refunded_then_disputed_and_won(stage: Stage) -> None:
    charge = stage.buy("pack")
    stage.act("refund", charge, 500)
    dispute = stage.act("dispute", charge)["id"]
    stage.act("close_dispute", dispute, "won")
    stage.act("reinstate", dispute)


@timeline(bought(("pack", 1000), reversed=700))
def part_refunded_and_part_disputed(stage: Stage) -> None:
    charge = stage.buy("pack")
    stage.act("refund", charge, 300)
    stage.act("dispute", charge, 400)


@timeline(bought(("pack", 1000)))
def top_up_by_invoice(stage: Stage) -> None:
    stage.act("new_card", stage.customer)
    stage.ask("post", f"/v1/invoices/{_top_up(stage)}/pay")


@timeline()
def top_up_declined(stage: Stage) -> None:
    stage.act("new_card", stage.customer, "declined")
    stage.ask("post", f"/v1/invoices/{_top_up(stage)}/finalize")


def _top_up(stage: Stage) -> str:
    stage.ask("post", "/v1/invoiceitems", customer=stage.customer, pricing={"price": stage.price("pack")})
    return str(stage.ask("post", "/v1/invoices", customer=stage.customer, pending_invoice_items_behavior="include")["id"])
