"""Moderators keep the promise of their port: the local list of words, and OpenAI's by the real SDK, asked of one of ours."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from adapters.moderation.openai import MODEL, OpenAIModerator
from adapters.moderation.word_list import BrokenWordList, WordList
from application.moderation import ModeratorUnavailable
from domain.moderation import CLEAN, Verdict
from tests.contract.test_small_copies import written
from tests.processes import part
from tests.provider import Provider, provider

pytestmark = pytest.mark.anyio
PICTURE = b"a picture"
JPEG = written(Image.new("RGB", (8, 8)), "JPEG")
SECRET = "a secret wish"


@pytest.fixture(scope="module")
def openai(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with provider(tmp_path_factory.mktemp("openai")) as running:
        yield running


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
async def moderator(openai: Provider, log: list[str]) -> AsyncIterator[OpenAIModerator]:
    async def small(picture: bytes) -> bytes | None:
        return None if picture == b"broken" else JPEG

    openai.judges("")
    said = lambda event, **fields: log.append(f"{event} {fields}")  # noqa: E731 - as a logger is called
    async with OpenAIModerator.opened("sk-test", openai.url, small, said, seconds=1.5) as opened:
        yield opened


async def test_what_nobody_objects_to_is_clean(openai: Provider, moderator: OpenAIModerator) -> None:
    before = len(openai.judged())
    assert await moderator.judge(SECRET, [PICTURE, PICTURE]) == CLEAN
    asked = openai.judged()[before:]
    assert sorted((question.kind, question.count) for question in asked) == [("pictures", 1)] * 2 + [("words", 1)]
    assert await moderator.judge(" ", []) == CLEAN
    assert len(openai.judged()) == before + 3, "where there is nothing to judge, nobody is asked"


async def test_it_is_sent_words_and_small_copies_and_nothing_else(openai: Provider, moderator: OpenAIModerator) -> None:
    before = len(openai.judged())
    await moderator.judge(SECRET, [PICTURE])
    asked = openai.judged()[before:]
    assert {(tuple(question.fields), question.links) for question in asked} == {(("input", "model"), 0)}
    assert MODEL == "omni-moderation-latest"


@pytest.mark.parametrize(("category", "word"), [("sexual/minors", "sexual_minors"), ("self-harm", "self_harm")])
async def test_the_category_it_is_surest_of_is_told(
    openai: Provider, moderator: OpenAIModerator, category: str, word: str
) -> None:
    openai.judges(f"[pictures: {category}]")
    assert await moderator.judge(SECRET, [PICTURE]) == Verdict(word)
    openai.judges(f"[words: {category}]")
    assert await moderator.judge(SECRET, [PICTURE]) == Verdict(word)


@pytest.mark.parametrize("fault", ["400", "401", "429", "500", "reset", "silent", "not-json", "no-result", "endless"])
async def test_no_answer_is_no_verdict_and_only_a_lost_line_is_asked_again_once(
    openai: Provider, moderator: OpenAIModerator, log: list[str], fault: str
) -> None:
    openai.judges(f"[judge-fault: {fault}]")
    before = len(openai.judged())
    with pytest.raises(ModeratorUnavailable):
        await moderator.judge(SECRET, [])
    assert len(openai.judged()) == before + (2 if fault == "reset" else 1)
    assert [said.split()[0] for said in log] == ["moderator_does_not_answer"]
    assert SECRET not in str(log)


async def test_what_is_flagged_counts_whatever_else_could_not_be_judged(openai: Provider, moderator: OpenAIModerator) -> None:
    openai.judges("[words: hate] [judge-fault: silent] [judge-fault-of: pictures]")
    assert await moderator.judge(SECRET, [PICTURE] * 2) == Verdict("hate")


async def test_a_picture_that_nobody_can_draw_shows_nothing(openai: Provider, moderator: OpenAIModerator) -> None:
    openai.judges("[pictures: violence]")
    assert await moderator.judge("", [b"broken"]) == CLEAN


async def test_whoever_gives_up_waiting_closes_the_questions(openai: Provider, moderator: OpenAIModerator) -> None:
    openai.judges("[judge-fault: silent]")
    waiting = asyncio.create_task(moderator.judge(SECRET, [PICTURE]))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.parametrize(
    ("words", "category"),
    [
        ("a red fox in snow", None),
        ("the class went to Scunthorpe, Essex, to see a cocktail bar", None),
        ("PORN", "sexual"),
        ("a p\u00f3rn\u200bo, drawn", "sexual"),
        ("a  deepfake\nporn of her", "sexual"),
        ("nude_child", "sexual_minors"),
        ("\uff50\uff4f\uff52\uff4e", "sexual"),
        ("child porn", "sexual_minors"),
    ],
)
async def test_the_list_finds_whole_words_however_they_are_written(words: str, category: str | None) -> None:
    assert await WordList.read().judge(words, [PICTURE]) == Verdict(category)


async def test_a_list_of_ones_own_takes_the_place_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "words"
    path.write_text("# ours\n[blood]\nStra\u00dfe  # as strasse\nCAF\u00c9 au lait\n", "utf-8")
    own = WordList.read(path)
    assert await own.judge("in der STRASSE", []) == Verdict("blood")
    assert await own.judge("cafe\u0301-au-lait!", []) == Verdict("blood")
    assert await own.judge("porn", []) == CLEAN


@pytest.mark.parametrize("text", ["porn", "[sexual]\n...", "[Sexual]\nporn"])
def test_a_list_that_is_none_says_where(tmp_path: Path, text: str) -> None:
    path = tmp_path / "words"
    path.write_text(text)
    with pytest.raises(BrokenWordList, match="line"):
        WordList.read(path)


@pytest.mark.parametrize(("name", "setting"), [("api", "HASH_LIST"), ("worker", "HASH_LIST"), ("worker", "MODERATION_WORDS")])
def test_no_process_starts_with_a_list_that_is_none(database_url: str, tmp_path: Path, name: str, setting: str) -> None:
    (path := tmp_path / "list").write_text("!")
    with part(name, tmp_path, DATABASE_URL=database_url, PORT="0", **{setting: str(path)}) as started:
        assert started.wait(60) != 0
        assert f"Error: {setting}: " in started.last_words


class Desk:
    """A moderator who keeps connections, and closes each that `hangs_up` at its next question. `lines`: how many there were."""

    def __init__(self) -> None:
        self.lines, self.questions, self.hangs_up = 0, 0, False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lines += 1
        with suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                (length,) = re.findall(rb"(?i)content-length: (\d+)", head)
                await reader.readexactly(int(length))
                self.questions += 1
                if self.hangs_up:
                    self.hangs_up = False
                    break
                head, body = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n", b'{"results":[{"flagged":false}]}'
                writer.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        writer.close()


async def test_connections_are_kept_and_one_that_was_closed_is_no_outage(log: list[str]) -> None:
    async def small(_: bytes) -> bytes:
        return JPEG

    desk = Desk()
    server = await asyncio.start_server(desk.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server, OpenAIModerator.opened("sk-test", url, small, lambda event, **_: log.append(event)) as moderator:
        for _ in range(3):
            assert await moderator.judge(SECRET, []) == CLEAN
        assert (desk.lines, desk.questions) == (1, 3)
        desk.hangs_up = True
        assert await moderator.judge(SECRET, []) == CLEAN
        assert (desk.lines, desk.questions) == (2, 5)
    assert log == []
