"""The list of generations over HTTP: pages that lead on, filters that mean what they say."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from application.queries import GenerationFilter
from domain.generations import GenerationState
from domain.requests import Kind
from domain.words import Wanted
from tests.http_stage import BEARER, STRANGER, Stage

COLLECTION = UUID(int=7)


def test_pages_lead_through_all_generations_newest_first(stage: Stage, client: TestClient[Litestar]) -> None:
    made = [stage.has_generation() for _ in range(7)]
    stage.has_generation(STRANGER)
    seen, path = list[str](), "/v1/generations?limit=3"
    pages = 0
    while path:
        page = client.get(path, headers=BEARER).json()
        seen += [row["id"] for row in page["data"]]
        path = f"/v1/generations?limit=3&after={page['next']}" if page["next"] else ""
        pages += 1
    assert seen == [str(row.id) for row in reversed(made)]
    assert pages == 3


def test_a_page_that_is_just_full_is_the_last(stage: Stage, client: TestClient[Litestar]) -> None:
    for _ in range(3):
        stage.has_generation()
    assert client.get("/v1/generations?limit=3", headers=BEARER).json()["next"] is None


def test_every_filter_reaches_the_query(stage: Stage, client: TestClient[Litestar]) -> None:
    times = "created_after=2026-11-01T00:00:00Z&created_before=2026-11-02T01:00:00%2B01:00"
    library = f"favourite=false&collection={COLLECTION}&trashed=true&q=Red%20FOX%21"
    path = f"/v1/generations?state=queued&state=failed&model=gpt-image-2&kind=edit&{library}&{times}"
    assert client.get(path, headers=BEARER).status_code == 200
    states, day = (GenerationState.QUEUED, GenerationState.FAILED), datetime(2026, 11, 1, tzinfo=UTC)
    of_library: dict[str, Any] = {"favourite": False, "collection": COLLECTION, "trashed": True, "wanted": Wanted(("red", "fox"))}
    range: dict[str, Any] = {"created_after": day, "created_before": day + timedelta(days=1)}
    assert stage.told == GenerationFilter(states, "gpt-image-2", Kind.EDIT, **of_library, **range)
    client.get("/v1/generations?trashed=false", headers=BEARER)
    assert stage.told == GenerationFilter(), "what is asked for by default is what is not asked for"


def test_a_cursor_goes_with_its_filters(stage: Stage, client: TestClient[Litestar]) -> None:
    for _ in range(3):
        stage.has_generation()
    cursor = client.get("/v1/generations?limit=1", headers=BEARER).json()["next"]
    assert client.get(f"/v1/generations?limit=2&after={cursor}", headers=BEARER).status_code == 200
    for filter in ("kind=edit", "favourite=false", "trashed=true", "q=fox", f"collection={COLLECTION}"):
        other = client.get(f"/v1/generations?limit=1&{filter}&after={cursor}", headers=BEARER)
        assert (other.status_code, other.json()["type"]) == (400, "/problems/invalid-cursor")
    assert client.get(f"/v1/media?after={cursor}", headers=BEARER).status_code == 400


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=two", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("limit=null", "limit"),
        ("state=done", "state"),
        ("kind=null", "kind"),
        ("kind=paint", "kind"),
        ("after=x", "after"),
        (f"after={'x' * 256}", "after"),
        ("model=%00", "model"),
        ("model=%20", "model"),
        (f"model={'x' * 101}", "model"),
        ("created_after=yesterday", "created_after"),
        ("created_after=1700000000", "created_after"),
        ("created_after=2026-11-22T10:00:00", "created_after"),
        ("created_after=9999-12-31T23:59:59-14:00", "created_after"),
        ("created_after=0001-01-01T00:00:00%2B14:00", "created_after"),
        ("favourite=maybe", "favourite"),
        ("trashed=2", "trashed"),
        ("collection=mine", "collection"),
        ("q=", "q"),
        ("q=%20", "q"),
        ("q=%3F%21", "q"),
        ("q=%EF%B8%8F", "q"),
        ("q=a%00b", "q"),
        ("q=fox&q=wolf", "q"),
        ("q=4111+1111+1111+1111", "q"),
        (f"q={'x' * 501}", "q"),
        (f"q={'+'.join(map(str, range(33)))}", "q"),
        (f"q={'+'.join(map(str, range(10_000)))}", "q"),
        ("states=queued", None),
        ("&".join(f"state=queued&a{n}=1" for n in range(60)), None),
    ],
)
def test_a_filter_that_says_nothing_is_refused(query: str, field: str | None, client: TestClient[Litestar]) -> None:
    answer = client.get(f"/v1/generations?{query}", headers=BEARER)
    assert (answer.status_code, answer.json().get("field")) == (400, field)


@pytest.mark.parametrize("words", ["a", "猫", "𐌰", "😀", "\U0001f9d1", "𠀀", "\U000a0000", "\U000f0000", "\U00100000"])
def test_words_of_every_plane_of_unicode_can_be_asked_for(words: str, stage: Stage, client: TestClient[Litestar]) -> None:
    assert client.get(f"/v1/generations?q={quote(words)}", headers=BEARER).status_code == 200
    assert stage.told == GenerationFilter(wanted=Wanted((words,)))


def test_a_misspelled_filter_is_told_the_right_ones(client: TestClient[Litestar]) -> None:
    told = client.get("/v1/generations?states=queued", headers=BEARER).json()
    dates, of_library = ["created_after", "created_before"], ["favourite", "kind", "limit", "model", "q", "state", "trashed"]
    assert told["allowed"] == ["after", "collection", *dates, *of_library]
