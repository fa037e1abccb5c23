"""Every route, as it is declared in code: tests that go through them cover a new one by themselves."""

from typing import Any

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from entrypoints.http.app import ROUTES
from entrypoints.http.auth import access_of, routes
from tests.world import new_id

HANDLERS = [(path, handler) for path, handler in routes(Litestar(list(ROUTES), openapi_config=None))]
GUARDED = [(path, handler) for path, handler in HANDLERS if access_of(handler)]


def at(path: str, id: str | None = None) -> str:
    """The address of a route, with this id or one that names nothing."""
    parameter = parameter_of(path)
    return path.replace(f"{{{parameter}}}", "sandbox" if parameter == "provider" else id or str(new_id()))


def parameter_of(path: str) -> str:
    """The one in a route's path; empty if it has none."""
    return path.partition("{")[2].partition("}")[0]


def method_of(handler: HTTPRouteHandler) -> str:
    return str(next(iter(handler.http_methods)))


def problem_of(told: dict[str, Any]) -> str:
    """The public name of a refusal, whichever of the two shapes it has."""
    if "error" not in told:
        return str(told["type"]).removeprefix("/problems/")
    code = str(told["error"]["code"])
    return {"invalid_api_key": "unauthenticated", "invalid_value": "invalid-request"}.get(code, code.replace("_", "-"))
