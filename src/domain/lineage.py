"""What came of what: a generation's ancestors and descendants, and how a request differs from the one that it goes on from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Change(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """Of one field. What was not there before, or is not afterwards, is empty or None."""

    field: str
    change: Change
    before: object
    after: object


def differences(before: Mapping[str, object], after: Mapping[str, object], but: Iterable[str] = ()) -> list[Difference]:
    """Between two requests, field by field, in the fields' order; those named in `but` do not count."""
    ignored = frozenset(but)
    fields = [field for field in dict.fromkeys((*before, *after)) if field not in ignored]
    pairs = [(field, before.get(field), after.get(field)) for field in fields]
    return [
        Difference(field, _change(old, new), old, new)
        for field, old, new in pairs
        if old != new and not (_is_nothing(old) and _is_nothing(new))
    ]


def _change(old: object, new: object) -> Change:
    if _is_nothing(old):
        return Change.ADDED
    return Change.REMOVED if _is_nothing(new) else Change.CHANGED


def _is_nothing(value: object) -> bool:
    return value is None or value == [] or value == {}
