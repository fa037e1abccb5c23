"""The wiring of what keeps harm out: who judges words and pictures."""

from collections.abc import AsyncIterator, Mapping

import structlog
from dishka import Provider, Scope, provide

from adapters.moderation.word_list import WordList
from adapters.picture_pool import PicturePool
from adapters.small_copies import SmallCopies
from application.moderation import Moderator
from application.ports import ObjectStorage
from application.screening import ScreenInput, ScreenOutputs
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
    def screen_input(self, moderators: Mapping[Mode, Moderator], words: WordList) -> ScreenInput:
        return ScreenInput(moderators, words)

    @provide
    def screen_outputs(self, settings: Settings, moderators: Mapping[Mode, Moderator], storage: ObjectStorage) -> ScreenOutputs:
        """By those who see pictures: a list of words does not."""
        wanted = settings.moderate_outputs and settings.openai_api_key
        return ScreenOutputs({Mode.LIVE: moderators[Mode.LIVE]} if wanted and moderators else {}, storage)
