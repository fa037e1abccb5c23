"""What Stripe takes: the operations and parameter types its own SDK is generated with, applied to what came over the line.

`find` names the operation of a request, `read` makes typed values of its parameters or refuses them as Stripe does. Enumerations
that the SDK leaves open (`Literal[...] | str`) are closed here: a value it does not know is a mistake of ours.
"""

import ast
import re
import types
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NotRequired, Required, Union, get_args, get_origin
from urllib.parse import parse_qsl

import stripe
from stripe._stripe_object import UntypedStripeObject
from typing_extensions import get_type_hints, is_typeddict

SERVICES = (
    "_charge_service",
    "_coupon_service",
    "_customer_payment_method_service",
    "_customer_service",
    "_dispute_service",
    "_event_service",
    "_invoice_item_service",
    "_invoice_line_item_service",
    "_invoice_payment_service",
    "_invoice_service",
    "_payment_intent_service",
    "_payment_method_service",
    "_price_service",
    "_product_service",
    "_promotion_code_service",
    "_refund_service",
    "_subscription_item_service",
    "_subscription_service",
    "billing_portal/_configuration_service",
    "billing_portal/_session_service",
    "checkout/_session_line_item_service",
    "checkout/_session_service",
)
"""The modules of the SDK whose operations are known; any other path is none of Stripe's to us."""


class Refused(Exception):
    """An answer other than 200, in Stripe's words. `status`: of HTTP."""

    def __init__(
        self, message: str, param: str | None = None, code: str | None = None, *, status: int = 400, type: str = "", **more: Any
    ) -> None:
        super().__init__(message)
        said = {"type": type or "invalid_request_error", "message": message, "param": param, "code": code} | more
        self.status, self.error = status, {name: value for name, value in said.items() if value is not None}

    @property
    def param(self) -> str | None:
        return self.error.get("param")


@dataclass(frozen=True, slots=True)
class Operation:
    """`template`: the path with its names, `/v1/refunds/{refund}`; `params`: module and class, None where none are taken."""

    verb: str
    template: str
    params: tuple[str, str] | None

    def match(self, path: str) -> tuple[str, ...] | None:
        """The ids in a path of this operation."""
        found = re.fullmatch(re.sub(r"\{\w+\}", "([^/]+)", self.template), path)
        return found.groups() if found else None


@cache
def operations() -> tuple[Operation, ...]:
    """Those with fewer names in their path first."""
    root, found = Path(str(stripe.__file__)).parent, list[Operation]()
    for service in SERVICES:
        tree = ast.parse((root / f"{service}.py").read_text())
        homes = {
            name.name: str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names
        }
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
                if isinstance(call.func, ast.Attribute) and call.func.attr == "_request":
                    verb, path = call.args[:2]
                    if isinstance(path, ast.Call) and isinstance(path.func, ast.Attribute):
                        path = path.func.value
                    assert isinstance(verb, ast.Constant)
                    assert isinstance(path, ast.Constant)
                    found.append(Operation(str(verb.value), str(path.value), _params(function, homes)))
    return tuple(sorted(found, key=lambda operation: operation.template.count("{")))


def _params(function: ast.FunctionDef, homes: Mapping[str, str]) -> tuple[str, str] | None:
    for argument in function.args.args:
        if argument.arg == "params" and argument.annotation:
            name = re.search(r"\w+Params\b", ast.unparse(argument.annotation))
            return (homes[name[0]], name[0]) if name and name[0] in homes else None
    return None


def find(verb: str, path: str) -> tuple[Operation, tuple[str, ...]]:
    """The operation and the ids in its path. Raises: Refused 404."""
    for operation in operations():
        if operation.verb == verb.lower() and (ids := operation.match(path)) is not None:
            return operation, ids
    raise Refused(f"Unrecognized request URL ({verb.upper()}: {path}).", status=404)


def form(body: str) -> dict[str, Any]:
    """`a[b][0][c]=v` as nested maps; the members of a list are those of a map from "0" on."""
    found: dict[str, Any] = {}
    for written, value in parse_qsl(body, keep_blank_values=True):
        names = [*re.findall(r"[^\[\]]+", written), *([""] if written.endswith("[]") else [])]
        inner = found
        for name in names[:-1]:
            inner = inner.setdefault(name, {})
            if not isinstance(inner, dict):
                raise Refused("Invalid object", written)
        inner[names[-1] or str(len(inner))] = value
    return found


def read(operation: Operation, body: str) -> dict[str, Any]:
    """The parameters with their types: int, bool, Decimal, str, lists and maps. Raises: Refused 400, naming the parameter."""
    given = form(body)
    if operation.params is None:
        for name in given:
            raise _unknown(name)
        return {}
    read: dict[str, Any] = _map(given, _declared(*operation.params), "")
    return read


@cache
def _declared(module: str, name: str) -> Any:
    return getattr(import_module(module), name)


@cache
def _hints(declared: Any) -> dict[str, Any]:
    hints = get_type_hints(declared, localns={"StripeContext": object, "Mapping": Mapping}, include_extras=True)
    return {name: hint for name, hint in hints.items() if name not in stripe.RequestOptions.__annotations__}


def _map(given: Mapping[str, Any], declared: Any, at: str) -> dict[str, Any]:
    hints = _hints(declared)
    for name in given:
        if name not in hints:
            raise _unknown(_inside(at, name))
    for name, hint in hints.items():
        if get_origin(hint) is not NotRequired and name not in given:
            raise Refused(f"Missing required param: {_inside(at, name)}.", _inside(at, name), "parameter_missing")
    return {name: _value(value, hints[name], _inside(at, name)) for name, value in given.items()}


def _value(value: Any, declared: Any, at: str) -> Any:
    origin, arms = get_origin(declared), get_args(declared)
    if origin in (NotRequired, Required):
        return _value(value, arms[0], at)
    if origin in (Union, types.UnionType):
        return _any(value, arms, at)
    if is_typeddict(declared) or origin is dict:
        if not isinstance(value, dict):
            raise Refused("Invalid object", at)
        if is_typeddict(declared):
            return _map(value, declared, at)
        return {name: _entry(entry, arms[1], f"{at}[{name}]") for name, entry in value.items()}
    if origin is list:
        if not isinstance(value, dict) or list(value) != [str(index) for index in range(len(value))]:
            raise Refused("Invalid array", at)
        return [_value(member, arms[0], f"{at}[{index}]") for index, member in value.items()]
    if isinstance(value, dict):
        raise Refused("Invalid string", at)
    if origin is Literal:
        return _literal(value, arms, at)
    return _plain(value, declared, at)


def _any(value: Any, arms: tuple[Any, ...], at: str) -> Any:
    arms = tuple(arm for arm in arms if get_origin(arm) is not UntypedStripeObject)
    if any(get_origin(arm) is Literal and arm != Literal[""] for arm in arms):
        arms = tuple(arm for arm in arms if arm is not str)
    failed = list[Refused]()
    for arm in sorted(arms, key=lambda arm: arm is str):
        try:
            return _value(value, arm, at)
        except Refused as refused:
            failed.append(refused)
    # the arm that got furthest, or else the last that is not the empty string, says what is wrong
    raise max(reversed(failed), key=lambda refused: len(refused.param or ""))


def _literal(value: str, allowed: tuple[Any, ...], at: str) -> Any:
    for one in allowed:
        if value == (str(one).lower() if isinstance(one, bool) else str(one)):
            return one
    *most, last = [str(one) for one in allowed]
    names = f"{', '.join(most)}, or {last}" if most else last
    raise Refused(f"Invalid {at}: must be one of {names}" if names else f"Invalid {at}", at)


def _entry(value: Any, declared: Any, at: str) -> Any:
    return value if declared is str and value == "" else _value(value, declared, at)


def _plain(value: str, declared: Any, at: str) -> Any:
    if declared is bool:
        if value not in ("true", "false"):
            raise Refused(f"Invalid boolean: {value}", at)
        return value == "true"
    if declared is int:
        if not re.fullmatch(r"-?[0-9]{1,18}", value):
            raise Refused(f"Invalid integer: {value}", at, "parameter_invalid_integer")
        return int(value)
    if declared in (float, Decimal):
        try:
            return declared(value)
        except (ValueError, InvalidOperation):
            raise Refused(f"Invalid decimal: {value}", at) from None
    if value == "":
        unset = "We assume empty values are an attempt to unset a parameter; however it cannot be unset."
        raise Refused(f"You passed an empty string for '{at}'. {unset}", at, "parameter_invalid_empty")
    return value


def _inside(at: str, name: str) -> str:
    return f"{at}[{name}]" if at else name


def _unknown(at: str) -> Refused:
    return Refused(f"Received unknown parameter: {at}", at, "parameter_unknown")
