"""The names under which pictures are saved."""

import re
import unicodedata

from domain.media import FileFormat, PictureFormat

_NAME_CHARACTERS = 100


def disposition(format: FileFormat, name: str) -> str:
    """`name` is a safe one. What a browser may not show is saved."""
    return f'{"inline" if format.shown_inline else "attachment"}; filename="{name}"'


def safe_name(name: str, format: FileFormat) -> str:
    """A file name no header, shell or disk can stumble over, and one that says what the file is."""
    stem, _, ending = name.rpartition(".")
    if ending.lower() not in {format.value, "jpg" if format is PictureFormat.JPEG else format.value}:
        stem, ending = name, format.value
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip(".-")
    return f"{plain[:_NAME_CHARACTERS] or 'picture'}.{ending}"
