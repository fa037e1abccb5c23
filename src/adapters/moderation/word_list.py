"""A list of words: judges offline, at once and always, and sees no pictures."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Self

from application.moderation import Moderator
from domain.moderation import CLEAN, Verdict

_CATEGORY = re.compile(r"\[([a-z0-9_]{1,40})\]")
_WORD = re.compile(r"[^\W_]+")


class BrokenWordList(Exception):
    """The file is no list of words; the message says where."""


class WordList(Moderator):
    """`categories`: by phrase. The longest phrase that is found counts, as it says most."""

    def __init__(self, categories: Mapping[str, str]) -> None:
        said = {" ".join(_words(phrase)): category for phrase, category in categories.items()}
        self._categories = dict(sorted(said.items(), key=lambda one: -len(one[0])))

    @classmethod
    def read(cls, path: Path | None = None) -> Self:
        """The packaged list, or the one in a file. Raises BrokenWordList."""
        try:
            text = path.read_text("utf-8") if path else (files("adapters.moderation") / "words.txt").read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            raise BrokenWordList(f"{path} cannot be read") from None
        return cls(_parsed(text))

    async def judge(self, words: str, pictures: Sequence[bytes]) -> Verdict:
        text = f" {' '.join(_words(words))} "
        for phrase, category in self._categories.items():
            if f" {phrase} " in text:
                return Verdict(category)
        return CLEAN


def _parsed(text: str) -> dict[str, str]:
    category, categories = "", dict[str, str]()
    for number, line in enumerate(text.splitlines(), 1):
        said = line.partition("#")[0].strip()
        if not said:
            continue
        if heading := _CATEGORY.fullmatch(said):
            category = heading[1]
        elif not category or not _words(said):
            raise BrokenWordList(f"line {number} is no word under a [category]")
        else:
            categories[said] = category
    return categories


def _words(text: str) -> list[str]:
    """What lies between spaces and signs, folded: without case, accents, and what is not seen at all. A letter of another
    alphabet that only looks alike stays another."""
    decomposed = unicodedata.normalize("NFKD", text)
    visible = "".join(each for each in decomposed if unicodedata.category(each) not in ("Mn", "Cf"))
    return _WORD.findall(unicodedata.normalize("NFKC", visible.casefold()))
