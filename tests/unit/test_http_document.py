"""The OpenAPI document leaves nothing open: every schema says what it is, every object what is in it, every answer its shape."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec import json

from entrypoints.http.app import ROUTES
from entrypoints.http.openapi import document

Part = dict[str, Any]
Place = tuple[str, ...]

DOCUMENT: Part = json.decode(document(ROUTES, "1", "session"))
SAYING = {"type", "$ref", "oneOf", "anyOf", "allOf", "enum", "const"}
MANY, MAPS = ("oneOf", "anyOf", "allOf", "prefixItems"), ("properties", "patternProperties", "$defs")
ONE = ("items", "additionalProperties", "not", "contains", "if", "then", "else")
"""Not propertyNames: names are strings anyway."""
INSTANTS = ("_at", "as_of", "deadline", "since", "resolves_by", "created_after", "created_before")


def schemas(part: Any, *place: str) -> Iterator[tuple[Place, Any]]:
    """Every schema below this part of the document, with where it stands."""
    if isinstance(part, list):
        for number, inner in enumerate(part):
            yield from schemas(inner, *place, str(number))
    elif isinstance(part, dict):
        for name, inner in part.items():
            if name == "schemas":
                for title, shape in inner.items():
                    yield from below(shape, *place, name, title)
            elif name == "schema":
                yield from below(inner, *place, name)
            else:
                yield from schemas(inner, *place, name)


def below(schema: Any, *place: str) -> Iterator[tuple[Place, Any]]:
    yield place, schema
    if not isinstance(schema, dict):
        return
    for word in ONE:
        if word in schema and schema[word] is not False:
            yield from below(schema[word], *place, word)
    for word in MANY:
        for number, inner in enumerate(schema.get(word, ())):
            yield from below(inner, *place, word, str(number))
    for word in MAPS:
        for name, inner in schema.get(word, {}).items():
            yield from below(inner, *place, word, name)


def faults(made: Part) -> Iterator[str]:
    """What somebody who follows this document would have to guess."""
    for place, schema in schemas(made):
        for fault in faults_of(schema):
            yield f"{'/'.join(place)}: {fault}"
        name = place[-1] if place[-1] != "schema" else ""
        if "properties" in place[-2:-1] and name.endswith(INSTANTS) and not is_instant(schema):
            yield f"{'/'.join(place)}: is a time and does not say so"
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            for fault in faults_of_operation(operation):
                yield f"{method} {path}: {fault}"


def faults_of(schema: Any) -> Iterator[str]:
    if not isinstance(schema, dict):
        yield f"is {schema!r}: anything goes"
        return
    if not SAYING & schema.keys():
        yield "says nothing of its kind"
    if schema.get("type") == "array" and "items" not in schema:
        yield "is an array of anything"
    if schema.get("type") == "object" and not {"properties", "additionalProperties"} & schema.keys():
        yield "is an object of anything"
    if len(schema.get("enum", ())) != len({repr(word) for word in schema.get("enum", ())}):
        yield "lists a word twice"
    if unknown := set(schema.get("required", ())) - schema.get("properties", {}).keys():
        yield f"requires what it does not know: {unknown}"


def is_instant(schema: Part) -> bool:
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    return all(kind.get("format") in ("date-time", "unixtime") for kind in kinds)


def faults_of_operation(operation: Part) -> Iterator[str]:
    for status, answer in operation["responses"].items():
        if not status.isdigit():
            yield f"answers {status}: which statuses are those?"
        if "X-Request-Id" not in answer.get("headers", {}):
            yield f"{status} carries no request id"
        if status in ("204", "307"):
            if "content" in answer:
                yield f"{status} has a body"
        elif not answer.get("content") or any("schema" not in kind for kind in answer["content"].values()):
            yield f"{status} has a body of which nothing is known"
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        if not isinstance(shape := body.get("schema"), dict) or ("$ref" not in shape and shape.get("type") != "object"):
            yield f"takes {kind} of any form"
    for parameter in operation.get("parameters", ()):
        if "schema" not in parameter:
            yield f"takes any {parameter['name']}"


def test_the_document_leaves_nothing_to_guess() -> None:
    assert not list(faults(DOCUMENT))


def test_every_body_that_is_read_refuses_what_it_does_not_know() -> None:
    shapes, read = DOCUMENT["components"]["schemas"], 0
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            for body in operation.get("requestBody", {}).get("content", {}).values():
                shape = body["schema"]
                shape = shapes[shape["$ref"].rpartition("/")[2]] if "$ref" in shape else shape
                assert shape["additionalProperties"] is False, operation["operationId"]
                read += 1
    assert read >= 6


def _shape(made: Part, name: str) -> Part:
    found: Part = made["components"]["schemas"][name]["properties"]
    return found


def _answers(made: Part) -> Part:
    found: Part = made["paths"]["/v1/me"]["get"]["responses"]
    return found


HOLES: dict[str, Callable[[Part], Any]] = {
    "an untyped property": lambda made: _shape(made, "Asset").update(width={}),
    "an untyped property that is described": lambda made: _shape(made, "Asset").update(width={"description": "pixels"}),
    "anything goes": lambda made: _shape(made, "Asset").update(width=True),
    "an array of anything": lambda made: _shape(made, "Key").update(scopes={"type": "array"}),
    "an array of untyped things": lambda made: _shape(made, "Key").update(scopes={"type": "array", "items": {}}),
    "an object of anything": lambda made: _shape(made, "Generation").update(metadata={"type": "object"}),
    "an object of untyped things": lambda made: _shape(made, "Quote")["breakdown"].update(additionalProperties={}),
    "an object that also takes anything": lambda made: made["components"]["schemas"]["Me"].update(additionalProperties=True),
    "an untyped alternative": lambda made: _shape(made, "Key").update(name={"anyOf": [{}, {"type": "null"}]}),
    "a word twice": lambda made: made["components"]["schemas"]["Mode"]["enum"].append("test"),
    "a time that is any word": lambda made: _shape(made, "Session").update(seen_at={"type": "string"}),
    "a required property nobody knows": lambda made: made["components"]["schemas"]["Me"]["required"].append("age"),
    "a default answer": lambda made: _answers(made).update(default=_answers(made)["401"]),
    "an answer without a shape": lambda made: _answers(made)["200"].update(content={"application/json": {}}),
    "an answer without a body": lambda made: _answers(made)["200"].pop("content"),
    "an answer without a request id": lambda made: _answers(made)["401"].update(headers={}),
    "an untyped header": lambda made: made["components"]["headers"]["RateLimit"].update(schema={}),
    "an untyped parameter": lambda made: made["paths"]["/v1/media"]["get"]["parameters"][0].update(schema={}),
    "a parameter without a schema": lambda made: made["paths"]["/v1/media"]["get"]["parameters"][0].pop("schema"),
    "a body of any form": lambda made: made["paths"]["/v1/me"]["patch"]["requestBody"]["content"].update(
        {"application/json": {}}
    ),
}


@pytest.mark.parametrize("hole", HOLES)
def test_a_hole_in_the_document_is_found(hole: str) -> None:
    made = copy.deepcopy(DOCUMENT)
    HOLES[hole](made)
    assert list(faults(made))
