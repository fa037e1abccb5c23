"""The wiring of what keeps harm out: who judges words and pictures."""

from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

import structlog
from dishka import Provider, Scope, provide

from adapters.moderation.word_list import BrokenWordList, WordList
from adapters.picture_pool import PicturePool
from adapters.postgres.quarantine import PostgresQuarantineQueries
from adapters.postgres.session import Pool
from adapters.postgres.store import PostgresStore
from adapters.small_copies import SmallCopies
from application.media import AdmitUpload
from application.moderation import Moderator, ModeratorUnavailable, PartialModes
from application.ports import NewId, ObjectStorage, PictureIntake
from application.provenance import Provenance
from application.quarantine import HashList, ListImpounded, QuarantineQueries, ReleaseImpounded, Seize
from application.screening import ScreenInput, ScreenOutputs
from application.store import Store
from domain.accounts import Mode
from domain.partials import shown_unfinished
from entrypoints.crash_points import CrashPoints
from entrypoints.settings import Settings, SettingsInvalid


@dataclass(frozen=True, slots=True)
class SafetyProbe:
    """Whether the moderator answers, for whoever looks after the parts; None where only a list of words judges. Raises
    SettingsInvalid for a list that is none."""

    settings: Settings

    async def __call__(self) -> bool | None:
        _words(self.settings)
        _hashes(self.settings)
        wanted = self.settings.moderation or self.settings.moderate_outputs
        if not (wanted and self.settings.openai_api_key):
            return None
        from adapters.moderation.openai import OpenAIModerator

        key, url = self.settings.openai_api_key, self.settings.openai_base_url
        with suppress(ModeratorUnavailable):
            async with OpenAIModerator.opened(key, url, _nothing, lambda _, **__: None) as moderator:
                await moderator.judge("a red fox in snow", ())
                return True
        return False


def _words(settings: Settings) -> WordList:
    try:
        return WordList.read(settings.moderation_words)
    except BrokenWordList as error:
        raise SettingsInvalid(f"MODERATION_WORDS: {error}") from None


def _hashes(settings: Settings) -> HashList | None:
    if not settings.hash_list:
        return None
    from adapters.hash_file import BrokenHashList, HashFile  # with numpy, which not every process needs

    try:
        return HashFile(settings.hash_list, structlog.get_logger().warning)
    except BrokenHashList as error:
        raise SettingsInvalid(f"HASH_LIST: {error}") from None


async def _nothing(_: bytes) -> None:
    """The small copy of what is never shown."""


def of_input(settings: Settings, moderators: Mapping[Mode, Moderator]) -> Mapping[Mode, Moderator]:
    """Who judges prompts and references; each of the two settings switches off what it names, and nothing else."""
    return moderators if settings.moderation else {}


def of_outputs(settings: Settings, moderators: Mapping[Mode, Moderator]) -> Mapping[Mode, Moderator]:
    """Those who see pictures."""
    return {mode: moderators[mode] for mode in _judged(settings)}


def _judged(settings: Settings) -> set[Mode]:
    """The modes whose pictures are: a list of words sees none."""
    return {Mode.LIVE} if settings.moderate_outputs and settings.openai_api_key else set()


def unfinished(settings: Settings) -> PartialModes:
    """Whoever asks and whoever calls must agree on it: API and workers have the same settings."""
    return PartialModes(shown_unfinished(_judged(settings), known=bool(settings.hash_list)))


class Safety(Provider):
    """Who judges, and what is asked of them."""

    scope = Scope.APP
    probe = provide(SafetyProbe)

    @provide
    def words(self, settings: Settings) -> WordList:
        return _words(settings)

    @provide
    async def moderators(
        self, settings: Settings, words: WordList, pool: PicturePool, points: CrashPoints
    ) -> AsyncIterator[Mapping[Mode, Moderator]]:
        """Nothing of a test request goes to anybody; live ones to the provider, where there is a key for it."""
        local: Moderator = points.wrap("Moderator", words)
        if not settings.openai_api_key:
            yield dict.fromkeys(Mode, local)
            return
        from adapters.moderation.openai import OpenAIModerator  # a second's import that only a worker needs

        log = structlog.get_logger().warning
        async with OpenAIModerator.opened(settings.openai_api_key, settings.openai_base_url, SmallCopies(pool), log) as live:
            yield {Mode.TEST: local, Mode.LIVE: points.wrap("Moderator", live)}

    @provide
    def partial_modes(self, settings: Settings) -> PartialModes:
        return unfinished(settings)

    @provide
    def seize(
        self, settings: Settings, store: PostgresStore, storage: ObjectStorage, intake: PictureIntake, points: CrashPoints
    ) -> Seize:
        hashes, log = _hashes(settings), structlog.get_logger().warning
        known = points.wrap("HashList", hashes) if hashes else None
        return Seize(points.wrap("Store", store), storage, intake, known, log)

    @provide
    def admit_upload(
        self, store: Store, storage: ObjectStorage, intake: PictureIntake, new_id: NewId, seize: Seize, provenance: Provenance
    ) -> AdmitUpload:
        return AdmitUpload(store, storage, intake, new_id, seize, provenance)

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
    def screen_input(
        self, settings: Settings, moderators: Mapping[Mode, Moderator], words: WordList, seize: Seize
    ) -> ScreenInput:
        return ScreenInput(of_input(settings, moderators), words, seize)

    @provide
    def screen_outputs(
        self, settings: Settings, moderators: Mapping[Mode, Moderator], storage: ObjectStorage, seize: Seize
    ) -> ScreenOutputs:
        return ScreenOutputs(of_outputs(settings, moderators), storage, seize)
