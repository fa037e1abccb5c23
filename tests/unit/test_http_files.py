"""Files behind signed links: served and taken as the link says, whole or in part, and harmlessly."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from application.ports import LinkedObject
from domain.errors import InvalidRequest
from domain.limits import LIMITS
from entrypoints.http.ranges import Unsatisfiable, span
from tests.http_stage import Stage

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(100))
PATH, QUERY = "uploads/1/2/original", "format=png&name=a.png&expires=1&kid=k1&signature=x"


def linked(content: bytes = PNG) -> LinkedObject:
    async def pieces(first: int, past: int) -> AsyncIterator[bytes]:
        for at in range(first, past, 7):
            yield content[at : min(at + 7, past)]

    return LinkedObject(len(content), '"a-tag"', "image/png", 'inline; filename="a.png"', 60, pieces)


def get(client: TestClient[Litestar], **headers: str) -> Any:
    return client.get(f"/files/{PATH}?{QUERY}", headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_a_file_is_served_harmlessly(stage: Stage, client: TestClient[Litestar]) -> None:
    stage.links[PATH, QUERY] = linked()
    answer = get(client)
    assert (answer.status_code, answer.content) == (200, PNG)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"] == 'inline; filename="a.png"'
    assert answer.headers["cache-control"] == "private, max-age=60"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert (answer.headers["content-length"], answer.headers["accept-ranges"]) == (str(len(PNG)), "bytes")
    assert answer.headers["etag"] == '"a-tag"'


@pytest.mark.parametrize("path", ["%75ploads/1", "uploads//1", "uploads/1/", "uploads/%2e%2e/1", "uploads/%00", "%C3%BC", "%FF"])
def test_a_link_is_checked_as_it_was_sent(path: str, stage: Stage, client: TestClient[Litestar]) -> None:
    assert client.get(f"/files/{path}?a=%41&&b").status_code == 404
    assert stage.told == (path, "a=%41&&b")


def test_a_store_with_a_server_of_its_own_needs_no_files_here(stage: Stage) -> None:
    with stage.client(serves_files=False) as client:
        client.get("/files/a?b")
    assert stage.told is None


def test_a_part_is_served_of_the_file_that_the_caller_has_the_rest_of(stage: Stage, client: TestClient[Litestar]) -> None:
    stage.links[PATH, QUERY] = linked()
    part = get(client, Range="bytes=10-19", If_Range='"a-tag"')
    assert (part.status_code, part.content) == (206, PNG[10:20])
    assert (part.headers["content-range"], part.headers["content-length"]) == (f"bytes 10-19/{len(PNG)}", "10")
    other = get(client, Range="bytes=10-19", If_Range='"another-tag"')
    assert (other.status_code, other.content) == (200, PNG)
    over = get(client, Range=f"bytes={len(PNG)}-")
    assert (over.status_code, over.json()["type"]) == (416, "/problems/range-not-satisfiable")
    assert over.headers["content-range"] == f"bytes */{len(PNG)}"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        *((("bytes=0-0"), (0, 1)), (("bytes=2-"), (2, 10)), (("bytes=-3"), (7, 10)), (("bytes=-30"), (0, 10))),
        *((("bytes=5-99"), (5, 10)), (("bytes=0-9"), (0, 10))),
        *((("bytes=5-4"), None), (("bytes=-"), None), (("bytes=0-1,3-4"), None), (("lines=0-1"), None), (("bytes=a-b"), None)),
        *((("bytes= 0-1"), None), (("bytes=٣-"), None), (("bytes=0-" + "9" * 19), None), ("", None), (None, None)),
        *((("bytes=10-"), Unsatisfiable), (("bytes=-0"), Unsatisfiable), (("bytes=10-12"), Unsatisfiable)),
    ],
)
def test_what_is_asked_for_is_one_range_of_bytes(wanted: str | None, found: Any) -> None:
    if found is Unsatisfiable:
        with pytest.raises(Unsatisfiable):
            span(wanted, None, "tag", 10)
    else:
        assert span(wanted, None, "tag", 10) == found


@given(st.text("0123456789-", max_size=8), st.integers(0, 30))
def test_a_part_lies_inside_of_the_file(wanted: str, length: int) -> None:
    try:
        found = span(f"bytes={wanted}", None, "tag", length)
    except Unsatisfiable:
        return
    assert found is None or 0 <= found[0] < found[1] <= length


def put(client: TestClient[Litestar], content: bytes) -> Any:
    return client.put(f"/files/{PATH}?{QUERY}", content=content, headers={"Content-Type": "image/png"})


def test_what_is_sent_by_a_link_reaches_the_store_as_it_was_sent(stage: Stage, client: TestClient[Litestar]) -> None:
    assert put(client, PNG * 9_000).status_code == 200
    assert stage.told == (PATH, QUERY, "image/png", PNG * 9_000)
    stage.refusal = InvalidRequest("the link is for another length", field="Content-Length", limit=3)
    answer = put(client, PNG)
    assert (answer.status_code, answer.json()["field"]) == (400, "Content-Length")


def test_no_more_is_read_than_an_upload_may_have(stage: Stage, client: TestClient[Litestar]) -> None:
    assert put(client, bytes(LIMITS["upload_bytes"] + 1)).status_code == 413
    assert stage.told is None
