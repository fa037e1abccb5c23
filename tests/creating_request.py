"""A request that creates something, as the clauses about the caller's own key send it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from domain.accounts import AccountId
from tests.http_house import check_problem

Refuse = Callable[[], Callable[[], None]]


def _bytes(key: str | bytes) -> bytes:
    return key if isinstance(key, bytes) else key.encode()


def _form(said: Mapping[str, Any], file_name: bytes) -> bytes:
    """Bytes are files."""
    parts = list[bytes]()
    for name, value in said.items():
        filed = b'; filename="%s"' % file_name if isinstance(value, bytes) else b""
        head = b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n' % (name.encode(), filed)
        parts.append(head + (value if isinstance(value, bytes) else value.encode()) + b"\r\n")
    return b"".join(parts) + b"--b--\r\n"


def _id(answer: httpx.Response) -> str:
    return str(answer.json()["id"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Creating:
    """`body` makes one thing, `other` another; `made` counts them. `locks`: the account's row that orders requests with equal
    keys; empty: a provider does. `secret`: what is made is told once, so that a repeat is refused with its id. `purge`: the thing
    is deleted for good; None: it cannot be. `refused`: has the request refused until what it answers is called."""

    client: httpx.Client
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str
    body: Mapping[str, Any]
    other: Mapping[str, Any]
    made: Callable[[], int]
    thing: Callable[[httpx.Response], str] = _id
    account: AccountId
    locks: str = "accounts WHERE id = %s"
    secret: bool = False
    speaks_openai: bool = False
    purge: Callable[[str], None] | None = None
    refused: Refuse
    form: bool = False
    """How it is written: as a form, or as JSON."""
    many: int = 50
    """How many may ask at once."""

    def written(self, body: Mapping[str, Any] | None = None, *, otherwise: bool = False) -> bytes:
        """A body as it is sent; `otherwise`: the same in another order, with other spaces or names of files."""
        said = dict(self.body if body is None else body)
        said = dict(reversed(list(said.items()))) if otherwise else said
        if self.form:
            return _form(said, b"b.jpg" if otherwise else b"a.png")
        return json.dumps(said, indent=3 if otherwise else None).encode()

    def __call__(self, key: str | bytes | None, body: Mapping[str, Any] | bytes | None = None) -> httpx.Response:
        content = body if isinstance(body, bytes) else self.written(body)
        return self.client.post(self.path, headers=self.sent(key), content=content)

    def check_refused(self, answer: httpx.Response, status: int, problem: str, **members: Any) -> None:
        """In the manner of this route."""
        if not self.speaks_openai:
            return check_problem(answer, status, problem, **members)
        said = answer.json()["error"]
        code = "invalid_value" if problem.startswith("invalid-") else problem.replace("-", "_")
        assert (answer.status_code, said["code"], said["param"]) == (status, code, members.get("field")), answer.text
        return None

    def sent(self, *keys: str | bytes | None) -> list[tuple[bytes, bytes]]:
        """The headers of a request with these keys; None is none."""
        named = {**self.headers, "Content-Type": "multipart/form-data; boundary=b" if self.form else "application/json"}
        written = [(name.encode(), value.encode()) for name, value in named.items()]
        return written + [(b"Idempotency-Key", _bytes(key)) for key in keys if key is not None]
