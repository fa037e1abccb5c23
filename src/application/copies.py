"""What is drawn from stored pictures: the ports to whoever draws, and to the rows that say what has been drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.media import Asset, AssetId
from domain.provenance import SourceType
from domain.renditions import Sketch


class PictureCopies(Protocol):
    """Draws copies of stored pictures. Never on the event loop, within memory and time limits."""

    async def sketch(self, content: bytes, source_type: SourceType | None) -> Sketch:
        """The thumbnail, a WebP that says in XMP what made the picture, and what it looks like. Of a film, the first frame.

        Raises BrokenImage; or IntakeBusy when no worker answered, which says nothing about the picture.
        """
        ...


@dataclass(frozen=True, slots=True)
class Unsketched:
    """A picture whose thumbnail is wanted. `looks`: how often somebody began one, this time included."""

    asset: Asset
    source_type: SourceType | None
    looks: int


class Sketches(Protocol):
    """Which pictures have no thumbnail yet. Each method is a transaction of its own and may raise StoreUnavailable."""

    async def take(self, limit: int) -> Sequence[Unsketched]:
        """At most so many, the oldest of the least tried first; nobody else is given these for `LOOK_AGAIN`."""
        ...

    async def keep(self, asset: AssetId, sketch: Sketch) -> bool:
        """Write down what was made, and that its thumbnail is stored; False if the picture is gone."""
        ...

    async def give_up(self, asset: AssetId) -> None:
        """No thumbnail can be made of it: it is not given to anybody again."""
        ...

    async def put_back(self, assets: Sequence[AssetId]) -> None:
        """Nothing is known about these: they are given again after `LOOK_AGAIN`, as if they had not been looked at."""
        ...
