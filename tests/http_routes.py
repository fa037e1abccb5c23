"""Every route, as it is declared in code: tests that go through them cover a new one by themselves."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from entrypoints.http.app import ROUTES
from entrypoints.http.auth import access_of, routes
from tests.world import new_id

HANDLERS = [(path, handler) for path, handler in routes(Litestar(list(ROUTES), openapi_config=None))]
GUARDED = [(path, handler) for path, handler in HANDLERS if access_of(handler)]


def at(path: str, id: str | None = None, more: Mapping[str, str] = MappingProxyType({})) -> str:
    """The address of a route, with this id or one that names nothing; where it has two, the second is one of `more`."""
    parameter = parameter_of(path)
    first = path.replace(f"{{{parameter}}}", "sandbox" if parameter == "provider" else id or str(new_id()))
    second = parameter_of(first)
    return first.replace(f"{{{second}}}", more.get(second) or str(new_id())) if second else first


def parameter_of(path: str) -> str:
    """The first in a route's path; empty if it has none."""
    return path.partition("{")[2].partition("}")[0]


def method_of(handler: HTTPRouteHandler) -> str:
    return str(next(iter(handler.http_methods)))


def problem_of(told: dict[str, Any]) -> str:
    """The public name of a refusal, whichever of the two shapes it has."""
    if "error" not in told:
        return str(told["type"]).removeprefix("/problems/")
    code = str(told["error"]["code"])
    return {"invalid_api_key": "unauthenticated", "invalid_value": "invalid-request"}.get(code, code.replace("_", "-"))
