"""Whatever stands in an address or beside a body and cannot be: every parameter of every route, by what it is declared to be.

A new route is covered by itself; a parameter of a new kind fails until there is garbage of that kind here, and a new list until
somebody has two of its things.
"""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Union, get_args, get_origin
from urllib.parse import quote
from uuid import UUID

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler
from litestar.params import HeaderParameter, QueryParameter

from domain.accounts import Mode
from entrypoints.http.auth import Person, access_of
from entrypoints.http.parameters import KEY
from tests.http_house import PROBLEM, House, check_problem
from tests.http_routes import HANDLERS, at, method_of, parameter_of
from tests.kill_matrix import a_png
from tests.people import Resident, resident
from tests.world import new_id

NUL, NO_UTF_8, SURROGATE, FOX = "%00", "%ff%fe", "%ed%a0%80", quote("🦊")
GARBAGE: dict[type, list[str]] = {
    int: ["ten", "1.5", "-1", "0", "101", str(2**64), str(-(2**64)), "0x1", "%D9%A1", NUL, NO_UTF_8, "9" * 5000],
    bool: ["maybe", "2", "-1", "[]", NUL, NO_UTF_8, "true" * 1000],
    Enum: ["nonsense", "GENERATE", "%20", "%7B%7D", NUL, NO_UTF_8, SURROGATE, FOX, "x" * 5000],
    UUID: ["1", "0" * 33, "g" * 32, NUL, NO_UTF_8, "x" * 5000],
    datetime: [
        *("yesterday", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "2026-01-01T25:00:00Z", "0", NUL, NO_UTF_8, "2" * 65),
        *("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00%2B14:00"),
    ],
    str: [NUL, f"a{NUL}b", "x" * 5000],
}
"""What can be none of that kind, as it stands in an address."""
ANY_WORD = {"invitation"}
"""Only a digest is ever looked for, so that any word is one that nobody has; one that is too long is still refused."""
MINE: dict[str, str] = {}
"""Of whoever has two of everything, the things that lists are of, by the name of the parameter."""
LISTS = [(path, handler) for path, handler in HANDLERS if "after" in handler.parsed_fn_signature.parameters]


@dataclass(frozen=True, slots=True)
class Parameter:
    path: str
    handler: HTTPRouteHandler
    name: str
    kind: type
    repeats: bool

    def __str__(self) -> str:
        return f"{self.handler.operation_id or self.path}-{self.name}"


def kind_of(annotation: Any, definition: QueryParameter) -> type:
    """None is what is left out; a list repeats its kind."""
    if get_origin(annotation) in (Union, types.UnionType, list):
        return kind_of(next(part for part in get_args(annotation) if part is not types.NoneType), definition)
    if (definition.schema_extra or {}).get("format") == "date-time":
        return datetime
    return Enum if issubclass(annotation, Enum) else annotation


def parameters() -> Iterator[Parameter]:
    for path, handler in HANDLERS:
        for name, field in handler.parsed_fn_signature.parameters.items():
            if isinstance(field.kwarg_definition, QueryParameter):
                kind, repeats = kind_of(field.annotation, field.kwarg_definition), "list[" in str(field.annotation)
                yield Parameter(path, handler, field.kwarg_definition.name or name, kind, repeats)


PARAMETERS = list(parameters())


@pytest.fixture(scope="module")
def somebody(served: House) -> Iterator[Resident]:
    """With two of everything that is listed."""
    with resident(str(served.client.base_url)) as owner:
        for _ in range(2):
            owner.picture(Mode.LIVE)
            owner.upload(Mode.LIVE, a_png())
            page = owner.http.post("/v1/billing/checkout", json={"pack": "small", "success_url": "/done"}).json()["url"]
            assert owner.http.post(page, data={"answer": "yes", "card": "good", "code": ""}).status_code == 303
        MINE["collection_id"] = _collections(served, owner)
        MINE["endpoint_id"] = endpoint = owner.hook()[0]
        assert owner.http.post(f"/v1/webhook-endpoints/{endpoint}/test").status_code == 202
        yield owner


def _collections(served: House, owner: Resident) -> str:
    """One of two, with two of the pictures in it."""
    ids = [str(made["id"]) for made in owner.http.get("/v1/generations").json()["data"]]
    first, _ = [owner.http.post("/v1/collections", json={"name": name}).json()["id"] for name in ("boats", "foxes")]
    for id in ids:
        assert owner.http.put(f"/v1/collections/{first}/items/{id}", json={}).status_code == 204
    return str(first)


def ask(who: Resident, parameter: Parameter, query: str) -> httpx.Response:
    return who.http.request(method_of(parameter.handler), f"{at(parameter.path)}?{query}", headers={"Accept": "application/json"})


def check_named(answer: httpx.Response, parameter: Parameter, said: str) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM), f"{parameter} {said}: {answer.text[:300]}"
    told = answer.json()
    assert told["type"] in ("/problems/invalid-request", "/problems/invalid-text", "/problems/invalid-cursor"), told
    assert told["field"] == parameter.name, f"{parameter} {said}: {told}"
    assert len(answer.content) < 2_000, "it repeats what was sent"


@pytest.mark.parametrize("parameter", PARAMETERS, ids=str)
def test_what_a_parameter_cannot_be_is_refused_by_its_name(somebody: Resident, parameter: Parameter) -> None:
    assert parameter.kind in GARBAGE, f"nothing here is no {parameter.kind}"
    for garbage in GARBAGE[parameter.kind][-1 if parameter.name in ANY_WORD else 0 :]:
        check_named(ask(somebody, parameter, f"{parameter.name}={garbage}"), parameter, garbage)


@pytest.mark.parametrize("parameter", PARAMETERS, ids=str)
def test_a_parameter_that_is_blank_or_given_twice_is_refused_by_its_name(somebody: Resident, parameter: Parameter) -> None:
    for said in (f"{parameter.name}=", parameter.name, f"{parameter.name}=null"):
        check_named(ask(somebody, parameter, said), parameter, said)
    if not parameter.repeats:
        twice = f"{parameter.name}=1&{parameter.name}=1"
        check_named(ask(somebody, parameter, twice), parameter, twice)


def test_no_route_takes_a_parameter_that_it_does_not_know(somebody: Resident) -> None:
    for path, handler in HANDLERS:
        if not handler.opt.get("any_query"):
            for said in ("nonsense=1", "limit[]=1", "x" * 5000, "&".join(f"p{n}=1" for n in range(100))):
                answer = somebody.http.request(method_of(handler), f"{at(path)}?{said}")
                assert answer.status_code in (400, 415), (path, answer.text)


# Headers


HEADERS = {
    "Last-Event-ID": ["", "x", "-1", "1.5", "1,2", "0x1", "9" * 10, "9" * 300, "é", "\u0661"],
    "X-Sandbox-Fault": ["explode", "fail;", "latency_ms=-1", "latency_ms=" + "9" * 10, "x" * 65, "é"],
}
"""What can be no such header. `Idempotency-Key` has a file of its own, and of `Prefer` what is not understood is ignored."""


def declared() -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    for path, handler in HANDLERS:
        for field in handler.parsed_fn_signature.parameters.values():
            name = field.kwarg_definition.name if isinstance(field.kwarg_definition, HeaderParameter) else None
            if name and name not in (KEY, "Prefer"):
                yield name, path, handler


@pytest.mark.parametrize(("name", "path", "handler"), list(declared()))
def test_what_a_header_cannot_be_is_refused(somebody: Resident, name: str, path: str, handler: HTTPRouteHandler) -> None:
    body = b'{"prompt": "a boat"}' if method_of(handler) == "POST" else b""
    for garbage in HEADERS[name]:
        headers = [(b"Content-Type", b"application/json"), (name.encode(), garbage.encode())]
        answer = somebody.http.request(method_of(handler), at(path), headers=headers, content=body)
        told = answer.json()
        assert answer.status_code == 400, f"{name}: {garbage}: {answer.text}"
        assert (told["error"]["param"] if "error" in told else told["field"]) == name, told


# Cursors


def mine(path: str) -> str:
    return at(path, MINE.get(parameter_of(path)))


def first(who: Resident, path: str) -> str:
    answer = who.http.get(mine(path), params={"limit": 1})
    assert answer.status_code == 200, answer.text
    assert answer.json()["next"], f"{path} has no second page here"
    return str(answer.json()["next"])


@pytest.mark.parametrize(("path", "handler"), LISTS, ids=[path for path, _ in LISTS])
def test_a_cursor_leads_on_only_where_it_was_made_for(
    served: House, somebody: Resident, path: str, handler: HTTPRouteHandler
) -> None:
    cursor = first(somebody, path)
    kid, place, mac = cursor.split(".")
    assert somebody.http.get(mine(path), params={"limit": 1, "after": cursor}).json()["data"]
    altered = [
        f"x{kid}.{place}.{mac}",
        f"{kid}.{_turned(place)}.{mac}",
        f"{kid}.{place}.{_turned(mac)}",
        f"{kid}.{place}",
        cursor * 2,
    ]
    foreign = [first(somebody, other) for other, _ in LISTS if other != path]
    for each in [
        *altered,
        *foreign,
        cursor[::-1],
        f"{cursor}=",
        cursor * 3,
        f" {cursor}",
        cursor.upper(),
        "../../etc/passwd",
        "a.b.c",
        "🦊",
    ]:
        answer = somebody.http.get(mine(path), params={"limit": 1, "after": each})
        check_problem(answer, 400, "invalid-cursor" if len(each) <= 255 else "invalid-request", field="after")
    for mode in Mode:
        with resident(str(served.client.base_url)) as stranger:
            if isinstance(access_of(handler), Person):
                answer = stranger.http.get(mine(path), params={"limit": 1, "after": cursor})
                check_problem(answer, 400, "invalid-cursor", field="after")
                continue
            for headers in (stranger.bearer(mode), *([somebody.bearer(mode)] if mode is Mode.TEST else [])):
                answer = served.client.get(mine(path), headers=headers, params={"limit": 1, "after": cursor})
                check_problem(answer, 400, "invalid-cursor", field="after")


def _turned(part: str) -> str:
    return ("B" if part[0] == "A" else "A") + part[1:]


# What stands in the path


SHAPELESS = ["1", "0", "-1", "x" * 300, NUL, "%2e%2e%2f", FOX, NO_UTF_8, "g" * 32, "%7B%7D", "a%20b", "'--", "*"]


@pytest.mark.parametrize(("path", "handler"), [(path, handler) for path, handler in HANDLERS if "{" in path])
def test_an_id_that_is_none_is_answered_as_a_missing_one(somebody: Resident, path: str, handler: HTTPRouteHandler) -> None:
    body = b"{}" if method_of(handler) == "PATCH" else b""
    headers = {"Accept": "application/json"} | ({"Content-Type": "application/json"} if body else {})

    def asked(id: str) -> httpx.Response:
        there = path.replace(f"{{{parameter_of(path)}}}", id)
        return somebody.http.request(method_of(handler), there, headers=headers, content=body)

    missing = asked(str(new_id()))
    for id in SHAPELESS:
        answer = asked(id)
        assert answer.status_code == missing.status_code in (400, 404), (id, answer.text)
        assert _meaning(answer) == _meaning(missing), id


def _meaning(answer: httpx.Response) -> dict[str, Any]:
    """What a refusal says, but for the address and its words."""
    told = answer.json()
    return {name: value for name, value in told.get("error", told).items() if name in ("type", "title", "status", "code")}
