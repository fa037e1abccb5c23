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
    (
        "invalid_api_key",
        "authentication_error",
        "ip_not_authorized",
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_limit_user_error",
        "billing_not_active",
        "access_terminated",
        "account_deactivated",
        "account_suspended",
        "invalid_organization",
        "mismatched_organization",
        "organization_deactivated",
        "organization_not_verified",
        "organization_must_be_verified",
        "invalid_project",
        "mismatched_project",
        "project_archived",
        "unsupported_country_region_territory",
    )
)
_FORBIDDEN_US = frozenset(
    ("model_not_found", "insufficient_permissions", "permission_denied", "permission_error", "missing_scope")
)
"""With the status 403, which says that somebody may not; with others they are of the one request."""
_OF_US = re.compile(
    r"\b(?:organi[sz]ation|project|account|api key)\b.{0,80}"
    r"\b(?:verified|access|permissions?|deactivated|disabled|suspended|archived|terminated)\b"
    r"|\b(?:insufficient|missing|lack|lacks|not have|without)\b.{0,40}\b(?:permissions?|scopes?|access to (?:the |this )?model)\b"
    r"|\bnot allowed to\b.{0,40}\bthis model\b"
    r"|\bcountry, region,? or territory\b",
    re.IGNORECASE | re.DOTALL,
)
_LIMIT_AND_REQUESTED = re.compile(r"\bLimit:? (\d[\d,]{0,15}).{0,60}\bRequested:? (\d[\d,]{0,15})", re.DOTALL)
_MESSAGE_CHARACTERS = 2_000
"""Whatever explains itself does it by then."""
_MOST_WORDS, _MOST_CATEGORIES = 5, 50
_MOST_BYTES = 64 << 10


class _Document(msgspec.Struct):
    error: msgspec.Raw = msgspec.Raw(b"null")


@dataclass(frozen=True, slots=True)
class ErrorObject:
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
            written = memoryview(msgspec.json.decode(body, type=_Document).error)
            return cls.of(msgspec.json.decode(written)) if len(written) <= _MOST_BYTES else cls()
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return cls()

    @classmethod
    def of(cls, error: object) -> Self:
        if isinstance(error, str):
            return cls(message=error[:_MESSAGE_CHARACTERS])
        if not isinstance(error, dict):
            return cls()
        details = error.get("moderation_details")
        told: Mapping[str, Any] = error | (details if isinstance(details, dict) else {})
        message = (_text(error.get("message")) or "")[:_MESSAGE_CHARACTERS]
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
    def is_too_large(self) -> bool:
        """Of a rate limit that this one request alone is over: no waiting will help it."""
        if not (counted := self._limit_and_requested):
            return self.message.startswith("Request too large")
        limit, requested = counted
        return requested > limit > 0

    @property
    def _limit_and_requested(self) -> tuple[int, int] | None:
        found = _LIMIT_AND_REQUESTED.search(self.message)
        return (int(found[1].replace(",", "")), int(found[2].replace(",", ""))) if found else None

    @property
    def is_rate_limit(self) -> bool:
        return "rate_limit_exceeded" in (self.code, self.type)

    @property
    def is_server_error(self) -> bool:
        return "server_error" in (self.code, self.type)

    def refuses_us(self, status: int) -> bool:
        """Our key, organisation, project, country or balance: only the operator can mend that. A 403 says so only in words: a
        wall in between, or a rule about this one request, forbids with the same status."""
        if status == 401 or not _REFUSED_US.isdisjoint((self.code, self.type)):
            return True
        if status == 429 and (counted := self._limit_and_requested):
            return counted[0] == 0  # a model this organisation may not use at all
        return status == 403 and (not _FORBIDDEN_US.isdisjoint((self.code, self.type)) or bool(_OF_US.search(self.message)))

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
    words = [word for word in named[:_MOST_CATEGORIES] if isinstance(word, str) and re.fullmatch(r"[A-Za-z0-9_/ -]{1,40}", word)]
    return tuple(dict.fromkeys(words))[:_MOST_WORDS]
