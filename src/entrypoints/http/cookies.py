"""Cookies of our own pages, and the proof that a request comes from them."""

from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie

from domain.errors import CrossOrigin

SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
MOST_TOKEN = 128

Connection = ASGIConnection[Any, Any, Any, Any]


def named(name: str, *, secure: bool) -> str:
    """With the prefix that keeps other hosts and plain http from setting it; browsers take that on https only."""
    return f"__Host-{name}" if secure else name


def cookie(connection: Connection, name: str, value: str, seconds: int) -> Cookie:
    """Only we can read it, and only our own pages, and links to them, bring it back."""
    secure = _is_secure(connection)
    return Cookie(
        named(name, secure=secure), value=value, path="/", max_age=seconds, httponly=True, samesite="lax", secure=secure
    )


def no_cookie(connection: Connection, name: str) -> Cookie:
    """It is taken away."""
    return cookie(connection, name, "", 0)


def get_cookie(connection: Connection, name: str) -> str | None:
    """By its very name. Litestar would strip what some browsers take for a letter, so that other hosts could set one with our
    prefix; and of two of one name, of which we have set one at most, nobody knows which."""
    wanted = named(name, secure=_is_secure(connection))
    brought = (pair.partition("=") for header in connection.headers.getall("cookie", []) for pair in header.split(";"))
    found = [value.strip(" \t") for key, _, value in brought if key.strip(" \t") == wanted]
    return found[0] or None if len(found) == 1 else None


def session_token(connection: Connection) -> str | None:
    token = get_cookie(connection, "session")
    return token if token and len(token) <= MOST_TOKEN else None


def check_same_origin(connection: Connection) -> None:
    """An unsafe request with a cookie must come from one of our own pages: the browser itself says so. Raises CrossOrigin."""
    if connection.scope.get("method") in SAFE:
        return
    site = connection.headers.get("sec-fetch-site")
    if site is not None:
        if site == "same-origin":
            return
        raise CrossOrigin
    if connection.headers.get("origin") != own_origin(connection):
        raise CrossOrigin


def own_origin(connection: Connection) -> str:
    """Where our pages are, as a browser writes it: what is configured, or else where this request came to."""
    public: str = connection.app.state.public_url
    if public:
        parts = urlsplit(public)
        return f"{parts.scheme}://{parts.netloc}"
    return f"http://{connection.headers.get('host', '')}"


def _is_secure(connection: Connection) -> bool:
    return str(connection.app.state.public_url).startswith("https://")
