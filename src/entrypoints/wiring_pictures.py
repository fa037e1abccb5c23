"""The wiring of copies of pictures: who draws them, and who says which there are."""

from dishka import Provider, Scope, provide

from adapters.copies import PooledCopies
from adapters.picture_pool import PicturePool
from adapters.postgres.session import Pool
from adapters.postgres.sketches import PostgresSketches
from adapters.provenance.xmp import packet
from application.copies import PictureCopies, Sketches
from application.thumbnails import MakeThumbnails
from entrypoints.crash_points import CrashPoints
from entrypoints.wiring_storage import Objects


class Pictures(Provider):
    """Whoever wires the rest brings the pool of picture workers, the storage and the database."""

    scope = Scope.APP

    @provide
    def copies(self, pool: PicturePool, points: CrashPoints) -> PictureCopies:
        return points.wrap("PictureCopies", PooledCopies(pool, packet))

    @provide
    def sketches(self, pool: Pool, points: CrashPoints) -> Sketches:
        return points.wrap("Sketches", PostgresSketches(pool))

    @provide
    def make_thumbnails(self, sketches: Sketches, objects: Objects, copies: PictureCopies, points: CrashPoints) -> MakeThumbnails:
        return MakeThumbnails(sketches, points.wrap("ObjectStorage", objects.storage, "MakeThumbnails"), copies)
