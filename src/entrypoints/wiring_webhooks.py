"""Webhooks to callers, wired. A part of the wiring in a file of its own."""

import random
import secrets
from datetime import timedelta

from dishka import Provider, Scope, provide, provide_all

from adapters.postgres.session import Pool
from adapters.postgres.store import PostgresStore
from adapters.postgres.webhook_queries import PostgresWebhookQueries
from application.ports import NewId
from application.webhook_deliveries import ForgetDeliveries, SendWebhooks, WebhookPost
from application.webhook_endpoints import AddEndpoint, ChangeEndpoint, Redeliver, RemoveEndpoint, RotateSecret, TryEndpoint
from application.webhooks import WebhookQueries, WebhookStore
from entrypoints.crash_points import CrashPoints
from entrypoints.observed import ObservedWebhooks
from entrypoints.settings import Settings


class Webhooks(Provider):
    """Whoever wires the rest brings the pool and the store."""

    scope = Scope.APP
    endpoints = provide_all(TryEndpoint, Redeliver)

    @provide
    def webhook_store(self, postgres: PostgresStore, points: CrashPoints) -> WebhookStore:
        return points.wrap("WebhookStore", postgres)

    @provide
    def webhook_queries(self, pool: Pool) -> WebhookQueries:
        return PostgresWebhookQueries(pool)

    @provide
    def add_endpoint(self, store: WebhookStore, new_id: NewId, settings: Settings) -> AddEndpoint:
        return AddEndpoint(store, new_id, secrets.token_bytes, settings.webhook_allow_private)

    @provide
    def change_endpoint(self, store: WebhookStore, settings: Settings) -> ChangeEndpoint:
        return ChangeEndpoint(store, settings.webhook_allow_private)

    @provide
    def remove_endpoint(self, store: WebhookStore) -> RemoveEndpoint:
        return RemoveEndpoint(store)

    @provide
    def rotate_secret(self, store: WebhookStore) -> RotateSecret:
        return RotateSecret(store, secrets.token_bytes)

    @provide
    def webhook_post(self, settings: Settings) -> WebhookPost:
        from adapters.webhook_post import HttpWebhookPost  # with its trust store: only a worker sends

        allow = settings.webhook_allow_private
        return ObservedWebhooks(HttpWebhookPost.by_system_names(settings.webhook_seconds, allow_private=allow))

    @provide
    def send_webhooks(self, store: PostgresStore, post: WebhookPost, settings: Settings, points: CrashPoints) -> SendWebhooks:
        by, patience = "SendWebhooks", timedelta(seconds=2 * settings.webhook_seconds)
        return SendWebhooks(points.wrap("Store", store, by), points.wrap("WebhookPost", post, by), random.random, patience)

    @provide
    def forget_deliveries(self, store: PostgresStore, points: CrashPoints) -> ForgetDeliveries:
        return ForgetDeliveries(points.wrap("Store", store, "ForgetDeliveries"))
