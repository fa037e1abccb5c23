"""Copies of a picture: the small one that is shown in lists, and those in another format or size."""

from dataclasses import dataclass, field
from datetime import timedelta

from domain.media import Likeness, PictureFormat

THUMBNAIL_SIDE = 512
"""A thumbnail's longer side, in pixels, unless the picture itself is smaller."""
THUMBNAIL_FORMAT = PictureFormat.WEBP
LOOK_AGAIN = timedelta(minutes=2)
"""After which somebody else tries to make a thumbnail that was begun."""
MOST_LOOKS = 4
"""Whatever dies of a picture that often will not make one of it."""


@dataclass(frozen=True, slots=True)
class Sketch:
    """A thumbnail, and what can be shown and compared before it is there."""

    content: bytes = field(repr=False)
    blurhash: str
    likeness: Likeness
