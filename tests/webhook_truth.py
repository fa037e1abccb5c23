"""What may be taken of what comes to the webhook, decided without the code under test: by the SDK's own proof, and json."""

import json
import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from stripe import SignatureVerificationError, WebhookSignature

from domain.billing import Hint
from tests.webhook_attacks import AT, MOST_BYTES, PATH, SIGNATURE, TOLERANCE, Post, Target

_WORD = re.compile(r"[!-~]{1,255}")
_TIME = re.compile(r"(?:^|,)t=([0-9]+)(?:,|$)")
HUGE = 10**40


def truth(target: Target, post: Post) -> Hint | None:
    """The hint that this request may leave behind, and no other; None if it must leave none. A reader may refuse more."""
    if post.method != "POST" or post.path.rstrip("/") != PATH:
        return None
    signatures = [value.decode("latin-1") for name, value in post.headers if name == SIGNATURE]
    if len(signatures) != 1 or len(post.body) > MOST_BYTES or not _is_signed(target, post.body, signatures[0]):
        return None
    return _hint(post.body)


def _is_signed(target: Target, body: bytes, header: str) -> bool:
    times = _TIME.findall(header)
    if len(times) != 1 or abs(int(times[0][:20]) - AT) > TOLERANCE:
        return False
    for secret in target.secrets:
        with suppress(SignatureVerificationError, UnicodeError, TypeError):  # the last two where it meets no ASCII
            return bool(WebhookSignature.verify_header(body, header, secret))
    return False


def _hint(body: bytes) -> Hint | None:
    try:
        said: Any = json.loads(body, parse_int=lambda digits: int(digits) if len(digits) < 20 else HUGE, strict=False)
        about = said["data"]["object"]
        words = [said["id"], said["type"], about["object"], *([about["id"]] if about.get("id") is not None else [])]
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return None
    created = said.get("created")
    if not all(isinstance(word, str) and _WORD.fullmatch(word) for word in words):
        return None
    if said.get("object") != "event" or type(created) is not int or not 0 <= created < 2**36:
        return None
    at = datetime.fromtimestamp(created, UTC)
    return Hint(said["id"], said["type"], at, about["object"], about.get("id") or "")
