"""Which cookie of a request is ours: by its very name, and only if there is one."""

from types import SimpleNamespace
from typing import Any

import pytest
from litestar.connection import ASGIConnection

from entrypoints.http.cookies import get_cookie


def brought(*headers: bytes, public_url: str = "https://studio.example") -> ASGIConnection[Any, Any, Any, Any]:
    app = SimpleNamespace(state=SimpleNamespace(public_url=public_url))
    scope: Any = {"type": "http", "headers": [(b"cookie", header) for header in headers], "litestar_app": app, "state": {}}
    return ASGIConnection(scope)


@pytest.mark.parametrize(
    "header",
    [b"__Host-session=ours", b"a=b; __Host-session=ours", b"a=b;__Host-session=ours ;c", b"session=b;\t__Host-session=ours"],
)
def test_our_cookie_is_found_among_others(header: bytes) -> None:
    assert get_cookie(brought(header), "session") == "ours"


@pytest.mark.parametrize("blank", [b"\x85", b"\xa0", b"\x1c", b"\x0b"])
def test_a_name_that_only_looks_like_ours_is_none(blank: bytes) -> None:
    """Browsers take these for letters, so that any host of the domain may set such a name: the prefix does not guard it."""
    assert get_cookie(brought(blank + b"__Host-session=theirs"), "session") is None
    assert get_cookie(brought(b"__Host-session=ours; " + blank + b"__Host-session=theirs"), "session") == "ours"


@pytest.mark.parametrize("headers", [(b"session=one; session=two",), (b"session=one", b"session=two")])
def test_of_two_with_our_name_neither_counts(headers: tuple[bytes, ...]) -> None:
    assert get_cookie(brought(*headers, public_url=""), "session") is None


def test_without_https_there_is_no_prefix() -> None:
    assert get_cookie(brought(b"session=ours; __Host-session=theirs", public_url=""), "session") == "ours"
    assert get_cookie(brought(b"session=; a=b", public_url=""), "session") is None
    assert get_cookie(brought(public_url=""), "session") is None
