"""What a look at a part of the service found."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Verdict(StrEnum):
    OK = "ok"
    NOTE = "note"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look found, and what to do about it."""

    part: str
    verdict: Verdict
    says: str
    todo: str = ""


def others_read(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o077)
