"""Parts of a file, as RFC 9110 asks for them: one range of bytes, if the file is still the one the caller has a part of."""

import re

_RANGE = re.compile(r"bytes=(?P<first>\d{0,18})-(?P<last>\d{0,18})", re.ASCII)


class Unsatisfiable(Exception):
    """There is no such part of the file."""


def span(wanted: str | None, only_if: str | None, tag: str, length: int) -> tuple[int, int] | None:
    """From which byte up to which; None for the whole file, which is also what is answered to whoever asks for several parts, or
    in words we do not know. Raises Unsatisfiable."""
    found = _RANGE.fullmatch(wanted) if wanted and only_if in (None, tag) else None
    if not found or not (found["first"] or found["last"]):
        return None
    if not found["first"]:
        first, past = max(length - int(found["last"]), 0), length
    else:
        first, past = int(found["first"]), int(found["last"]) + 1 if found["last"] else length
        if past <= first and found["last"]:
            return None
    if first >= length or (not found["first"] and not int(found["last"])):
        raise Unsatisfiable
    return first, min(past, length)
