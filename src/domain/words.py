"""The words of a prompt, and what it takes to be found by them: in any script, without regard to case or width.

A word is a run of letters, digits and their marks. Scripts that put no spaces between words, and symbols such as emoji, give one
word a character; what is asked for in such a script must then stand in the prompt just so, side by side.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from domain.errors import InvalidText, LimitExceeded
from domain.limits import LIMITS, text

WORD_CHARACTERS = 64
"""A longer word is known by its beginning."""
KNOWN_WORDS = 1_000
"""So many different words of a prompt are known, from its beginning; a prompt of usual length has some thirty."""

_ASCII = re.compile(r"[a-z0-9]+")
# Han, kana, bopomofo, Yi; Thai, Lao, Tibetan, Burmese, Khmer and their like; what is written beyond the first plane in them.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u1b00-\u1b7f\u2e80-\u2fdf\u3005-\u3007"
    "\u3021-\u302f\u3031-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua9e0-\ua9ff\uaa60-\uaa7f"
    "\uf900-\ufaff\U00016fe0-\U00018dff\U0001aff0-\U0001b2ff\U00020000-\U0003ffff]"
)
_RUN = re.compile(_UNSPACED.pattern + "{2,}")
_MARKS = 30
"""So many marks in a row are read; no language puts that many on a letter."""
_LETTER, _ALONE, _MARK, _UNSEEN, _GAP = range(5)
# Symbols and their like, and what has no meaning to this version of Unicode: perhaps next year's emoji.
_STANDING_ALONE = ("So", "Co", "Cn")


_KINDS: dict[str, int] = {}
"""What characters have turned out to be: texts are long, their characters few."""


def folded(value: str) -> str:
    """Texts that read alike are equal when folded; folding what is folded changes nothing."""
    if value.isascii():
        return value.lower()
    while (once := _once(value)) != value:
        value = once
    return value


def _once(value: str) -> str:
    seen = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", "".join(_calmed(value))).casefold())
    return "".join(c for c in seen if _kind(c) is not _UNSEEN)


def _calmed(value: str) -> Iterator[str]:
    """Without marks that nobody could read: to order those that meet takes time by the square of their number."""
    met = 0
    for character in value:
        met = met + 1 if _kind(character) is _MARK else 0
        if met <= _MARKS:
            yield character


def words_of(prompt: str) -> list[str]:
    """The different words of a prompt, in their order."""
    return list(dict.fromkeys(_words(folded(prompt))))[:KNOWN_WORDS]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for in prompts: all these words, and all these runs of characters. Every run is made of words, too."""

    words: tuple[str, ...]
    runs: tuple[str, ...] = ()

    @classmethod
    def asked(cls, field: str, said: str) -> "Wanted":
        """Raises InvalidText, CardNumberRefused or LimitExceeded."""
        seen = folded(text(field, said, LIMITS["search_characters"], least=1))
        words = tuple(dict.fromkeys(_words(seen)))
        if not words:
            raise InvalidText(f"{field} holds no word to look for", field=field, reason="no_word")
        if len(words) > LIMITS["search_words"]:
            raise LimitExceeded(f"{field} holds too many words", field=field, limit=LIMITS["search_words"])
        return cls(words, tuple(dict.fromkeys(_RUN.findall(seen))))

    def fits(self, prompt: str) -> bool:
        seen = folded(prompt)
        if not all(word in seen for word in self.words) or not all(run in seen for run in self.runs):
            return False
        known = set(words_of(prompt))
        return all(word in known for word in self.words)


def _words(seen: str) -> Iterator[str]:
    if seen.isascii():
        yield from (word[:WORD_CHARACTERS] for word in _ASCII.findall(seen))
        return
    begun = ""
    for character in seen:
        kind = _kind(character)
        if kind is _LETTER or (kind is _MARK and begun):
            begun += character
            continue
        if begun:
            yield begun[:WORD_CHARACTERS]
            begun = ""
        if kind is _ALONE:
            yield character
    if begun:
        yield begun[:WORD_CHARACTERS]


def _kind(character: str) -> int:
    kind = _KINDS.get(character)
    if kind is None:
        kind = _KINDS[character] = _classified(character)
    return kind


def _classified(character: str) -> int:
    category = unicodedata.category(character)
    if category[0] == "M":
        return _MARK
    if category in _STANDING_ALONE or (category[0] in "LN" and _UNSPACED.match(character)):
        return _ALONE
    if category == "Cf":
        return _UNSEEN
    return _LETTER if category[0] in "LN" else _GAP
