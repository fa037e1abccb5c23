"""People at the door of a running service: signed in at the sandbox, with keys they made themselves."""

import html
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx

from domain.accounts import AccountId, Mode, Scope
from entrypoints.http.pages import HOME
from tests import plain_http
from tests.processes import until
from tests.world import new_id

NOWHERE = "http://127.0.0.1:9/in"
"""An endpoint at which nobody listens."""


@dataclass(frozen=True, slots=True)
class Resident:
    """`http` bears the session of a browser, and proves that it is at our own pages; `keys` have every scope."""

    http: httpx.Client
    account: AccountId
    keys: Mapping[Mode, str] = field(default_factory=dict)

    def bearer(self, mode: Mode) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[mode]}"}

    def make_key(self, mode: Mode, scopes: Collection[Scope] = tuple(Scope)) -> dict[str, Any]:
        answer = self.http.post("/v1/api-keys", json={"mode": mode, "scopes": sorted(scopes)})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def upload(self, mode: Mode, content: bytes) -> str:
        with self._stranger() as client:
            answer = client.post("/v1/media", headers=self.bearer(mode), files={"file": ("picture", content)})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def archive(self, mode: Mode, *assets: str) -> str:
        with self._stranger() as client:
            answer = client.post("/v1/media/archive", headers=self.bearer(mode), json={"assets": assets})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def send(self, mode: Mode, content: bytes, purpose: str = "reference") -> str:
        """An upload that only has to be completed."""
        body = {"content_type": "image/png", "bytes": len(content), "purpose": purpose}
        with self._stranger() as client:
            begun = client.post("/v1/media/uploads", headers=self.bearer(mode), json=body)
            assert begun.status_code == 201, begun.text
            told = begun.json()
            sent = client.request(told["method"], told["url"], headers=told["headers"], content=content)
        assert sent.status_code == 200, sent.text
        return str(told["id"])

    def collection(self, mode: Mode, *generations: str) -> str:
        with self._stranger() as client:
            made = client.post("/v1/collections", headers=self.bearer(mode), json={"name": "boats"})
            assert made.status_code == 201, made.text
            for each in generations:
                put = client.put(f"{made.headers['location']}/items/{each}", headers=self.bearer(mode), json={})
                assert put.status_code == 204, put.text
        return str(made.json()["id"])

    def hook(self, mode: Mode = Mode.TEST, url: str = NOWHERE) -> tuple[str, str]:
        """A webhook endpoint, and the delivery of a test message to it."""
        body = {"mode": mode, "url": url, "events": ["generation.finished"]}
        made = self.http.post("/v1/webhook-endpoints", json=body)
        assert made.status_code == 201, made.text
        told = self.http.post(f"/v1/webhook-endpoints/{made.json()['id']}/test")
        assert told.status_code == 202, told.text
        return str(made.json()["id"]), str(told.json()["id"])

    def picture(self, mode: Mode) -> Any:
        """A finished generation."""
        body = {"prompt": "a boat", "quality": "low", "size": "64x64" if mode is Mode.TEST else "1024x1024"}
        headers = self.bearer(mode) | {"Prefer": "wait=60"}
        with self._stranger() as client:
            answer = client.post("/v1/generations", headers=headers, json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def subscribes(self, plan: str) -> Any:
        """At the sandbox's page; the subscription, once it and its credits have been heard of, which are told apart."""
        answer = self.http.post("/v1/billing/checkout", json={"plan": plan, "success_url": "/done"})
        assert answer.status_code == 200, answer.text
        paid = self.http.post(answer.json()["url"], data={"answer": "yes", "card": "good", "code": ""})
        assert (paid.status_code, paid.headers["location"]) == (303, f"{str(self.http.base_url).rstrip('/')}/done"), paid.text

        def known() -> Any:
            told = self.http.get("/v1/billing/subscription").json()
            sources = {lot["source"] for lot in self.http.get("/v1/credits").json()["lots"]}
            return told if told["state"] == "active" and "subscription" in sources else None

        return until(known, "the purchase to be heard of")

    def _stranger(self) -> httpx.Client:
        """Without the browser's cookies."""
        return plain_http.Client(base_url=self.http.base_url, timeout=90)


@contextmanager
def signed_in(address: str, email: str = "", name: str = "Ada") -> Iterator[httpx.Client]:
    """A browser after its sign-in; each e-mail address is somebody else."""
    origin = address.rstrip("/")
    with plain_http.Client(base_url=origin, timeout=60, headers={"Origin": origin}) as browser:
        page = browser.get("/auth/sandbox/start").headers["location"]
        said = {"email": email or f"{new_id().hex}@example.test", "name": name, "answer": "yes"}
        back = browser.post(page, data=said)
        assert back.status_code == 303, back.text
        arrived = browser.get(back.headers["location"])
        assert arrived.status_code == 303, arrived.text
        yield browser


@contextmanager
def resident(address: str) -> Iterator[Resident]:
    with signed_in(address) as browser:
        bare = Resident(browser, AccountId(UUID(browser.get("/v1/me").json()["id"])))
        yield Resident(browser, bare.account, {mode: bare.make_key(mode)["secret"] for mode in Mode})


@dataclass(frozen=True, slots=True)
class Tab:
    """The account's page in a browser that is signed in."""

    http: httpx.Client

    @property
    def text(self) -> str:
        shown = self.http.get(HOME)
        assert shown.status_code == 200, shown.text
        return words(shown)

    def press(self, name: str, value: str = "") -> httpx.Response:
        return self.http.post(HOME, data={name: value})

    def led_on(self, answer: httpx.Response) -> str:
        """Where a page sends the browser at once."""
        assert answer.status_code == 200, answer.text
        (url,) = re.findall(r'http-equiv="refresh" content="0; url=([^"]+)"', answer.text)
        return html.unescape(url)

    def pay(self, url: str, card: str = "good") -> httpx.Response:
        return self.http.post(url, data={"card": card, "answer": "yes"})


def words(answer: httpx.Response) -> str:
    """What a page says, without its marks."""
    return " ".join(re.sub(r"<[^>]+>", " ", html.unescape(answer.text)).split())
