"""The wiring of what keeps harm out: who judges words and pictures."""

from collections.abc import AsyncIterator, Mapping

import structlog
from dishka import Provider, Scope, provide

from adapters.moderation.word_list import WordList
from adapters.picture_pool import PicturePool
from adapters.postgres.quarantine import PostgresQuarantineQueries
from adapters.postgres.session import Pool
from adapters.postgres.store import PostgresStore
from adapters.small_copies import SmallCopies
from application.media import AdmitUpload
from application.moderation import Moderator
from application.ports import NewId, ObjectStorage, PictureIntake
from application.quarantine import ListImpounded, QuarantineQueries, ReleaseImpounded, Seize
from application.screening import ScreenInput, ScreenOutputs
from application.store import Store
from domain.accounts import Mode
from entrypoints.crash_points import CrashPoints
from entrypoints.settings import Settings


class Safety(Provider):
    """Who judges, and what is asked of them."""

    scope = Scope.APP

    @provide
    def words(self, settings: Settings) -> WordList:
        return WordList.read(settings.moderation_words)

    @provide
    async def moderators(
        self, settings: Settings, words: WordList, pool: PicturePool, points: CrashPoints
    ) -> AsyncIterator[Mapping[Mode, Moderator]]:
        """Nothing of a test request goes to anybody; live ones to the provider, where there is a key for it."""
        if not settings.moderation:
            yield {}
            return
        local: Moderator = points.wrap("Moderator", words)
        if not settings.openai_api_key:
            yield dict.fromkeys(Mode, local)
            return
        from adapters.moderation.openai import OpenAIModerator  # a second's import that only a worker needs

        log = structlog.get_logger().warning
        async with OpenAIModerator.opened(settings.openai_api_key, settings.openai_base_url, SmallCopies(pool), log) as live:
            yield {Mode.TEST: local, Mode.LIVE: points.wrap("Moderator", live)}

    @provide
    def seize(
        self, settings: Settings, store: PostgresStore, storage: ObjectStorage, intake: PictureIntake, points: CrashPoints
    ) -> Seize:
        log, hashes = structlog.get_logger().warning, None
        if settings.hash_list:
            from adapters.hash_file import HashFile  # with numpy, which not every process needs

            hashes = points.wrap("HashList", HashFile(settings.hash_list, log))
        return Seize(points.wrap("Store", store, "Seize"), storage, intake, hashes, log)

    @provide
    def admit_upload(
        self, store: Store, storage: ObjectStorage, intake: PictureIntake, new_id: NewId, seize: Seize
    ) -> AdmitUpload:
        return AdmitUpload(store, storage, intake, new_id, seize)

    @provide
    def quarantine(self, pool: Pool) -> QuarantineQueries:
        return PostgresQuarantineQueries(pool)

    @provide
    def release(self, store: PostgresStore, storage: ObjectStorage, new_id: NewId) -> ReleaseImpounded:
        return ReleaseImpounded(store, storage, new_id)

    @provide
    def list_impounded(self, store: PostgresStore, queries: QuarantineQueries, new_id: NewId) -> ListImpounded:
        return ListImpounded(store, queries, new_id)

    @provide
    def screen_input(self, moderators: Mapping[Mode, Moderator], words: WordList, seize: Seize) -> ScreenInput:
        return ScreenInput(moderators, words, seize)

    @provide
    def screen_outputs(
        self, settings: Settings, moderators: Mapping[Mode, Moderator], storage: ObjectStorage, seize: Seize
    ) -> ScreenOutputs:
        """By those who see pictures: a list of words does not."""
        wanted = settings.moderate_outputs and settings.openai_api_key
        return ScreenOutputs({Mode.LIVE: moderators[Mode.LIVE]} if wanted and moderators else {}, storage, seize)
