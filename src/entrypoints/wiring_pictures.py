"""The wiring of copies of pictures: who draws them, and who says which there are."""

from dishka import Provider, Scope, provide

from adapters.copies import PooledCopies
from adapters.picture_pool import PicturePool
from adapters.postgres.renditions import PostgresRenditions
from adapters.postgres.session import Pool
from adapters.postgres.sketches import PostgresSketches
from adapters.provenance.xmp import packet
from application.copies import PictureCopies, Renditions, Sketches
from application.ports import NewId, ObjectStorage
from application.provenance import Provenance
from application.renditions import ForgetRenditions, ShowRendition
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
    def renditions(self, pool: Pool, points: CrashPoints) -> Renditions:
        return points.wrap("Renditions", PostgresRenditions(pool))

    @provide
    def show_rendition(
        self, renditions: Renditions, storage: ObjectStorage, copies: PictureCopies, provenance: Provenance, new_id: NewId
    ) -> ShowRendition:
        return ShowRendition(renditions, storage, copies, provenance, new_id)

    @provide
    def forget_renditions(self, renditions: Renditions, objects: Objects, points: CrashPoints) -> ForgetRenditions:
        return ForgetRenditions(renditions, points.wrap("ObjectStorage", objects.storage, "ForgetRenditions"))

    @provide
    def make_thumbnails(self, sketches: Sketches, objects: Objects, copies: PictureCopies, points: CrashPoints) -> MakeThumbnails:
        return MakeThumbnails(sketches, points.wrap("ObjectStorage", objects.storage, "MakeThumbnails"), copies)
