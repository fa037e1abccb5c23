"""JSON bodies, read strictly: `"1"` is no number and nothing unknown passes. Litestar itself would convert.

A body is read straight into its shape, so it never nests deeper than the shape does.
"""

import re
from collections.abc import Generator
from typing import Any, ClassVar, Self, TypeVar

import msgspec
from litestar.dto import AbstractDTO
from litestar.dto.config import DTOConfig
from litestar.dto.data_structures import DTOFieldDefinition
from litestar.typing import FieldDefinition

from domain.errors import DomainError, InvalidRequest, InvalidText, LimitExceeded

T = TypeVar("T")

_AT = re.compile(r"(?P<said>.*?)(?: - at (?:`key` in )?`\$(?P<path>[^`]*)`)?", re.DOTALL)
_BOUND = re.compile(r"Expected `(?P<type>int|str|array|object)` (?:of length )?(?P<bound><=|>=) (?P<limit>-?\d+)")
_MISSING = re.compile(r"Object missing required field `(?P<field>\w+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>[a-z_]{1,40})`")
_SAYABLE = re.compile(r"Expected `|Invalid UUID|Invalid RFC3339 encoded datetime|Number out of range")


class StrictJSON(AbstractDTO[T]):
    """`dto=StrictJSON[Shape]` on a route whose `data` is a Shape."""

    decoder: ClassVar[msgspec.json.Decoder[Any]]

    def __class_getitem__(cls, annotation: Any) -> type[Self]:
        return type(
            f"StrictJSON[{annotation.__name__}]",
            (cls,),
            {"config": DTOConfig(), "model_type": annotation, "decoder": msgspec.json.Decoder(annotation)},
        )

    def decode_bytes(self, value: bytes) -> Any:
        try:
            return self.decoder.decode(value)
        except msgspec.ValidationError as error:
            raise refusal(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise InvalidRequest("the body is not JSON") from None

    @classmethod
    def create_for_field_definition(cls, field_definition: FieldDefinition, handler_id: str, backend_cls: Any = None) -> None:
        """Nothing to prepare: there is no transfer model."""

    @classmethod
    def create_openapi_schema(cls, field_definition: FieldDefinition, handler_id: str, schema_creator: Any) -> Any:
        return schema_creator.for_field_definition(FieldDefinition.from_annotation(cls.model_type))

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Generator[DTOFieldDefinition, None, None]:
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        return False


def refusal(message: str) -> DomainError:
    """What msgspec found, in our words: field and limit, never what was sent."""
    found = _AT.fullmatch(message)
    said, field = (found["said"], (found["path"] or "").lstrip(".")) if found else (message, "")
    if missing := _MISSING.match(said):
        field = f"{field}.{missing['field']}".lstrip(".")
        return InvalidRequest(f"{field} is missing", field=field, reason="missing")
    facts: dict[str, str] = {"field": field} if field else {}
    name = field or "the body"
    if bound := _BOUND.match(said):
        limit, over = int(bound["limit"]), bound["bound"] == "<="
        detail = f"{name} may be at most {limit}" if over else f"{name} must be at least {limit}"
        if bound["type"] == "str":
            return InvalidText(f"{detail} characters", **facts, limit=limit, reason="too_long" if over else "too_short")
        return LimitExceeded(detail, **facts, limit=limit)
    if unknown := _UNKNOWN.match(said):
        field = f"{field}.{unknown['field']}".lstrip(".")
        return InvalidRequest(f"there is no field {field}", field=field, reason="unknown")
    if said.startswith("Object contains unknown field"):
        return InvalidRequest(f"{name} has a field that is not known", **facts, reason="unknown")
    return InvalidRequest(
        f"{name}: {said[0].lower()}{said[1:]}" if _SAYABLE.match(said) else f"{name} is not acceptable", **facts
    )
