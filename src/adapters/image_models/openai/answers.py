"""A whole answer, read leniently: what is unknown, new or missing beside a picture never costs the picture."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from adapters.image_models.openai.errors import ErrorObject
from adapters.image_models.openai.picture_headers import NoPicture, read_header
from domain.attempts import Picture, Usage
from domain.media import MADE_FORMATS
from domain.rates import Prices
from domain.requests import PictureRequest

Wanted = TypeVar("Wanted")
NULL = msgspec.Raw(b"null")
_ABSENT = msgspec.Raw(b"")
_MOST_TOKENS = 1_000_000_000
"""Whatever counts more is not tokens."""
_MOST_WORDS_BYTES = 64 << 10
"""Of anything that is not a picture: a few bytes of JSON can make a hundred times as many of Python's objects."""


class _Document(msgspec.Struct):
    """Each part stays as it was written, so that one odd part spoils no other."""

    data: msgspec.Raw = NULL
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL
    output_format: msgspec.Raw = NULL


class _Item(msgspec.Struct):
    b64_json: bytes | None = None


@dataclass(slots=True)
class Answer:
    """What an answer brought. `flaw` names what is wrong with the first thing that is no picture; `cost` is in millionths of a
    dollar, None if the answer does not tell. `drawn`: there is something in the place of a picture, readable or not."""

    pictures: list[Picture] = field(default_factory=list)
    usage: Usage = Usage()
    cost: int | None = None
    flaw: str | None = None
    error: ErrorObject | None = None
    drawn: bool = False

    @property
    def is_perhaps_paid(self) -> bool:
        return self.drawn or self.usage != Usage()


def read(body: bytes | bytearray, request: PictureRequest, prices: Prices | None) -> Answer:
    """Runs in a thread: for some megabytes it takes tens of milliseconds. Never raises for anything a provider can send."""
    if not body:
        return Answer(flaw="empty")
    try:
        said = msgspec.json.decode(body, type=_Document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return Answer(flaw="not_object" if isinstance(error, msgspec.ValidationError) else "not_json")
    answer = Answer()
    answer.usage, answer.cost = spent(said.usage, prices)
    if error_said := lenient(said.error, dict[str, Any] | str | None, None):
        answer.error = ErrorObject.of(error_said)
    announced = lenient(said.output_format, str, "")
    for item in _items(said.data, request.n):
        answer.drawn = True
        picture = picture_in(item, announced, request)
        if isinstance(picture, Picture):
            answer.pictures.append(picture)
        else:
            answer.flaw = answer.flaw or picture
    return answer


def picture_in(item: msgspec.Raw | memoryview | bytes, announced: str, request: PictureRequest) -> Picture | str:
    """The picture in an object's `b64_json`, or what is wrong with it. Its bytes must be of the format that was asked for, or of
    the one that the answer itself announces."""
    try:
        content = msgspec.json.decode(item, type=_Item).b64_json
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "not_base64"
    if not content:
        return "empty"
    try:
        picture = read_header(content)
    except NoPicture:
        return "wrong_format"
    return picture if picture.format in _formats(announced, request) else "wrong_format"


def spent(written: msgspec.Raw, prices: Prices | None) -> tuple[Usage, int | None]:
    """Tokens, and their cost in millionths of a dollar. Tokens of which it is not told whether they are text or image are
    reckoned at the dearer rate. A count that is missing costs nothing; no cost without any."""
    told: dict[str, Any] = lenient(written, dict[str, Any], {})
    counted, made = _tokens(told.get("input_tokens")), _tokens(told.get("output_tokens"))
    if counted is None and made is None:
        return Usage(), None
    usage = Usage(counted or 0, made or 0)
    if prices is None:
        return usage, None
    details = told.get("input_tokens_details")
    parts = [_tokens(details.get(name)) for name in ("text_tokens", "image_tokens")] if isinstance(details, dict) else []
    text, image = parts if parts else (None, None)
    if text is None or image is None or text + image < usage.input_tokens:
        dearer_is_text = prices.text_input > prices.image_input
        text, image = (usage.input_tokens, 0) if dearer_is_text else (0, usage.input_tokens)
    return usage, prices.cost(text_input=text, image_input=image, image_output=usage.output_tokens)


def lenient(written: msgspec.Raw | memoryview | bytes, type: Any, otherwise: Wanted) -> Wanted | Any:
    """What is written, if it is of this type, and no more than words can be."""
    if len(memoryview(written)) > _MOST_WORDS_BYTES:
        return otherwise
    try:
        return msgspec.json.decode(written, type=type)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return otherwise


def total(parts: Sequence[tuple[Usage, int | None]]) -> tuple[Usage, int | None]:
    """Of several pictures that were counted apart; no cost if none of them has one."""
    usage = Usage(sum(usage.input_tokens for usage, _ in parts), sum(usage.output_tokens for usage, _ in parts))
    costs = [cost for _, cost in parts if cost is not None]
    return usage, sum(costs) if costs else None


def _items(written: msgspec.Raw, count: int) -> list[msgspec.Raw]:
    """The first of a list. Nothing is built for the others, however many there are."""
    try:
        found = msgspec.json.decode(written, type=_list_of(count))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    items: tuple[msgspec.Raw, ...] = msgspec.structs.astuple(found)
    return [item for item in items if item is not _ABSENT]


@lru_cache(32)
def _list_of(count: int) -> type[msgspec.Struct]:
    """A list read as a struct: what is missing at its end has a default, and what is too much is skipped."""
    return msgspec.defstruct("Items", [(f"item_{place}", msgspec.Raw, _ABSENT) for place in range(count)], array_like=True)


def _tokens(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None


def _formats(announced: str, request: PictureRequest) -> set[str]:
    known = {format.value for format in MADE_FORMATS}
    return {request.output_format.value} | ({announced} & known)
