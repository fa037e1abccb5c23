"""The library, wired. A part of the wiring in a file of its own."""

from dishka import Provider, Scope, provide, provide_all

from adapters.postgres.library_queries import PostgresLibraryQueries
from adapters.postgres.lineage import PostgresLineage
from adapters.postgres.session import Pool
from adapters.postgres.statistics import PostgresStatistics
from adapters.postgres.store import PostgresStore
from application.archives import RequestArchive
from application.bulk import ActOnMany
from application.collecting import (
    ChangeCollection,
    ChangeGeneration,
    MakeCollection,
    PutItem,
    RemoveCollection,
    RestoreGeneration,
    TakeItemOut,
)
from application.generations import DeleteGeneration
from application.library import LibraryQueries, LibraryStore, StatisticsQueries
from application.lineage import LineageQueries, RecallGeneration
from entrypoints.crash_points import CrashPoints


class Library(Provider):
    """Whoever wires the rest brings the pool and the store."""

    scope = Scope.APP
    generations = provide_all(ChangeGeneration, RestoreGeneration, RecallGeneration)
    collections = provide_all(MakeCollection, ChangeCollection, PutItem, TakeItemOut)

    @provide
    def library_store(self, postgres: PostgresStore, points: CrashPoints) -> LibraryStore:
        return points.wrap("LibraryStore", postgres)

    @provide
    def library_queries(self, pool: Pool) -> LibraryQueries:
        return PostgresLibraryQueries(pool)

    @provide
    def statistics(self, pool: Pool) -> StatisticsQueries:
        return PostgresStatistics(pool)

    @provide
    def lineage(self, pool: Pool) -> LineageQueries:
        return PostgresLineage(pool)

    @provide
    def remove_collection(self, store: LibraryStore) -> RemoveCollection:
        return RemoveCollection(store)

    @provide
    def act_on_many(
        self, store: LibraryStore, library: LibraryQueries, dispose: DeleteGeneration, pack: RequestArchive
    ) -> ActOnMany:
        return ActOnMany(store, library, dispose, pack)
