"""What is drawn from stored pictures: the ports to whoever draws, and to the rows that say what has been drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.media import Asset, AssetId
from domain.provenance import SourceType
from domain.renditions import Rendition, RenditionId, Shape, Sketch


class PictureCopies(Protocol):
    """Draws copies of stored pictures. Never on the event loop, within memory and time limits."""

    async def sketch(self, content: bytes, source_type: SourceType | None) -> Sketch:
        """The thumbnail, a WebP that says in XMP what made the picture, and what it looks like. Of a film, the first frame.

        Raises BrokenImage; or IntakeBusy when no worker answered, which says nothing about the picture.
        """
        ...

    async def render(self, content: bytes, shape: Shape) -> bytes:
        """The picture in that shape, and nothing else in the file. Of a film, the first frame; what is transparent lies on white
        where the format knows no alpha.

        Raises BrokenImage, TooHeavy, or IntakeBusy when no worker answered.
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


class Renditions(Protocol):
    """Which renditions there are. Each method is a transaction of its own and may raise StoreUnavailable."""

    async def use(self, asset: AssetId, shape: Shape) -> Rendition | None:
        """The one of that shape, which stays for `KEPT_UNUSED` from now; None if it has to be made."""
        ...

    async def origin(self, asset: Asset) -> SourceType | None:
        """What made the picture, if a model did."""
        ...

    async def add(self, id: RenditionId, asset: Asset, shape: Shape, bytes: int, sha256: str) -> Rendition | None:
        """The one of that shape: this, unless there was another by now. None if the picture is gone."""
        ...

    async def forget(self, limit: int) -> Sequence[Rendition]:
        """Remove at most so many that nobody has asked for in `KEPT_UNUSED`; answers them."""
        ...
