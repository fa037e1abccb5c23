"""The HTTP applications: the API, and the small one on the operations port."""

from dataclasses import dataclass
from functools import cache

from dishka import AsyncContainer
from dishka.integrations.litestar import setup_dishka
from litestar import Litestar, Response, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler

from domain.limits import LIMITS
from entrypoints.http import asking, credits, generations, media, models, operations, quotes
from entrypoints.http.auth import PUBLIC, declare_gates, guard, routes
from entrypoints.http.envelope import Envelope
from entrypoints.http.openapi import document
from entrypoints.http.outlook import Outlooks
from entrypoints.http.problems import EXCEPTION_HANDLERS
from entrypoints.http.uploads import Uploads

ROUTES: tuple[HTTPRouteHandler, ...] = (
    models.list_models,
    quotes.quote,
    asking.request_generation,
    asking.retry_generation,
    generations.list_generations,
    generations.show_generation,
    generations.cancel_generation,
    generations.delete_generation,
    media.upload,
    media.list_media,
    media.show_media,
    media.show_content,
    media.delete_media,
    credits.show_credits,
    credits.list_transfers,
    operations.live,
    operations.ready,
)


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """`public_url` goes before links that are only paths (no slash at its end; empty: they stay paths). `serves_files`: the store
    of objects has no server of its own, so its links lead here."""

    version: str
    public_url: str = ""
    serves_files: bool = True


def create_app(container: AsyncContainer, config: HttpConfig) -> Litestar:
    """The API. The container is closed by whoever opened it. Raises AccessUndeclared."""
    files = (media.show_file,) if config.serves_files else ()
    return _app((*ROUTES, *files, _openapi(config.version)), container, config.public_url)


def create_operations_app(container: AsyncContainer) -> Litestar:
    """Health in detail and metrics, for a port that only operators reach."""
    return _app((operations.health, operations.metrics), container, "")


def _app(handlers: tuple[HTTPRouteHandler, ...], container: AsyncContainer, public_url: str) -> Litestar:
    app = Litestar(
        list(handlers),
        guards=[guard],
        exception_handlers=EXCEPTION_HANDLERS,
        request_max_body_size=LIMITS["body_bytes"],
        openapi_config=None,
        logging_config=None,
        debug=False,
        state=State(
            {
                "uploads": Uploads(),
                "public_url": public_url,
                "readiness": operations.Readiness(),
                "listing": models.Listing(),
                "outlooks": Outlooks(),
            }
        ),
    )
    declare_gates(app)
    setup_dishka(container, app)
    app.asgi_handler = Envelope(app.asgi_handler, _methods(app))
    return app


def _methods(app: Litestar) -> dict[str, set[str]]:
    methods = dict[str, set[str]]()
    for path, handler in routes(app):
        methods.setdefault(path, set()).update(handler.http_methods)
    return methods


def _openapi(version: str) -> HTTPRouteHandler:
    @cache
    def made() -> bytes:
        return document(ROUTES, version)

    @get("/openapi.json", include_in_schema=False, opt={"access": PUBLIC}, sync_to_thread=True)
    def openapi() -> Response[bytes]:
        return Response(made(), media_type="application/json")

    return openapi
