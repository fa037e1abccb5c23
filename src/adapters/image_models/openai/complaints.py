"""What the provider says when it does not deliver: its error object, read whatever else is in it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from domain.attempts import Stage

_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_VIOLATIONS = re.compile(r"safety_violations=\[([^\]]*)\]")
_REFUSED_CONTENT = frozenset(
    (
        "moderation_blocked",
        "content_policy_violation",
        "image_content_policy_violation",
        "content_filter",
        "invalid_prompt",
        "bio_policy",
        "safety_violation",
    )
)
_REFUSED_US = frozenset(
    ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "account_deactivated", "invalid_api_key")
)
_MOST_WORDS = 5


@dataclass(frozen=True, slots=True)
class Complaint:
    """`code`, `type` and `param` are words that can be stored, or None; `stage` and `categories` are those of moderation."""

    code: str | None = None
    type: str | None = None
    message: str = ""
    param: str | None = None
    stage: Stage | None = None
    categories: tuple[str, ...] = ()

    @classmethod
    def in_body(cls, body: bytes) -> Self:
        """Of an answer with an error's status; empty if it says nothing we can read."""
        try:
            said = msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return cls()
        return cls.of(said.get("error")) if isinstance(said, dict) else cls()

    @classmethod
    def of(cls, error: object) -> Self:
        if isinstance(error, str):
            return cls(message=error)
        if not isinstance(error, dict):
            return cls()
        details = error.get("moderation_details")
        told: Mapping[str, Any] = error | (details if isinstance(details, dict) else {})
        message = _text(error.get("message")) or ""
        return cls(
            code=_code(error.get("code")),
            type=_code(error.get("type")),
            message=message,
            param=_code(error.get("param")),
            stage=_stage(told.get("moderation_stage", told.get("stage"))),
            categories=_categories(told.get("categories"), message),
        )

    @property
    def refuses_content(self) -> bool:
        return self.code in _REFUSED_CONTENT

    @property
    def refuses_us(self) -> bool:
        """Our key or our balance: only the operator can mend that."""
        return self.code in _REFUSED_US or self.type == "insufficient_quota"

    def refusal(self, stage: Stage) -> str:
        """In words, with all that helps to ask for something else."""
        why = f" ({', '.join(self.categories)})" if self.categories else ""
        return f"Refused by the provider's safety system at the {stage} stage{why}. {self.message}".strip()

    def words(self, otherwise: str) -> str:
        said = self.message or otherwise
        return f"{self.param}: {said}" if self.param else said


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _code(value: object) -> str | None:
    return value if isinstance(value, str) and _CODE.fullmatch(value) else None


def _stage(value: object) -> Stage | None:
    return {"input": Stage.INPUT, "output": Stage.OUTPUT}.get(value) if isinstance(value, str) else None


def _categories(told: object, message: str) -> tuple[str, ...]:
    """As a list, as an object of booleans, or in the middle of the message."""
    named: list[object] = []
    if isinstance(told, str | list):
        named = [told] if isinstance(told, str) else told
    elif isinstance(told, dict):
        named = [name for name, is_so in told.items() if is_so]
    if match := _VIOLATIONS.search(message):
        named += [word.strip() for word in match[1].split(",")]
    words = [word for word in named if isinstance(word, str) and re.fullmatch(r"[A-Za-z0-9_/ -]{1,40}", word)]
    return tuple(dict.fromkeys(words))[:_MOST_WORDS]
