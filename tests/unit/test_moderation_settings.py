"""Each switch of the safety check ends what it names, and nothing else."""

from pathlib import Path
from typing import Any

import pytest

from domain.accounts import Mode
from entrypoints.settings import Settings
from entrypoints.wiring_safety import of_input, of_outputs, unfinished
from tests.judged_world import ScriptedModerator


@pytest.mark.parametrize("of_words", [True, False])
@pytest.mark.parametrize("of_pictures", [True, False])
def test_neither_switch_turns_the_other_off(of_words: bool, of_pictures: bool) -> None:
    moderators = dict.fromkeys(Mode, ScriptedModerator())
    settings = Settings(openai_api_key="a key", moderation=of_words, moderate_outputs=of_pictures)
    assert set(of_input(settings, moderators)) == (set(Mode) if of_words else set())
    assert set(of_outputs(settings, moderators)) == ({Mode.LIVE} if of_pictures else set())


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ({}, {Mode.TEST, Mode.LIVE}),
        ({"openai_api_key": "a key"}, {Mode.TEST}),
        ({"openai_api_key": "a key", "moderate_outputs": False}, {Mode.TEST, Mode.LIVE}),
        ({"openai_api_key": "a key", "moderate_outputs": False, "hash_list": Path("known")}, {Mode.TEST}),
    ],
)
def test_nobody_sees_half_finished_what_would_be_refused_whole(said: dict[str, Any], shown: set[Mode]) -> None:
    assert set(unfinished(Settings(**said))) == shown


def test_a_list_of_words_judges_no_picture() -> None:
    assert of_outputs(Settings(), dict.fromkeys(Mode, ScriptedModerator())) == {}
