"""OpenAI's error objects, read whatever else is in them: whose fault it was, and what can be done."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.image_models.openai.errors import ErrorObject
from domain.attempts import Stage
from tests.hostile import ANY_JSON


@given(
    ANY_JSON
    | st.dictionaries(st.sampled_from(["code", "type", "message", "param", "categories", "moderation_details"]), ANY_JSON)
)
def test_no_complaint_breaks_the_reading_of_complaints(error: object) -> None:
    told = ErrorObject.of(error)
    assert told.code is None or (told.code.isascii() and 0 < len(told.code) <= 64)
    assert told.refusal(Stage.OUTPUT)
    assert told.words("refused")


KEY_WORDS = [
    "Your organization must be verified to use the model `gpt-image-2`.",
    "You have insufficient permissions for this operation. Missing scopes: model.request.",
    "Project `proj_1` does not have access to model `gpt-image-2`.",
    "Your account has been deactivated.",
    "You are not allowed to sample from this model",
    "Country, region, or territory not supported",
]
OTHER_WORDS = ["This picture cannot be edited.", "People in the picture are not allowed.", "The prompt names a country.", ""]


@pytest.mark.parametrize(("message", "ours"), [(m, True) for m in KEY_WORDS] + [(m, False) for m in OTHER_WORDS])
def test_who_is_forbidden_is_told_by_the_words(message: str, ours: bool) -> None:
    assert ErrorObject.of({"message": message}).refuses_us(403) is ours
    assert ErrorObject.of({"message": message}).refuses_us(401)
    assert not ErrorObject.of({"message": message}).refuses_us(400)


@pytest.mark.parametrize("code", ["insufficient_quota", "billing_not_active", "invalid_organization", "mismatched_project"])
def test_some_codes_are_of_the_key_whatever_the_status(code: str) -> None:
    assert ErrorObject.of({"code": code}).refuses_us(400)
    assert ErrorObject.of({"type": code}).refuses_us(429)


@pytest.mark.parametrize(
    ("message", "too_large"),
    [
        ("Request too large for gpt-image-2 on tokens per min (TPM): Limit 30000, Requested 45000.", True),
        ("on images per min: Limit: 5, Requested: 10.", True),
        ("Rate limit reached: Limit 250,000, Used 249,000, Requested 45,000.", False),
        ("Rate limit reached: Limit 5, Used 5, Requested 1.", False),
        ("Rate limit reached on images per min: Limit 0, Used 0, Requested 1.", False),
        ("Request too large for gpt-image-2 on images per min: Limit 0, Requested 1.", False),
        ("Request too large", True),
        ("Slow down", False),
    ],
)
def test_a_request_that_no_waiting_makes_smaller(message: str, too_large: bool) -> None:
    assert ErrorObject.of({"message": message, "type": "tokens"}).is_too_large is too_large


@pytest.mark.parametrize(("limit", "ours"), [("0", True), ("5", False)])
def test_a_limit_of_nothing_is_the_operators_to_mend(limit: str, ours: bool) -> None:
    told = ErrorObject.of({"message": f"Rate limit reached on images per min: Limit {limit}, Used 0, Requested 1."})
    assert told.refuses_us(429) is ours


def test_long_messages_take_no_time() -> None:
    began = time.thread_time()
    told = ErrorObject.of({"message": "safety_violations=[" * 3_000 + "project organization " * 3_000})
    assert (told.categories, told.refuses_us(403), told.is_too_large) == ((), False, False)
    assert time.thread_time() - began < 0.1


@pytest.mark.parametrize(
    ("more", "stage", "categories"),
    [
        ({"moderation_stage": "input", "categories": ["violence", "self-harm"]}, Stage.INPUT, ("violence", "self-harm")),
        ({"moderation_details": {"moderation_stage": "output", "categories": "other"}}, Stage.OUTPUT, ("other",)),
        ({"categories": {"violence": True, "hate": False}}, None, ("violence",)),
        ({"message": "no. safety_violations=[sexual, violence]."}, None, ("sexual", "violence")),
        ({"moderation_stage": "dreaming", "categories": [7, None]}, None, ()),
    ],
)
def test_stage_and_categories_are_found_wherever_they_stand(
    more: dict[str, Any], stage: Stage | None, categories: tuple[str, ...]
) -> None:
    told = ErrorObject.of({"code": "moderation_blocked", "message": "no"} | more)
    assert (told.refuses_content, told.stage, told.categories) == (True, stage, categories)
