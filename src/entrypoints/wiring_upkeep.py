"""What keeps rows and stored objects together, and packs them, wired. A part of the wiring in a file of its own."""

from datetime import timedelta

from dishka import Provider, Scope, provide, provide_all

from adapters.postgres.objects import PostgresObjectRows
from adapters.postgres.prompt_index import PostgresPromptIndex
from adapters.postgres.session import Pool
from adapters.postgres.store import PostgresStore
from adapters.zip_files import ZipFiles
from application.archives import ForgetArchives, MakeArchives, RequestArchive
from application.housekeeping import SweepObjects
from application.object_checks import CheckObjects, SampleObjects, VerifyObjects
from application.object_rows import ObjectRows
from application.purging import PurgeMedia, SweepByHand
from application.queries import Queries
from application.search import IndexPrompts
from entrypoints.crash_points import CrashPoints
from entrypoints.settings import Settings
from entrypoints.wiring_storage import Objects


class Upkeep(Provider):
    """Whoever wires the rest brings the store, the storage and the queries."""

    scope = Scope.APP
    archives = provide_all(RequestArchive)
    by_hand = provide_all(SweepByHand, PurgeMedia)
    checks = provide(CheckObjects)

    @provide
    def object_rows(self, pool: Pool) -> ObjectRows:
        return PostgresObjectRows(pool)

    @provide
    def index_prompts(self, store: PostgresStore, pool: Pool, points: CrashPoints) -> IndexPrompts:
        by = "IndexPrompts"
        index = PostgresPromptIndex(pool)
        return IndexPrompts(points.wrap("Store", store, by), points.wrap("PromptIndex", index, by))

    @provide
    def verify_objects(self, rows: ObjectRows, check: CheckObjects) -> VerifyObjects:
        return VerifyObjects(rows, check)

    @provide
    def sample_objects(self, store: PostgresStore, rows: ObjectRows, check: CheckObjects) -> SampleObjects:
        return SampleObjects(store, rows, check)

    @provide
    def sweep_objects(self, store: PostgresStore, objects: Objects, queries: Queries, points: CrashPoints) -> SweepObjects:
        by = "SweepObjects"
        return SweepObjects(points.wrap("Store", store, by), points.wrap("ObjectStorage", objects.storage, by), queries)

    @provide
    def make_archives(
        self, settings: Settings, store: PostgresStore, objects: Objects, queries: Queries, points: CrashPoints
    ) -> MakeArchives:
        by, kept = "MakeArchives", timedelta(seconds=settings.archive_seconds)
        packer = ZipFiles(settings.data_dir / "packing")
        return MakeArchives(
            points.wrap("Store", store, by), points.wrap("ObjectStorage", objects.storage, by), queries, packer, kept
        )

    @provide
    def forget_archives(self, store: PostgresStore, objects: Objects, points: CrashPoints) -> ForgetArchives:
        by = "ForgetArchives"
        return ForgetArchives(points.wrap("Store", store, by), points.wrap("ObjectStorage", objects.storage, by))
