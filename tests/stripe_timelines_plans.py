"""Timelines of subscriptions: begun, renewed, unpaid, changed, cancelled; see stripe_timelines."""

from tests.stripe_stage import Stage, bought, timeline

STARTER, PRO = bought(("starter", 900)), bought(("pro", 2900))


@timeline(STARTER)
def first_subscription(stage: Stage) -> None:
    stage.subscribe("starter")


@timeline(STARTER, STARTER)
def renewal(stage: Stage) -> None:
    stage.to_renewal(stage.subscribe("starter"))


@timeline(*[STARTER] * 13)
def a_year_of_renewals(stage: Stage) -> None:
    stage.subscribe("starter")
    stage.days(366)


@timeline(STARTER, STARTER)
def renewal_declined_then_paid_with_another_card(stage: Stage) -> None:
    subscription = stage.subscribe("starter")
    stage.act("new_card", stage.customer, "declined")
    stage.to_renewal(subscription)
    assert stage.world.objects[subscription]["status"] == "past_due"
    stage.act("new_card", stage.customer)
    stage.days(3)
    assert stage.world.objects[subscription]["status"] == "active"


@timeline(STARTER)
def renewal_declined_until_it_is_cancelled(stage: Stage) -> None:
    subscription = stage.subscribe("starter")
    stage.act("new_card", stage.customer, "insufficient")
    stage.to_renewal(subscription, 20)
    assert stage.world.objects[subscription]["status"] == "canceled"


@timeline(STARTER, STARTER)
def unpaid_then_paid(stage: Stage) -> None:
    stage.act("settings", after_retries="unpaid")
    subscription = stage.subscribe("starter")
    stage.act("new_card", stage.customer, "declined")
    invoice = stage.to_renewal(subscription, 20)
    assert stage.world.objects[subscription]["status"] == "unpaid"
    stage.act("new_card", stage.customer)
    stage.act("pay_invoice", invoice["id"])


@timeline(STARTER, STARTER)
def renewal_asks_for_a_confirmation_and_gets_it(stage: Stage) -> None:
    subscription = stage.subscribe("starter", card="authenticate")
    stage.act("authenticate", stage.intent_of(stage.to_renewal(subscription)))


@timeline(STARTER)
def renewal_asks_for_a_confirmation_in_vain(stage: Stage) -> None:
    stage.to_renewal(stage.subscribe("starter", card="authenticate"))


@timeline(STARTER, STARTER)
def card_replaced_before_the_renewal(stage: Stage) -> None:
    subscription = stage.subscribe("starter")
    stage.act("new_card", stage.customer)
    stage.to_renewal(subscription)


@timeline(STARTER, bought(("starter", -450), ("pro", 1450)), PRO)
def upgrade_in_the_middle_billed_at_once(stage: Stage) -> None:
    subscription = stage.subscribe("starter")
    stage.to_middle(subscription)
    stage.act("switch", subscription, stage.price("pro"))
    stage.to_renewal(subscription)


@timeline(STARTER, bought(("starter", -450), ("pro", 1450), ("pro", 2900)))
def upgrade_in_the_middle_billed_at_the_renewal(stage: Stage) -> None:
    subscription = stage.subscribe("starter")
    stage.to_middle(subscription)
    stage.act("switch", subscription, stage.price("pro"), "create_prorations")
    stage.to_renewal(subscription)


@timeline(STARTER)
def upgrade_declined(stage: Stage) -> None:
    subscription = stage.subscribe("starter")
    stage.act("new_card", stage.customer, "declined")
    stage.to_middle(subscription)
    stage.act("switch", subscription, stage.price("pro"))
    assert stage.world.objects[subscription]["status"] == "past_due"


@timeline(PRO, STARTER)
def downgrade_at_the_period_end(stage: Stage) -> None:
    subscription = stage.subscribe("pro")
    stage.to_middle(subscription)
    stage.act("switch", subscription, stage.price("starter"), "none")
    stage.to_renewal(subscription)


@timeline(PRO, bought(("pro", -1450), ("starter", 450), paid=0), bought(("starter", 900), paid=0))
def downgrade_at_once_for_credit(stage: Stage) -> None:
    """The credit of 1000 pays the renewal of 900; 100 of it are left."""
    subscription = stage.subscribe("pro")
    stage.to_middle(subscription)
    stage.act("switch", subscription, stage.price("starter"))
    stage.to_renewal(subscription)
    assert stage.world.objects[stage.customer]["balance"] == -100


@timeline(STARTER, bought(("starter", -450), ("pro", 1450)), bought(("pro", -1450), ("starter", 450), paid=0))
def upgrade_and_back_in_one_period(stage: Stage) -> None:
    subscription = stage.subscribe("starter")
    stage.to_middle(subscription)
    stage.act("switch", subscription, stage.price("pro"))
    stage.act("switch", subscription, stage.price("starter"))


@timeline(STARTER, bought(("starter", -450), ("starter_year", 9000)))
def monthly_to_yearly(stage: Stage) -> None:
    subscription = stage.subscribe("starter")
    stage.to_middle(subscription)
    stage.act("switch", subscription, stage.price("starter_year"))


@timeline(STARTER)
def cancelled_at_the_period_end(stage: Stage) -> None:
    subscription = stage.subscribe("starter")
    stage.act("cancel", subscription)
    stage.days(40)
    assert stage.world.objects[subscription]["status"] == "canceled"


@timeline(STARTER, STARTER)
def cancelled_at_the_period_end_and_resumed(stage: Stage) -> None:
    subscription = stage.subscribe("starter")
    stage.act("cancel", subscription)
    stage.days(3)
    stage.act("resume", subscription)
    stage.to_renewal(subscription)


@timeline(bought(("starter", 900), reversed=450))
def cancelled_now_with_a_refund(stage: Stage) -> None:
    subscription = stage.subscribe("starter")
    stage.to_middle(subscription)
    charge = stage.charge_of(subscription)
    stage.act("cancel", subscription, at_period_end=False)
    stage.act("refund", charge, 450)


@timeline(STARTER, bought(("starter", -450), paid=0))
def cancelled_now_for_credit(stage: Stage) -> None:
    subscription = stage.subscribe("starter")
    stage.to_middle(subscription)
    stage.ask("delete", f"/v1/subscriptions/{subscription}", prorate="true", invoice_now="true")


@timeline(STARTER, STARTER)
def subscribed_again_after_the_end(stage: Stage) -> None:
    stage.act("cancel", stage.subscribe("starter"), at_period_end=False)
    stage.subscribe("starter")


@timeline(bought(("starter", 0)), STARTER)
def trial_then_paid(stage: Stage) -> None:
    stage.to_renewal(stage.subscribe("starter", subscription_data={"trial_period_days": 7}))


@timeline(bought(("starter", 0)))
def trial_cancelled_in_time(stage: Stage) -> None:
    stage.act("cancel", stage.subscribe("starter", subscription_data={"trial_period_days": 7}))
    stage.days(10)


@timeline(bought(("starter", 0)), STARTER)
def trial_without_a_card_pauses_then_resumes(stage: Stage) -> None:
    ends = {"end_behavior": {"missing_payment_method": "pause"}}
    items = [{"price": stage.price("starter")}]
    asked = {"customer": stage.customer, "items": items, "trial_period_days": 7, "trial_settings": ends}
    subscription = stage.ask("post", "/v1/subscriptions", **asked)["id"]
    stage.days(8)
    assert stage.world.objects[subscription]["status"] == "paused"
    stage.act("new_card", stage.customer)
    stage.ask("post", f"/v1/subscriptions/{subscription}/resume")


@timeline(bought(("starter", 0)), STARTER)
def first_month_for_nothing(stage: Stage) -> None:
    session = stage.session("starter", allow_promotion_codes=True)
    subscription = stage.pay(session, code=stage.promotion(percent_off=100, duration="once"))["subscription"]
    stage.to_renewal(subscription)


@timeline(bought(("starter", 600)), bought(("starter", 600)))
def three_off_for_ever(stage: Stage) -> None:
    coupon = stage.ask("post", "/v1/coupons", amount_off=300, currency="usd", duration="forever")["id"]
    stage.to_renewal(stage.subscribe("starter", discounts=[{"coupon": coupon}]))


@timeline(STARTER, PRO)
def two_subscriptions_at_once(stage: Stage) -> None:
    stage.subscribe("starter")
    stage.subscribe("pro")


@timeline(bought(("pack", 1000), ("starter", 900)), STARTER)
def subscription_with_a_pack_in_its_session(stage: Stage) -> None:
    stage.to_renewal(stage.subscribe("pack", "starter"))


@timeline(STARTER)
def subscription_by_debit_succeeds(stage: Stage) -> None:
    session = stage.pay(stage.session("starter"), "debit")
    stage.act("settle", stage.intent_of(stage.world.objects[session["invoice"]]), ok=True)


@timeline()
def subscription_by_debit_fails(stage: Stage) -> None:
    session = stage.pay(stage.session("starter"), "debit")
    stage.act("settle", stage.intent_of(stage.world.objects[session["invoice"]]), ok=False)
    assert stage.world.objects[session["subscription"]]["status"] == "past_due"


@timeline(STARTER)
def renewal_voided(stage: Stage) -> None:
    subscription = stage.subscribe("starter")
    stage.act("new_card", stage.customer, "declined")
    stage.ask("post", f"/v1/invoices/{stage.to_renewal(subscription)['id']}/void")


@timeline(STARTER, STARTER)
def renewal_paid_out_of_band(stage: Stage) -> None:
    subscription = stage.subscribe("starter")
    stage.act("new_card", stage.customer, "declined")
    stage.ask("post", f"/v1/invoices/{stage.to_renewal(subscription)['id']}/pay", paid_out_of_band="true")


@timeline(STARTER, STARTER)
def renewal_uncollectible_then_paid(stage: Stage) -> None:
    subscription = stage.subscribe("starter")
    stage.act("new_card", stage.customer, "declined")
    invoice = stage.to_renewal(subscription)["id"]
    stage.ask("post", f"/v1/invoices/{invoice}/mark_uncollectible")
    stage.act("new_card", stage.customer)
    stage.act("pay_invoice", invoice)


@timeline(STARTER, bought(("starter", 900), reversed=900))
def renewal_disputed_and_lost(stage: Stage) -> None:
    subscription = stage.subscribe("starter")
    stage.to_renewal(subscription)
    stage.act("close_dispute", stage.act("dispute", stage.charge_of(subscription))["id"], "lost")


@timeline(STARTER)
def collection_paused(stage: Stage) -> None:
    subscription = stage.subscribe("starter")
    stage.ask("post", f"/v1/subscriptions/{subscription}", pause_collection={"behavior": "void"})
    stage.days(70)


@timeline()
def never_paid_and_expired(stage: Stage) -> None:
    _incomplete(stage)
    stage.days(2)
    assert stage.world.all("subscription")[0]["status"] == "incomplete_expired"


@timeline(STARTER)
def incomplete_then_paid(stage: Stage) -> None:
    invoice = _incomplete(stage)
    stage.act("new_card", stage.customer)
    stage.act("pay_invoice", invoice)


def _incomplete(stage: Stage) -> str:
    asked = {"customer": stage.customer, "items": [{"price": stage.price("starter")}]}
    return str(stage.ask("post", "/v1/subscriptions", **asked, payment_behavior="default_incomplete")["latest_invoice"])
