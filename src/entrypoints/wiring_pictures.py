"""The wiring of copies of pictures: who draws them, and who says which there are."""

from collections.abc import AsyncIterator
from typing import NewType

from dishka import Provider, Scope, provide

from adapters.copies import PooledCopies
from adapters.picture_pool import PicturePool, patient_pool
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
from entrypoints.settings import Settings
from entrypoints.wiring_storage import Objects

PatientPool = NewType("PatientPool", PicturePool)


class Pictures(Provider):
    """Whoever wires the rest brings the pool of picture workers, the storage and the database."""

    scope = Scope.APP

    @provide
    async def patient(self, settings: Settings) -> AsyncIterator[PatientPool]:
        """Who makes thumbnails: a picture that somebody waits for comes first."""
        pool = patient_pool(settings.picture_memory_mb)
        yield PatientPool(pool)
        pool.stop()

    @provide
    def copies(self, pool: PicturePool, patient: PatientPool) -> PictureCopies:
        return PooledCopies(pool, patient, packet)

    @provide
    def sketches(self, pool: Pool) -> Sketches:
        return PostgresSketches(pool)

    @provide
    def renditions(self, pool: Pool) -> Renditions:
        return PostgresRenditions(pool)

    @provide
    def show_rendition(
        self,
        renditions: Renditions,
        storage: ObjectStorage,
        copies: PictureCopies,
        provenance: Provenance,
        new_id: NewId,
        points: CrashPoints,
    ) -> ShowRendition:
        drawn = points.wrap("PictureCopies", copies)
        return ShowRendition(points.wrap("Renditions", renditions), storage, drawn, provenance, new_id)

    @provide
    def forget_renditions(self, renditions: Renditions, objects: Objects, points: CrashPoints) -> ForgetRenditions:
        by = "ForgetRenditions"
        return ForgetRenditions(points.wrap("Renditions", renditions, by), points.wrap("ObjectStorage", objects.storage, by))

    @provide
    def make_thumbnails(self, sketches: Sketches, objects: Objects, copies: PictureCopies, points: CrashPoints) -> MakeThumbnails:
        by = "MakeThumbnails"
        storage, drawn = points.wrap("ObjectStorage", objects.storage, by), points.wrap("PictureCopies", copies, by)
        return MakeThumbnails(points.wrap("Sketches", sketches, by), storage, drawn)
