"""What a call of the pretended provider is to do: read from the words in its prompt, see tests/provider.py."""

import re
from dataclasses import dataclass
from typing import Self

_WORD = re.compile(r"\[([a-z][a-z-]*): *([^\[\]]*)\]")


@dataclass(frozen=True, slots=True)
class Script:
    """The words of one prompt. `latency` in seconds; `waits`: until the call's tag is let go; `bytes` is the least size of each
    picture; `made`: None leaves it to the fault whether the work was done."""

    fault: str | None = None
    latency: float | None = None
    waits: bool = False
    tag: str | None = None
    times: int | None = None
    bytes: int = 0
    made: bool | None = None
    requests: str | None = None
    images: str | None = None
    retry_after: str | None = None
    retry_after_ms: str | None = None

    @classmethod
    def read(cls, text: str) -> Self:
        """The first of each word counts, so what stands before a prompt can overrule it."""
        words: dict[str, str] = {}
        for name, value in _WORD.findall(text):
            words.setdefault(name, value.strip())
        made = words.get("made")
        return cls(
            fault=words.get("fault") or None,
            latency=int(words["latency"]) / 1000 if "latency" in words else None,
            waits=words.get("waits") == "yes",
            tag=words.get("tag"),
            times=int(words["times"]) if "times" in words else None,
            bytes=int(words.get("bytes", 0)),
            made=None if made is None else made == "yes",
            requests=words.get("requests"),
            images=words.get("images"),
            retry_after=words.get("retry-after"),
            retry_after_ms=words.get("retry-after-ms"),
        )

    def headers(self) -> dict[str, str]:
        """The headers that the words ask for, whatever the answer is."""
        found = {}
        for kind, written in (("requests", self.requests), ("images", self.images)):
            if written:
                for name, value in zip(("limit", "remaining", "reset"), written.split("/"), strict=True):
                    found[f"x-ratelimit-{name}-{kind}"] = value
        if self.retry_after:
            found["retry-after"] = self.retry_after
        if self.retry_after_ms:
            found["retry-after-ms"] = self.retry_after_ms
        return found


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer with a status of its own. `made`: whether the work had been done (and would be billed) all the same; `spent`:
    what the answer itself says of that."""

    status: int
    type: str = "invalid_request_error"
    code: str | None = None
    message: str = "refused"
    param: str | None = None
    more: tuple[tuple[str, object], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    html: bool = False
    made: bool = False
    spent: tuple[tuple[str, int], ...] = ()

    def body(self) -> dict[str, object]:
        error: object = {"message": self.message, "type": self.type, "param": self.param, "code": self.code} | dict(self.more)
        return {"error": error} | ({"usage": dict(self.spent)} if self.spent else {})


_BLOCKED = "Your request was rejected by the safety system. If you believe this is an error, contact us at help.openai.com."
_LIMITED = "Rate limit reached for images per minute. Please try again in 12s."
_SPENT = (
    ("x-ratelimit-limit-requests", "10"),
    ("x-ratelimit-remaining-requests", "0"),
    ("x-ratelimit-reset-requests", "12s"),
)

REFUSALS: dict[str, Refusal] = {
    "invalid-key": Refusal(401, code="invalid_api_key", message="Incorrect API key provided: sk-wrong."),
    "unverified": Refusal(403, message="Your organization must be verified to use the model `gpt-image-2`."),
    "no-access": Refusal(403, code="model_not_found", message="Project `p` does not have access to model `gpt-image-2`."),
    "country": Refusal(
        403, "request_forbidden", "unsupported_country_region_territory", "Country, region, or territory not supported"
    ),
    "content-403": Refusal(403, message="This picture cannot be edited."),
    "wall-403": Refusal(403, html=True),
    "no-model": Refusal(404, code="model_not_found", message="The model does not exist or you do not have access to it."),
    "unknown-parameter": Refusal(400, code="unknown_parameter", param="input_fidelity", message="Unknown parameter."),
    "transparent": Refusal(400, code="invalid_value", param="background", message="Transparent background is not supported."),
    "moderation-input": Refusal(
        400,
        "image_generation_user_error",
        "moderation_blocked",
        f"{_BLOCKED} safety_violations=[violence].",
        more=(("moderation_stage", "input"), ("categories", ["violence"])),
    ),
    "moderation-output": Refusal(
        400,
        "image_generation_user_error",
        "moderation_blocked",
        f"{_BLOCKED} safety_violations=[sexual].",
        more=(("moderation_details", {"moderation_stage": "output", "categories": ["sexual"]}),),
    ),
    "moderation-bare": Refusal(400, "image_generation_user_error", "moderation_blocked", _BLOCKED),
    "moderation-paid": Refusal(
        400,
        "image_generation_user_error",
        "moderation_blocked",
        f"{_BLOCKED} safety_violations=[violence].",
        made=True,
        spent=(("input_tokens", 30), ("output_tokens", 4_160)),
    ),
    "user-error": Refusal(400, "image_generation_user_error", None, "The image could not be edited as asked."),
    "not-json-400": Refusal(400, html=True),
    "too-large": Refusal(413, code=None, message="Request entity too large"),
    "unprocessable": Refusal(422, code=None, message="Unprocessable"),
    "billing-limit": Refusal(
        400, "billing_limit_user_error", "billing_hard_limit_reached", "Billing hard limit has been reached"
    ),
    "rate-limit": Refusal(
        429, "requests", "rate_limit_exceeded", _LIMITED, headers=(("retry-after", "12"), ("retry-after-ms", "11500"), *_SPENT)
    ),
    "rate-limit-reset": Refusal(429, "requests", "rate_limit_exceeded", _LIMITED, headers=_SPENT),
    "rate-limit-paid": Refusal(429, "requests", "rate_limit_exceeded", _LIMITED, made=True, spent=(("input_tokens", 1_500),)),
    "rate-limit-bare": Refusal(429, "requests", "rate_limit_exceeded", _LIMITED),
    "quota": Refusal(429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
    "request-too-large": Refusal(
        429,
        "tokens",
        "rate_limit_exceeded",
        "Request too large for gpt-image-2 in organization org-1 on tokens per min (TPM): Limit 30000, Requested 45000.",
        headers=_SPENT,
    ),
    "tokens-spent": Refusal(
        429,
        "tokens",
        "rate_limit_exceeded",
        "Rate limit reached for gpt-image-2 on tokens per min (TPM): Limit 30000, Used 29000, Requested 4500.",
    ),
    "teapot": Refusal(418, message="Short and stout"),
    "request-timeout": Refusal(408, "timeout", None, "Request timed out"),
    "conflict": Refusal(409, "conflict", None, "Conflict"),
    "too-early": Refusal(425, "too_early", None, "Too early"),
    "http-500": Refusal(500, "server_error", None, "The server had an error while processing your request."),
    "http-500-paid": Refusal(500, "server_error", None, "The server had an error.", made=True, spent=(("output_tokens", 1_056),)),
    "http-502": Refusal(502, html=True),
    "http-503": Refusal(503, "server_error", None, "The engine is currently overloaded."),
    "http-504": Refusal(504, html=True, made=True),
    "redirect-307": Refusal(307, html=True, headers=(("location", "/v1/trap"),)),
    "redirect-302": Refusal(302, html=True, headers=(("location", "/v1/trap"),)),
}
"""Faults answered at once, after the latency, instead of doing the work."""

LINES = frozenset(
    (
        "reset",
        "reset-at-once",
        "close",
        "reset-after-headers",
        "half-body",
        "silent",
        "silent-after-headers",
        "trickle",
        "endless",
        "endless-500",
        "hang-401",
        "hang-429",
    )
)
"""Faults of the line: the work was done, where no status says otherwise, and the answer never comes whole. `reset-at-once`, a
mood, breaks it before the request was read."""

NONSENSE = frozenset(
    (
        "not-json",
        "not-object",
        "not-base64",
        "html-picture",
        "jpeg-as-png",
        "announced-jpeg",
        "truncated",
        "error-moderation",
        "error-moderation-paid",
        "error-moderation-spoilt",
        "error-server",
        "error-server-paid",
        "unknown-words",
        "wild-usage",
        "no-usage",
        "no-details",
        "fewer",
        "more",
        "empty",
        "data-null",
        "no-data",
        "one-bad",
        "echo",
        "echo-reencoded",
        "no-content",
        "gzip",
    )
)
"""Answers with status 200 that are not what was asked."""

STREAMS = frozenset(
    (
        "sse-error",
        "sse-error-moderation",
        "sse-error-moderation-late",
        "sse-error-moderation-paid",
        "sse-error-first",
        "sse-rate-limit",
        "sse-rate-limit-paid",
        "sse-cut",
        "sse-cut-clean",
        "sse-cut-between",
        "sse-cut-within",
        "sse-hang-between",
        "sse-no-partials",
        "sse-disorder",
        "sse-unknown",
        "sse-late-partial",
        "sse-endless",
        "sse-crumbs",
        "sse-newlines",
        "sse-json",
        "sse-bad-picture",
        "sse-crlf",
        "sse-cr",
        "sse-no-last-line",
    )
)
"""Of streams only; a call that does not ask for a stream is answered as if nothing were wrong."""

UNMADE = {
    "error-moderation": "refused",
    "sse-error-moderation": "refused",
    "error-server": "failed",
    "sse-error-first": "failed",
    "sse-rate-limit": "limited",
    "hang-401": "refused",
    "hang-429": "limited",
}
"""Other faults that are not billed, and what the record calls them."""

FAULTS = frozenset(REFUSALS) | LINES | NONSENSE | STREAMS
