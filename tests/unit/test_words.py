"""What words a prompt has, and whether it is found by what somebody asks for."""
# ruff: noqa: RUF001 - scripts that look like one another

import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.errors import CardNumberRefused, InvalidText, LimitExceeded
from domain.limits import LIMITS
from domain.words import KNOWN_WORDS, WORD_CHARACTERS, Wanted, folded, words_of

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
PLANES = "a猫𐌰😀\U0001f9d1𠀀𰀀\U000a0000\U000e0100\U000f0000\U00100000"


def wanted(said: str) -> Wanted:
    return Wanted.asked("q", said)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("A red fox, a RED fox!", ["a", "red", "fox"]),
        ("the fox's 35mm film-grain", ["the", "fox", "s", "35mm", "film", "grain"]),
        ("Straße ΟΔΟΣ İstanbul", ["strasse", "οδοσ", "i\u0307stanbul"]),
        ("café and cafe\u0301", ["café", "and"]),
        ("ＦＵＬＬ width ﬁne", ["full", "width", "fine"]),
        ("हिन्दी में चित्र", ["हिन्दी", "में", "चित्र"]),
        ("سَمَاء زرقاء", ["سَمَاء", "زرقاء"]),
        ("東京タワー", ["東", "京", "タ", "ワ", "ー"]),
        ("แมวน้ำ", ["แ", "ม", "ว", "น", "า"]),
        ("two cats 🐈🐈‍⬛ 👍🏽", ["two", "cats", "🐈", "⬛", "👍"]),
        ("co\u00adoperate می\u200cخواهم", ["cooperate", "میخواهم"]),
        ("!?., …— ++ $$", []),
        ("", []),
    ],
)
def test_a_prompt_is_known_by_its_words_in_any_script(prompt: str, words: list[str]) -> None:
    assert words_of(prompt) == words


@given(texts)
@example("ǰ̣ᾳͅ\u0345")
@example("\u0300\u0301 ﷺ ㌔ ½ Ⅻ")
def test_texts_that_read_alike_have_the_same_words(text: str) -> None:
    assert folded(folded(text)) == folded(text)
    for alike in (text.upper().lower().upper(), unicodedata.normalize("NFD", text), unicodedata.normalize("NFKC", text)):
        if folded(alike) == folded(text):
            assert words_of(alike) == words_of(text)
    assert folded(unicodedata.normalize("NFD", text)) == folded(text)


@given(texts, st.data())
def test_a_prompt_is_found_by_any_of_its_words_and_by_nothing_else(prompt: str, data: st.DataObject) -> None:
    known = words_of(prompt)
    assert len(known) == len(set(known))
    assert all(1 <= len(word) <= WORD_CHARACTERS for word in known)
    if known:
        some = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=5))
        assert Wanted(tuple(some)).fits(prompt)
        assert wanted(" ".join(some)).words == tuple(dict.fromkeys(some))
        assert wanted(" ".join(some)).fits(prompt)
        assert not Wanted((*some, "absentword")).fits(prompt)


@given(texts)
def test_a_prompt_is_found_by_itself(prompt: str) -> None:
    if words_of(prompt) and len(words_of(prompt)) <= LIMITS["search_words"]:
        try:
            asked = wanted(prompt)
        except CardNumberRefused:
            return
        assert asked.fits(prompt)


@pytest.mark.parametrize(
    ("said", "prompt", "found"),
    [
        ("fox", "A Fox.", True),
        ("fo", "a fox", False),
        ("snow fox", "a fox in the snow", True),
        ("snow wolf", "a fox in the snow", False),
        ("東京", "夜の東京タワー", True),
        ("東京", "京の東", False),
        ("แมว", "รูปแมวดำ", True),
        ("แมว", "วแม", False),
        ("👍", "well done 👍🏽", True),
        ("x" * 70, "x" * 65 + "y", True),
        ("STRASSE", "eine Straße", True),
    ],
)
def test_all_words_must_be_in_the_prompt(said: str, prompt: str, found: bool) -> None:
    assert wanted(said).fits(prompt) is found


@pytest.mark.parametrize("character", PLANES)
def test_every_plane_of_unicode_can_be_asked_for(character: str) -> None:
    if unicodedata.category(character) == "Mn":  # a mark by itself is no word
        with pytest.raises(InvalidText):
            wanted(character)
    else:
        assert wanted(character).fits(f"a {character}!")


@pytest.mark.parametrize(
    ("said", "reason", "limit"),
    [
        ("", "too_short", 1),
        (" ", "too_short", 1),
        ("?!… --", "no_word", None),
        ("\ufe0f", "no_word", None),
        ("a\0b", "nul", None),
        ("a\ud800", "lone_surrogate", None),
        ("x" * 501, "too_long", 500),
        (" ".join(str(number) for number in range(10_000)), "too_long", 500),
    ],
)
def test_what_holds_no_word_cannot_be_asked_for(said: str, reason: str, limit: int | None) -> None:
    with pytest.raises(InvalidText) as refused:
        wanted(said)
    assert (refused.value.facts["field"], refused.value.facts["reason"], refused.value.facts.get("limit")) == ("q", reason, limit)


def test_too_many_words_are_refused_with_the_limit() -> None:
    most = LIMITS["search_words"]
    assert len(wanted(" ".join(f"w{number}" for number in range(most))).words) == most
    with pytest.raises(LimitExceeded) as refused:
        wanted(" ".join(f"w{number}" for number in range(most + 1)))
    assert refused.value.facts == {"field": "q", "limit": most}


def test_a_heap_of_marks_is_read_as_fast_as_any_prompt() -> None:
    heap = "a" + "\u0301\u0323" * 15_999
    began = time.process_time()
    assert words_of(heap) == words_of(heap[:31])
    assert time.process_time() - began < 0.5, "by the square of its length it would take a second"


def test_of_a_prompt_full_of_different_words_the_first_thousand_are_known() -> None:
    words = [f"w{number}" for number in range(5_000)]
    assert words_of(" ".join(words)) == words[:KNOWN_WORDS]
