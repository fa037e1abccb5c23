"""Every limit of the service in one table, and the one rule for every text that comes in."""

import re
from collections.abc import Mapping
from itertools import accumulate
from types import MappingProxyType

from domain.errors import CardNumberRefused, InvalidText, LimitExceeded

LIMITS: Mapping[str, int] = MappingProxyType(
    {
        "prompt_characters": 32_000,
        "metadata_pairs": 16,
        "metadata_key_characters": 64,
        "metadata_value_characters": 512,
        "upload_bytes": 25 * 1024 * 1024,
        "upload_pixels": 50_000_000,
        "upload_side": 16_384,
        "upload_frames": 1,
        "mask_bytes": 4 * 1024 * 1024,
        "references": 16,
        "form_bytes": 100 * 1024 * 1024,
        "json_form_bytes": 48 * 1024 * 1024,
        "pictures": 10,
        "request_pixels": 16_600_000,
        "rendition_pixels": 16_777_216,
        "name_characters": 100,
        "cursor_characters": 255,
        "idempotency_key_characters": 255,
        "page": 100,
        "wait_seconds": 120,
        "body_bytes": 512 * 1024,
        "grant_credits": 1_000_000_000,
        "link_seconds": 600,
        "reason_characters": 500,
        "archive_assets": 500,
        "archive_bytes": 2 * 1024**3,
        "open_archives": 2,
        "archives": 10,
        "sessions": 50,
        "keys": 50,
        "webhook_endpoints": 10,
        "collections": 1_000,
        "collection_items": 100_000,
        "bulk_ids": 500,
        "lineage_ancestors": 50,
        "lineage_descendants": 100,
        "statistics_days": 366,
        "bulk_matches": 10_000,
        "url_characters": 2_000,
        "streams": 50,
        "event_id_characters": 255,
        "search_characters": 500,
        "search_words": 32,
    }
)
MAX_INTEGER = 2**63 - 1
"""The largest integer stored anywhere (a Postgres bigint)."""

# Issuers' prefix ranges with the lengths they are issued in.
_ISSUERS: tuple[tuple[str, str, range], ...] = (
    ("4", "4", range(13, 20, 3)),  # Visa
    ("51", "55", range(16, 17)),  # Mastercard
    ("2221", "2720", range(16, 17)),  # Mastercard
    ("34", "34", range(15, 16)),  # American Express
    ("37", "37", range(15, 16)),  # American Express
    ("6011", "6011", range(16, 20)),  # Discover
    ("644", "659", range(16, 20)),  # Discover
    ("300", "305", range(14, 20)),  # Diners
    ("36", "36", range(14, 20)),  # Diners
    ("38", "39", range(14, 20)),  # Diners
    ("3528", "3589", range(16, 20)),  # JCB
    ("62", "62", range(16, 20)),  # UnionPay
    ("5018", "5018", range(12, 20)),  # Maestro
    ("5020", "5020", range(12, 20)),  # Maestro
    ("5038", "5038", range(12, 20)),  # Maestro
    ("5893", "5893", range(12, 20)),  # Maestro
    ("6304", "6304", range(12, 20)),  # Maestro
    ("67", "67", range(12, 20)),  # Maestro
    ("508", "508", range(16, 17)),  # RuPay
    ("60", "60", range(16, 17)),  # RuPay
    ("2200", "2204", range(16, 20)),  # Mir
)
_ISSUERS_BY_DIGIT = {digit: [issuer for issuer in _ISSUERS if issuer[0][0] == digit] for digit in "23456"}
# Spaces, dashes and dots of any width, and what is not seen at all.
_SEPARATOR = (
    r"[ \t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000.\uff0e\-\u2010-\u2015\u2212\ufe58\ufe63\uff0d\u00ad\u200b\u2060\ufeff]"
)
_DIGIT_RUN = re.compile(rf"\d+(?:{_SEPARATOR}\d+)*")
# One UUID in some thousands has digits that look like a card's, and ids are what labels are made of.
_UUID = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![0-9a-f])", re.IGNORECASE | re.ASCII)


def text(field: str, value: str, limit: int, *, least: int = 0) -> str:
    """`value` itself if it may enter the service; `limit` and `least` count characters.

    Refused: too long, too short (blank counts as empty), NUL, lone surrogates, anything that looks like a payment card number.
    The refusal never repeats the text.
    """
    if len(value) > limit:
        raise InvalidText(f"{field} is longer than {limit} characters", field=field, limit=limit, reason="too_long")
    if len(value) < least or (least and not value.strip()):
        raise InvalidText(f"{field} needs at least {least} characters", field=field, limit=least, reason="too_short")
    if "\0" in value:
        raise InvalidText(f"{field} holds a NUL character", field=field, reason="nul")
    if any("\ud800" <= c <= "\udfff" for c in value):
        raise InvalidText(f"{field} holds half of a surrogate pair", field=field, reason="lone_surrogate")
    if holds_card_number(value):
        raise CardNumberRefused(f"{field} seems to hold a payment card number", field=field)
    return value


def metadata(pairs: Mapping[str, str]) -> dict[str, str]:
    """The caller's own labels, checked pair by pair."""
    if len(pairs) > LIMITS["metadata_pairs"]:
        raise LimitExceeded("metadata has too many pairs", field="metadata", limit=LIMITS["metadata_pairs"])
    return {
        text("metadata", key, LIMITS["metadata_key_characters"], least=1): text(
            "metadata", value, LIMITS["metadata_value_characters"]
        )
        for key, value in pairs.items()
    }


def holds_card_number(value: str) -> bool:
    """Whether neighbouring groups of digits together have an issuer's prefix and length and a valid check digit.

    Groups may be parted by one space, dot or dash each; digits of any script count. UUIDs are left out, and so is a card inside
    a longer unbroken number: every long number holds one by chance. Takes time in proportion to the length, whatever the text.
    """
    return any(_run_holds_card(run.group()) for run in _DIGIT_RUN.finditer(_UUID.sub("x", value)))


def _run_holds_card(run: str) -> bool:
    groups = re.findall(r"\d+", run)
    bounds = list(accumulate(map(len, groups), initial=0))
    if bounds[-1] < 12:
        return False
    digits = "".join(str(int(digit)) for group in groups for digit in group)
    # Sums up to each place with every other digit doubled: with them the check digit of any stretch is one subtraction.
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits]
    odd = list(accumulate((d if i % 2 else int(digits[i]) for i, d in enumerate(doubled)), initial=0))
    even = list(accumulate((int(digits[i]) if i % 2 else d for i, d in enumerate(doubled)), initial=0))
    ends = frozenset(bounds)
    for start in bounds[:-1]:
        for low, high, lengths in _ISSUERS_BY_DIGIT.get(digits[start], ()):
            if not low <= digits[start : start + len(low)] <= high:
                continue
            for length in lengths:
                end = start + length
                sums = odd if end % 2 else even  # the last digit itself is not doubled
                if end in ends and (sums[end] - sums[start]) % 10 == 0:
                    return True
    return False
