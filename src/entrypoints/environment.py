"""What the environment says, name by name, as text or in a file."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

_YES_OR_NO = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


class Environment(StrEnum):
    DEVELOPMENT = "development"
    PRODUCTION = "production"


class SettingsInvalid(Exception):
    """A setting is missing or makes no sense; the message names it."""


def is_said(environment: Mapping[str, str], name: str) -> bool:
    return bool(environment.get(name) or environment.get(f"{name}_FILE"))


def from_file(path: str | None) -> str:
    try:
        return Path(path).read_text().strip() if path else ""
    except OSError as error:
        raise SettingsInvalid(f"{path} cannot be read: {error.strerror}") from None


def read(name: str, value: str, kind: str) -> Any:
    try:
        if "bool" in kind:
            return _YES_OR_NO[value.lower()]
        if "int" in kind:
            return int(value)
        if "float" in kind:
            return float(value)
        if "Path" in kind:
            return Path(value).expanduser()
        return Environment(value) if "Environment" in kind else value
    except (KeyError, ValueError):
        raise SettingsInvalid(f"{name} is not a valid {kind.removeprefix('<class ').strip(chr(39) + '>')}") from None
