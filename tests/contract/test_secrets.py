"""Canary secrets through every path: in no log, no answer, no metric, no job, and unreadable in a dump of the database."""

import base64
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
import psycopg
import pytest

from adapters.postgres.embedded import EmbeddedPostgres
from domain.accounts import Mode
from tests.clusters import new_database
from tests.http_house import House, house
from tests.kill_matrix import a_png
from tests.people import Resident
from tests.provider import provider
from tests.service import free_port
from tests.world import new_id

OPENAI_KEY = f"sk-canary-{secrets.token_hex(12)}"
KEYRING_SECRET, SAFETY_SECRET = (base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2))


@dataclass
class Watched:
    """A service with secrets of its own, and every answer that anybody got."""

    house: House
    ports: tuple[int, int]
    open: ExitStack
    canaries: dict[str, str] = field(default_factory=dict)
    answers: list[httpx.Response] = field(default_factory=list)

    def browser(self) -> httpx.Client:
        address = str(self.house.client.base_url).rstrip("/")
        heard = {"response": [self.answers.append]}
        client = httpx.Client(base_url=address, timeout=60, headers={"Origin": address}, event_hooks=heard)
        return self.open.enter_context(client)


@pytest.fixture(scope="module")
def watched(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder, ports = tmp_path_factory.mktemp("watched"), (free_port(), free_port())
    with provider(folder / "provider") as openai:
        settings = {
            "OPENAI_API_KEY": OPENAI_KEY,
            "OPENAI_BASE_URL": openai.url,
            "KEYRING": f"canary:{KEYRING_SECRET}",
            "SAFETY_KEY": SAFETY_SECRET,
            "OPERATIONS_PORT": str(ports[0]),
            "WORKER_PORT": str(ports[1]),
        }
        with house(new_database(postgres), folder / "house", **settings) as running, ExitStack() as stack:
            seen = Watched(running, ports, stack)
            seen.canaries |= {"provider key": OPENAI_KEY, "keyring": KEYRING_SECRET, "safety key": SAFETY_SECRET}
            everything(seen)
            yield seen


def everything(watched: Watched) -> None:
    """Every path on which a secret travels, and the wrong ones on which people put it."""
    browser = watched.browser()
    page = browser.get("/auth/sandbox/start?invitation=canary-invitation-0123456789").headers["location"]
    watched.canaries["invitation"] = "canary-invitation-0123456789"
    watched.canaries["sign-in cookie"] = browser.cookies["sign-in"].strip('"').split(".")[2]
    back = browser.post(page, data={"email": f"{new_id().hex}@example.test", "name": "Ada", "answer": "yes"}).headers["location"]
    code = dict(parse_qsl(urlsplit(back).query))["code"]
    watched.canaries["code"] = code.split(".")[2]
    browser.get(back)
    browser.get(back)  # replayed
    browser.get(f"{back}&code=twice", headers={"Accept": "text/html"})
    watched.canaries["session"] = browser.cookies["session"]
    who = Resident(browser, new_id())  # type: ignore[arg-type]  # nobody asks for the account here
    key, live = (who.make_key(mode) for mode in (Mode.TEST, Mode.LIVE))
    watched.canaries |= {"test key": key["secret"], "live key": live["secret"]}
    who = Resident(browser, who.account, {Mode.TEST: key["secret"], Mode.LIVE: live["secret"]})
    for mode in Mode:
        who.picture(mode)
        who.upload(mode, a_png())
    secret = key["secret"]
    stranger = watched.browser()
    for method, path, said in (
        ("GET", f"/v1/credits?key={secret}", {}),
        ("GET", f"/v1/{quote(secret)}", {}),
        ("GET", "/v1/credits", {"headers": {"Authorization": f"Basic {secret}"}}),
        ("GET", "/v1/credits", {"headers": {"Authorization": f"Bearer {secret[:-1]}"}}),
        ("GET", "/v1/credits", {"headers": {"Authorization": f"Bearer {secret}", "X-Request-Id": secret}}),
        ("POST", "/v1/generations", {"headers": {"Authorization": f"Bearer {secret}"}, "json": {secret: secret}}),
        ("POST", "/v1/generations", {"headers": {"Authorization": f"Bearer {secret}"}, "content": secret}),
        ("POST", "/v1/generations", {"headers": {"Authorization": f"Bearer {secret}"}, "json": {"model": secret, "prompt": "a"}}),
        ("DELETE", f"/v1/api-keys/{secret}", {"headers": {"Cookie": f"session={watched.canaries['session']}"}}),
        ("GET", f"/auth/{secret[:40]}/start", {}),
    ):
        assert stranger.request(method, path, **said).status_code < 500
    browser.delete(f"/v1/api-keys/{key['id']}")
    browser.post("/auth/sign-out")
    assert browser.get("/v1/me").status_code == 401


def leaked(watched: Watched, text: str, *, but: frozenset[str] = frozenset()) -> list[str]:
    assert len(watched.canaries) == 9
    return [name for name, canary in watched.canaries.items() if canary in text and name not in but]


def test_no_log_tells_a_secret(watched: Watched) -> None:
    logs = watched.house.logs
    assert '"event": "request"' in logs
    assert not leaked(watched, logs)


def test_no_answer_tells_a_secret_but_the_one_that_hands_it_out(watched: Watched) -> None:
    told = 0
    for answer in watched.answers:
        path, handed = answer.request.url.path, set[str]()
        if path == "/v1/api-keys" and answer.request.method == "POST":
            handed, told = {"test key", "live key"}, told + 1
        text = answer.content.decode("utf-8", "replace")
        shown = {name: value for name, value in answer.headers.items() if name not in ("location", "set-cookie")}
        # RFC 9457's `instance` is the path that was sent: whoever puts a secret there has told it to every proxy between us.
        asked = answer.request.url.raw_path.decode().partition("?")[0]
        assert not leaked(watched, text.replace(asked, "") + str(shown), but=frozenset(handed)), path
    assert told == 2


def test_no_metric_tells_a_secret(watched: Watched) -> None:
    for port in watched.ports:
        metrics = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        assert "# HELP" in metrics
        assert not leaked(watched, metrics)


def test_neither_rows_nor_jobs_tell_a_secret(watched: Watched) -> None:
    """As a dump would write them: text, and bytes as hexadecimal digits or base64."""
    with psycopg.connect(watched.house.database_url) as connection:
        tables = [name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        dump = "\n".join(str(connection.execute(f'SELECT t::text FROM "{name}" t').fetchall()) for name in tables)
    assert "api_keys" in tables
    assert "example.test" in dump
    assert not leaked(watched, dump)
    for name, canary in watched.canaries.items():
        for written in (canary.encode().hex(), base64.b64encode(canary.encode()).decode().rstrip("=")):
            assert written not in dump, name


def test_nor_does_a_file(watched: Watched) -> None:
    kept = [
        path for path in Path(watched.house.folder).rglob("*") if path.is_file() and path.name not in ("keyring", "safety_key")
    ]
    assert kept
    for path in kept:
        assert not leaked(watched, path.read_bytes().decode("latin-1")), path
