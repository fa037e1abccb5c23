"""The OpenAPI 3.1 document, made from the routes: Litestar writes the operations, msgspec the shapes it enforces, and each
route's declarations become its security and its refusals.
"""

from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_origin

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Tag

from entrypoints.http import shapes
from entrypoints.http.auth import Access, Person, access_of, routes
from entrypoints.http.compatible.errors import MEDIA_TYPE as OPENAI_MEDIA_TYPE
from entrypoints.http.compatible.errors import speaks_openai
from entrypoints.http.compatible.shapes import OpenAIError
from entrypoints.http.problems import MEDIA_TYPE

_WHY = {
    400: "What was sent is not acceptable.",
    401: "A valid API key or session is needed.",
    402: "There are not enough credits, or credits are owed; or a payment is due, or was declined.",
    403: "The API key lacks a scope, or a person must (again) sign in for this; or the account is frozen.",
    404: "There is no such thing here.",
    408: "The body did not arrive in time.",
    409: "As things stand, this cannot be done.",
    410: "This existed and was deleted.",
    413: "The body is too large.",
    415: "The body is not of the right type.",
    422: "The idempotency key was used for another request, or the picture breaks a rule that the type names.",
    429: "Too many at once, too many lately, or too many refused or refunded; Retry-After says when to ask again.",
    500: "Something went wrong on our side.",
    503: "Not available for the moment; Retry-After says when to ask again.",
    504: "It goes on, and can be waited for once more: x-generation-id names it.",
}
_DESCRIPTION = (
    "Pictures made and edited by AI models, paid in credits. Credits are integers, times are UTC (RFC 3339), ids are UUIDs. "
    "Refusals are application/problem+json with a stable `type`. Every answer carries X-Request-Id."
)
_NEEDS = {
    Person.SESSION: "For signed-in people; a key cannot do this.",
    Person.FRESH: "For people who signed in within the last 15 minutes; a key cannot do this.",
}
_REF = "#/components/schemas/"
_HEADERS = "#/components/headers/"
_RATES = {
    "RateLimit-Policy": "Each limit this request counts for (key, account, address): quota `q`, and window `w` in seconds.",
    "RateLimit": "What is left of each (`r`), and the seconds until it is whole again (`t`). A read counts 1, a write 5, and so "
    "does each picture asked for.",
}
"""As draft-ietf-httpapi-ratelimit-headers writes them; an installation may limit nobody, so none is required."""
_ID = "X-Request-Id"
_EVENT = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("id", "event", "data")},
    "required": ["event", "data"],
}
"""Of a stream, each: what readers of `text/event-stream` make of its lines."""


def document(handlers: Iterable[HTTPRouteHandler], version: str, session_cookie: str) -> bytes:
    """The whole document as JSON. Takes some 100 ms, so it is made when it is first asked for."""
    described = Litestar(list(handlers), openapi_config=_config(version, session_cookie), logging_config=None)
    made = described.openapi_schema.to_schema()
    for path, handler in routes(described):
        if handler.resolve_include_in_schema() and path in made["paths"]:
            for method in handler.http_methods:
                _declare(made["paths"][path][method.lower()], handler, path)
    made["components"]["schemas"].update(_shapes(handlers))
    made["components"]["headers"] = {
        name: {"description": meaning, "schema": {"type": "string"}} for name, meaning in _RATES.items()
    } | {_ID: {"description": "also in our logs", "required": True, "schema": {"type": "string"}}}
    return msgspec.json.encode(made)


def _config(version: str, session_cookie: str) -> OpenAPIConfig:
    return OpenAPIConfig(
        title="GPT Image 2",
        version=version,
        description=_DESCRIPTION,
        use_handler_docstrings=True,
        render_plugins=[JsonRenderPlugin()],
        components=Components(
            security_schemes={
                "key": SecurityScheme(type="http", scheme="bearer", description="an API key"),
                "session": SecurityScheme(
                    type="apiKey",
                    security_scheme_in="cookie",
                    name=session_cookie,
                    description="a signed-in browser; unsafe requests must come from the service's own pages",
                ),
            }
        ),
        tags=[Tag(name) for name in ("catalogue", "generations", "library", "media", "credits", "billing", "accounts", "health")],
    )


def _declare(operation: dict[str, Any], handler: HTTPRouteHandler, path: str) -> None:
    """Security and refusals of one operation. Litestar's own 400 shape is not ours."""
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _without_null(parameter["schema"])
    if form := handler.opt.get("form"):
        operation["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": form}}}
    if shape := handler.opt.get("json"):
        as_json = {"schema": {"$ref": f"{_REF}{shape.__name__}"}}
        operation["requestBody"]["content"]["application/json"] = as_json
    if handler.opt.get("bare"):
        operation["requestBody"]["required"] = False
    access = access_of(handler)
    refusals = {500, 503, *handler.opt.get("refusals", ())}
    if access:
        operation["security"] = [{"session": []}] if isinstance(access, Person) else [{"key": []}, {"session": []}]
        operation["description"] = f"{operation.get('description', '')} {_needs(access)}".strip()
        refusals |= {401, 403}
    if limited := not handler.opt.get("free"):
        refusals |= {429}
    if operation.get("parameters") or operation.get("requestBody"):
        refusals |= {400}
    if operation.get("requestBody"):
        refusals |= {408, 413, 415}
    answers = {status: said for status, said in operation["responses"].items() if status.startswith(("2", "3"))}
    for status in answers:
        if status == "204" or status.startswith("3"):
            answers[status].pop("content", None)
    if told := handler.opt.get("told"):
        data = "; ".join(f"of `{event}`: {_REF}{struct.__name__}" for event, struct in told.items())
        answers["200"]["content"]["text/event-stream"] = {"schema": _EVENT | {"description": f"`data` {data}"}}
    if handler.opt.get("page"):
        answers["200"]["content"]["text/html"] = {"schema": {"type": "string"}}
    if headers := answers.get(str(handler.status_code), {}).get("headers"):
        for said in answers.values():
            said["headers"] = headers
    for header in (header for said in answers.values() for header in said.get("headers", {}).values()):
        header["schema"] = {"type": "string"}
    operation["responses"] = answers | {
        str(status): _refusal(status, compatible=speaks_openai(path)) for status in sorted(refusals)
    }
    named = {name: {"$ref": f"{_HEADERS}{name}"} for name in (_ID, *(_RATES if limited else ()))}
    for said in operation["responses"].values():
        said["headers"] = said.get("headers", {}) | named


def _needs(access: Access) -> str:
    return _NEEDS[access] if isinstance(access, Person) else f"Needs the scope `{access}`."


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter is sent or left out; there is no null in an address."""
    choices = [choice for choice in schema.pop("oneOf", ()) if choice != {"type": "null"}]
    return {**choices[0], **schema} if len(choices) == 1 else {**schema, **({"oneOf": choices} if choices else {})}


def _refusal(status: int, *, compatible: bool) -> dict[str, Any]:
    kind, shape = (OPENAI_MEDIA_TYPE, "OpenAIError") if compatible else (MEDIA_TYPE, "Problem")
    said: dict[str, Any] = {"description": _WHY[status], "content": {kind: {"schema": {"$ref": f"{_REF}{shape}"}}}}
    if status in (429, 503) and not compatible:
        said["headers"] = {"Retry-After": {"description": "seconds", "required": True, "schema": {"type": "integer"}}}
    if status == 401:
        said["headers"] = {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}}
    return said


def _shapes(handlers: Iterable[HTTPRouteHandler]) -> Mapping[str, Any]:
    """Every struct a route reads or writes, as msgspec enforces it: Litestar leaves out some of its bounds."""
    kinds: set[Any] = {shapes.Problem, OpenAIError}
    for handler in handlers:
        if shape := handler.opt.get("json"):
            kinds.add(shape)
        if handler.parsed_data_field:
            kinds |= _structs(handler.parsed_data_field.annotation)
        kinds |= _structs(handler.parsed_return_field.annotation) | set(handler.opt.get("told", {}).values())
    _, components = msgspec.json.schema_components(kinds, ref_template=_REF + "{name}")
    return components


def _structs(kind: Any) -> set[Any]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return {kind}
    if get_origin(kind) is not None or get_args(kind):
        return {struct for inner in get_args(kind) for struct in _structs(inner)}
    return set[Any]()
