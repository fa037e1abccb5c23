"""The one rule for every text that comes in; above all, that no payment card number comes in with it."""

import random
import time
from uuid import UUID

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain.errors import CardNumberRefused, InvalidText, LimitExceeded
from domain.limits import LIMITS, holds_card_number, metadata, text

PROPERTY = settings(deadline=None, print_blob=True)

# Numbers that issuers and payment services publish for testing.
CARDS = {
    "Visa": ["4242424242424242", "4111111111111111", "4012888888881881", "4222222222222", "4917610000000000003"],
    "Mastercard": ["5555555555554444", "5105105105105100", "5200828282828210", "2223003122003222", "2720994326581252"],
    "American Express": ["378282246310005", "371449635398431", "341111111111111"],
    "Discover": ["6011111111111117", "6011000990139424", "6011981111111113", "6510000000000034"],
    "Diners": ["3056930009020004", "30569309025904", "36227206271667", "38520000023237"],
    "JCB": ["3566002020360505", "3530111333300000"],
    "UnionPay": ["6200000000000005", "6205500000000000004"],
    "Maestro": ["6759649826438453", "6304000000000000", "6771798021000008", "6799990100000000019", "5018000000000009"],
    "RuPay": ["6070000000000002", "5085000000000007", "6527658900000007"],
    "Mir": ["2200000000000004", "2204000000000000"],
}
EVERY_CARD = [pytest.param(number, id=f"{issuer} {number}") for issuer, numbers in CARDS.items() for number in numbers]
NUMBERS = [number for numbers in CARDS.values() for number in numbers]


def in_fours(number: str, separator: str) -> str:
    return separator.join(number[i : i + 4] for i in range(0, len(number), 4))


SEPARATORS = " -.\t\u00a0\u2009\u2011\u2013\u202f\u3000\uff0d\uff0e\u2212\u200b"
AROUND = "{}", "card {}, cvc 123", "{} 12/29 737", "2 tickets, {}\nthanks", "№{}!", "pan:{};", "a{}z", "{}.", "12 {} 34"


@pytest.mark.parametrize("number", EVERY_CARD)
def test_a_card_number_is_refused_however_it_is_written(number: str) -> None:
    full_width = number.translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})
    arabic = number.translate({ord("0") + digit: 0x0660 + digit for digit in range(10)})
    for written in (number, full_width, arabic, *(in_fours(number, mark) for mark in SEPARATORS), in_fours(full_width, "\u3000")):
        for around in AROUND:
            with pytest.raises(CardNumberRefused):
                text("prompt", around.format(written), 1_000)


def test_a_card_in_amex_groups_is_refused() -> None:
    assert holds_card_number("3782 822463 10005")
    assert holds_card_number("pay with 3714-496353-98431 please")


def test_a_card_digit_by_digit_is_refused() -> None:
    assert holds_card_number(" ".join("4242424242424242"))
    assert holds_card_number("-".join("378282246310005"))


@pytest.mark.parametrize(
    "harmless",
    [
        "",
        "a red fox in snow",
        "4242424242424241",  # the check digit is wrong
        "9999999999999995",  # nobody issues these
        "0000000000000000",
        "42424242424242",  # a Visa has not 14 digits
        "424242424242424242424242",  # longer than any card
        "4242 4242\n4242 4242",  # two lines are two things
        "4242, 4242, 4242, 4242",
        "1024x1024, 1536x1024, 3840x2160",
        "call +44 20 7946 0958 or (030) 1234567-89, fax 0049 30 901820",
        "+1 (415) 555-2671, +86 10 6552 9988",
        "$1,299.00 + $4,999.99 = $6,298.99; 1.299,00 EUR",
        "2026-11-22T13:08:09.123456Z to 2026-12-01 00:00:00",
        "22.11.2026 - 01.12.2026, 1732273200000, 1732273200",
        "192.168.100.200 255.255.255.0 2001:db8::1",
        "3.14159265358979323846264338327950288",
        "ISBN 978-3-16-148410-0",
        "v1.2.3-4.5.6",
        "#4a7c59 #d2f69f on #ffffff",
        "16 pictures of 1920 by 1080 pixels at 60 frames",
        "018f4e2a-7b3c-7d4e-8f5a-6b7c8d9e0f1a",
        "b18c8632-2266-4668-8665-0967dbc38a39",  # 4668-8665-0967 looks like a Maestro... inside an id
        "ORDER:F5BC4D1E-4002-4201-81BC-3060B1241125",
    ],
)
def test_what_is_no_card_comes_in(harmless: str) -> None:
    assert text("prompt", harmless, 1_000) == harmless


def test_no_id_is_taken_for_a_card() -> None:
    """Without that care one in some thousands is, and ids are what labels are made of."""
    numbers = random.Random(7)
    for version in (4, None):
        for _ in range(5_000):
            assert not holds_card_number(str(UUID(int=numbers.getrandbits(128), version=version)))
    assert holds_card_number("018f4e2a-7b3c-7d4e-8f5a-6b7c8d9e0f1a 4242424242424242")


@PROPERTY
@given(st.sampled_from(NUMBERS), st.integers(0, 18), st.integers(1, 9))
def test_any_wrong_digit_makes_it_another_number(number: str, place: int, by: int) -> None:
    assume(place < len(number))
    wrong = number[:place] + str((int(number[place]) + by) % 10) + number[place + 1 :]
    assert not holds_card_number(wrong)


@PROPERTY
@given(st.text(max_size=200), st.sampled_from(NUMBERS), st.text(max_size=200))
def test_a_refusal_never_repeats_the_text(before: str, number: str, after: str) -> None:
    with pytest.raises(CardNumberRefused) as refusal:
        text("prompt", f"{before}|{number}|{after}".replace("\0", "") + "\uffff", 1_000)
    said = f"{refusal.value} {refusal.value.detail} {refusal.value.facts} {refusal.value.args}"
    assert not any(number[i : i + 6] in said for i in range(len(number) - 5))
    assert refusal.value.facts == {"field": "prompt"}
    assert refusal.value.__cause__ is None


SECRET = "xyzzy-plugh"


@pytest.mark.parametrize(
    ("value", "reason"),
    [(SECRET * 10, "too_long"), (SECRET[:2], "too_short"), (SECRET + "\0", "nul"), (SECRET + "\udc00", "lone_surrogate")],
)
def test_no_refusal_repeats_the_text(value: str, reason: str) -> None:
    with pytest.raises(InvalidText) as refusal:
        text("name", value, 100, least=3)
    assert refusal.value.facts["reason"] == reason
    assert refusal.value.facts["field"] == "name"
    assert value[:5] not in f"{refusal.value} {refusal.value.facts} {refusal.value.args}"


def test_a_text_is_as_long_as_its_characters() -> None:
    for character in ("x", "雪", "\U0001f98a"):
        assert text("prompt", character * 10, 10) == character * 10
        with pytest.raises(InvalidText):
            text("prompt", character * 11, 10)


def test_a_blank_text_counts_as_none() -> None:
    for blank in ("", " ", "\n\t\u3000\u00a0"):
        assert text("name", blank, 10) == blank
        with pytest.raises(InvalidText) as refusal:
            text("name", blank, 10, least=1)
        assert refusal.value.facts == {"field": "name", "limit": 1, "reason": "too_short"}


def test_text_comes_in_as_it_was_sent() -> None:
    for kept in ("  a fox  ", "e\u0301", "\u202eright to left", "line\r\nline", "\U0001f468\u200d\U0001f469"):
        assert text("prompt", kept, 100) == kept


def test_labels_are_texts_too() -> None:
    assert metadata({"project": "x", "empty": ""}) == {"project": "x", "empty": ""}
    assert metadata({str(number): "" for number in range(16)})
    assert metadata({"k" * 64: "v" * 512})
    for wrong in ({"": "x"}, {" ": "x"}, {"k" * 65: "x"}, {"k": "v" * 513}, {"k": "\0"}, {"\ud800": "v"}):
        with pytest.raises(InvalidText):
            metadata(wrong)
    for card in ({"4242424242424242": "x"}, {"k": "4242 4242 4242 4242"}):
        with pytest.raises(CardNumberRefused):
            metadata(card)
    with pytest.raises(LimitExceeded) as refusal:
        metadata({str(number): "" for number in range(17)})
    assert refusal.value.facts == {"field": "metadata", "limit": 16}


HOSTILE = ["4 ", "4", "4-", "4111 1111 1111 1112 ", "5018 ", "\uff14\u3000", "a4111-", "00000000-0000-"]


@pytest.mark.parametrize("pattern", HOSTILE)
def test_the_longest_hostile_prompt_is_read_in_a_moment(pattern: str) -> None:
    prompt = (pattern * LIMITS["prompt_characters"])[: LIMITS["prompt_characters"]]
    started = time.process_time()
    holds_card_number(prompt)
    assert time.process_time() - started < 0.5  # some 20 ms; it was a second when each group was tried with each length
