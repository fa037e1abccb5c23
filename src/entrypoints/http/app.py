"""The HTTP applications: the API, and the small one on the operations port."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from dishka import AsyncContainer
from dishka.integrations.litestar import setup_dishka
from litestar import Litestar, Response, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler

from entrypoints.http import (
    account_page,
    accounts,
    api_keys,
    archives,
    asking,
    billing,
    bulk,
    collections,
    credits,
    direct_uploads,
    events,
    files,
    generations,
    hints,
    library,
    lineage,
    media,
    models,
    operations,
    promotions,
    quotes,
    receipts,
    sandbox_page,
    sandbox_payments_pages,
    signing_in,
    statistics,
    top_up,
    verification,
    webhook_endpoints,
)
from entrypoints.http.addresses import Proxies
from entrypoints.http.auth import PUBLIC, declare_gates, guard, routes
from entrypoints.http.bounds import NO_BODY, Bounded, declare_bounds
from entrypoints.http.compatible import edits, images
from entrypoints.http.cookies import named
from entrypoints.http.cors import Cors
from entrypoints.http.envelope import Envelope
from entrypoints.http.openapi import document
from entrypoints.http.outlook import Outlooks
from entrypoints.http.problems import EXCEPTION_HANDLERS
from entrypoints.http.rate_limits import Limited
from entrypoints.http.streams import Streams
from entrypoints.http.uploads import Uploads

MOST_VERIFIED = 8
"""At once: strangers never take the places of those who bring pictures in."""

ROUTES: tuple[HTTPRouteHandler, ...] = (
    models.list_models,
    models.show_model,
    images.generate_images,
    edits.edit_images,
    quotes.quote,
    asking.request_generation,
    asking.retry_generation,
    generations.list_generations,
    generations.show_generation,
    events.follow_generation,
    receipts.show_receipt,
    generations.cancel_generation,
    generations.delete_generation,
    library.change_generation,
    library.restore_generation,
    lineage.show_lineage,
    lineage.recall_generation,
    bulk.act_on_many,
    statistics.show_statistics,
    collections.list_collections,
    collections.make_collection,
    collections.show_collection,
    collections.change_collection,
    collections.list_items,
    collections.put_item,
    collections.remove_item,
    collections.remove_collection,
    media.upload,
    direct_uploads.begin_upload,
    direct_uploads.complete_upload,
    media.list_media,
    media.show_media,
    media.show_content,
    media.delete_media,
    archives.request_archive,
    archives.show_archive,
    verification.verify,
    credits.show_credits,
    credits.list_transfers,
    billing.list_plans,
    billing.check_out,
    billing.open_portal,
    billing.show_subscription,
    billing.change_subscription,
    billing.cancel_subscription,
    billing.resume_subscription,
    billing.list_transactions,
    signing_in.list_providers,
    signing_in.start,
    signing_in.callback,
    signing_in.begin_link,
    signing_in.sign_out,
    api_keys.list_keys,
    api_keys.make_key,
    api_keys.revoke_key,
    accounts.show_me,
    accounts.change_me,
    accounts.unlink_identity,
    accounts.list_sessions,
    accounts.end_session,
    accounts.end_every_session,
    top_up.show_top_up,
    top_up.set_top_up,
    promotions.redeem,
    webhook_endpoints.list_endpoints,
    webhook_endpoints.make_endpoint,
    webhook_endpoints.change_endpoint,
    webhook_endpoints.remove_endpoint,
    webhook_endpoints.rotate_secret,
    webhook_endpoints.try_endpoint,
    webhook_endpoints.list_deliveries,
    webhook_endpoints.redeliver,
    hints.hear_stripe,
    operations.live,
    operations.ready,
)


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """`public_url` goes before links that are only paths (no slash at its end; empty: they stay paths). `serves_files`: the store
    of objects has no server of its own, so its links lead here. `sandbox_sign_in`: nor is there a provider to sign in with.
    `sandbox_payments`: nor one that takes money. `limited`: callers are held to rates, by the address that these `proxies` of
    ours tell."""

    version: str
    public_url: str = ""
    serves_files: bool = True
    sandbox_sign_in: bool = True
    sandbox_payments: bool = True
    origins: Sequence[str] = ()
    """Whose pages may call with a key: `https://studio.example`. None of them can bring a session along."""
    limited: bool = True
    proxies: Proxies = Proxies()
    heartbeat_seconds: float = 15.0
    """Between the signs of life of a stream, and the looks at who follows a generation."""

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")


def create_app(container: AsyncContainer, config: HttpConfig) -> Litestar:
    """The API. The container is closed by whoever opened it. Raises AccessUndeclared, or BoundsUndeclared."""
    return served(routed(config), container, config)


def routed(config: HttpConfig) -> Litestar:
    """Its routes, with nothing behind them yet."""
    linked = (files.show_file, files.put_file) if config.serves_files else ()
    sandbox = (sandbox_page.show_page, sandbox_page.answer_page) if config.sandbox_sign_in else ()
    payments = sandbox_payments_pages.PAGES if config.sandbox_payments else ()
    return _routed((*ROUTES, *account_page.PAGES, *linked, *sandbox, *payments, _openapi(config)))


def served(app: Litestar, container: AsyncContainer, config: HttpConfig) -> Litestar:
    """The routes with this behind them."""
    _wire(app, container, config)
    app.state.streams = Streams(config.heartbeat_seconds)
    if config.limited:
        free = frozenset(path for path, handler in routes(app) if handler.opt.get("free"))
        app.asgi_handler = Limited(app.asgi_handler, container, config.proxies, free)
    if config.origins:
        app.asgi_handler = Cors(app.asgi_handler, config.origins)
    return _enveloped(app, https=config.is_https)


def create_operations_app(container: AsyncContainer) -> Litestar:
    """Health in detail and metrics, for a port that only operators reach."""
    app = _routed((operations.health, operations.metrics))
    _wire(app, container, HttpConfig(""))
    return _enveloped(app)


def _routed(handlers: tuple[HTTPRouteHandler, ...]) -> Litestar:
    app = Litestar(
        list(handlers),
        guards=[guard],
        middleware=[Bounded],
        exception_handlers=EXCEPTION_HANDLERS,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    declare_gates(app)
    declare_bounds(app)
    return app


def _wire(app: Litestar, container: AsyncContainer, config: HttpConfig) -> None:
    app.state = State(
        {
            "uploads": Uploads(),
            "verifications": Uploads(most=MOST_VERIFIED),
            "edits": Uploads(edits.MOST, edits.MOST_BYTES),
            "public_url": config.public_url,
            "heartbeat_seconds": config.heartbeat_seconds,
            "readiness": operations.Readiness(),
            "listing": models.Listing(),
            "outlooks": Outlooks(),
        }
    )
    setup_dishka(container, app)


def _enveloped(app: Litestar, *, https: bool = False) -> Litestar:
    app.asgi_handler = Envelope(app.asgi_handler, _methods(app), https=https)
    return app


def _methods(app: Litestar) -> dict[str, set[str]]:
    methods = dict[str, set[str]]()
    for path, handler in routes(app):
        methods.setdefault(path, set()).update(handler.http_methods)
    return methods


def _openapi(config: HttpConfig) -> HTTPRouteHandler:
    @cache
    def made() -> bytes:
        return document(ROUTES, config.version, named("session", secure=config.is_https))

    @get("/openapi.json", include_in_schema=False, opt={"access": PUBLIC, "bounds": NO_BODY}, sync_to_thread=True)
    def openapi() -> Response[bytes]:
        return Response(made(), media_type="application/json")

    return openapi
