"""Who takes the money, wired. A part of the wiring in a file of its own, with what the sandbox's pages speak to."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from dishka import Provider, Scope, provide, provide_all

from adapters.keyring import Keyring
from adapters.payments import sandbox_pages as sandbox_pages
from adapters.payments.sandbox import Deliver as Deliver
from adapters.payments.sandbox import SandboxPayments as SandboxPayments
from adapters.payments.sandbox_delivery import PostToWebhook
from adapters.payments.sandbox_pages import Act as Act
from adapters.payments.sandbox_pages import Outcome as Outcome
from adapters.payments.sandbox_reading import CHECKOUT as CHECKOUT
from adapters.payments.sandbox_reading import PORTAL as PORTAL
from adapters.payments.sandbox_reading import RECEIPTS as RECEIPTS
from adapters.payments.sandbox_state import Card as Card
from adapters.postgres.billing_queries import PostgresBillingQueries
from adapters.postgres.session import Pool
from adapters.postgres.store import PostgresStore
from application.access import AccessStore
from application.billing import ConvergePurchase, ConvergeSubscription
from application.billing_desk import CancelByHand, ReplayHints, SyncCatalogue
from application.billing_queries import BillingQueries
from application.buying import CancelSubscription, ChangePlan, CheckOut, Follow, OpenPortal, ResumeSubscription
from application.hints import HandleHints, HearWebhook, TakeHint
from application.payments import Payments
from application.ports import Clock, NewId
from application.promotions import RedeemPromotion
from application.reconciliation import PollPayments
from application.refunds import FinishRefunds, RefundPurchase
from application.store import Store
from application.top_up import ChangeTopUp, ShowTopUp, WatchCredits
from application.turns import InTurn
from domain.catalogue import Catalogue
from domain.redirects import OwnPages
from entrypoints.crash_points import CrashPoints
from entrypoints.settings import Settings

WEBHOOK = "/webhooks/stripe"


class Billing(Provider):
    """Whoever wires the rest brings the store, the catalogue and the keyring."""

    scope = Scope.APP
    converging = provide_all(ConvergePurchase, ConvergeSubscription, TakeHint, HearWebhook)
    top_ups = provide_all(ShowTopUp, ChangeTopUp)
    buying = provide_all(CheckOut, OpenPortal, Follow, ChangePlan, CancelSubscription, ResumeSubscription)
    desk = provide_all(SyncCatalogue, ReplayHints, CancelByHand, RefundPurchase)

    @provide
    def own_pages(self, settings: Settings) -> OwnPages:
        return OwnPages(settings.reached_at, settings.origins)

    @provide
    def billing_queries(self, pool: Pool) -> BillingQueries:
        return PostgresBillingQueries(pool)

    @provide
    def clock(self) -> Clock:
        return lambda: datetime.now(UTC)

    @provide
    def sandbox(self, settings: Settings, catalogue: Catalogue, keyring: Keyring, clock: Clock) -> SandboxPayments:
        path, secrets = settings.data_dir / "payments.json", [keyring.derive("sandbox payments", 24).hex()]
        return SandboxPayments(path, catalogue, settings.reached_at, secrets, clock, origins=settings.origins)

    @provide
    def deliver(self, settings: Settings) -> Deliver:
        return PostToWebhook(settings.own_url + WEBHOOK)

    @provide
    async def payments(self, settings: Settings, sandbox: SandboxPayments, points: CrashPoints) -> AsyncIterator[Payments]:
        if not settings.stripe_secret_key:
            yield points.wrap("Payments", sandbox)
            return
        from adapters.payments.stripe_payments import StripePayments  # an import that nobody else waits for

        key, secrets, url = settings.stripe_secret_key, settings.webhook_secrets, settings.stripe_base_url
        async with StripePayments.opened(key, secrets, automatic_tax=settings.stripe_automatic_tax, base_url=url) as stripe:
            yield points.wrap("Payments", stripe)

    @provide
    def redeem_promotion(self, store: AccessStore, catalogue: Catalogue, keyring: Keyring) -> RedeemPromotion:
        return RedeemPromotion(store, catalogue, keyring.purpose("trials"))

    @provide
    def handle_hints(self, store: PostgresStore, payments: Payments, catalogue: Catalogue, points: CrashPoints) -> HandleHints:
        by = points.wrap("Store", store, "HandleHints")
        return HandleHints(by, payments, *_converging(by, payments, catalogue))

    @provide
    def watch_credits(
        self, store: PostgresStore, payments: Payments, catalogue: Catalogue, new_id: NewId, points: CrashPoints
    ) -> WatchCredits:
        by = points.wrap("Store", store, "WatchCredits")
        return WatchCredits(by, payments, catalogue, ConvergePurchase(by, payments, catalogue), new_id)

    @provide
    def finish_refunds(
        self, store: PostgresStore, payments: Payments, catalogue: Catalogue, points: CrashPoints
    ) -> FinishRefunds:
        by = points.wrap("Store", store, "FinishRefunds")
        return FinishRefunds(by, payments, ConvergePurchase(by, payments, catalogue))

    @provide
    def in_turn(self, store: PostgresStore, new_id: NewId) -> InTurn:
        return InTurn(store, new_id())

    @provide
    def poll(self, store: PostgresStore, payments: Payments, catalogue: Catalogue, points: CrashPoints) -> PollPayments:
        by = points.wrap("Store", store, "PollPayments")
        return PollPayments(by, payments, catalogue, TakeHint(by), *_converging(by, payments, catalogue))


def _converging(store: Store, payments: Payments, catalogue: Catalogue) -> tuple[ConvergePurchase, ConvergeSubscription]:
    return ConvergePurchase(store, payments, catalogue), ConvergeSubscription(store, payments, catalogue)
