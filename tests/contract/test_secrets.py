"""Canary secrets through every path: in no log, no answer, no metric, no job, and unreadable in a dump of the database."""

import base64
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote, unquote, urlencode, urlsplit

import httpx
import psycopg
import pytest

from adapters.postgres.embedded import EmbeddedPostgres
from application.registration import Invite
from domain.accounts import Mode, Staff
from tests import plain_http
from tests.certificates import certificate
from tests.clusters import new_database
from tests.http_house import House, house
from tests.kill_matrix import a_png
from tests.openid_provider import OpenIdProvider, openid_provider
from tests.people import Resident
from tests.processes import until
from tests.provider import provider
from tests.service import free_port
from tests.sign_in_process import CLIENT, SECRET
from tests.smtp_server import Mood, SmtpServer, smtp_server
from tests.world import REASON, new_id

OPENAI_KEY = f"sk-canary-{secrets.token_hex(12)}"
KEYRING_SECRET, SAFETY_SECRET = (base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2))
MAIL_PASSWORD = f"canary-mail-{secrets.token_hex(12)}"
OURS = "https://studio.example"
"""Where the provider sends people back to."""
SIGN_IN = """
[provider]
issuer = "{url}"
client_id = "{client}"
client_secret = "{secret}"
"""
KEEP_JOBS = """
CREATE TABLE jobs_ever (LIKE procrastinate_jobs);
CREATE FUNCTION keep_job() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO jobs_ever SELECT (NEW).*; RETURN NULL; END';
CREATE TRIGGER keep_job AFTER INSERT ON procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION keep_job();
"""
"""A job that has done its work is forgotten."""


@dataclass
class Watched:
    """A service with secrets of its own, all that it works with, and every answer that anybody got."""

    house: House
    op: OpenIdProvider
    mail: SmtpServer
    ports: tuple[int, int]
    open: ExitStack
    canaries: dict[str, str] = field(default_factory=dict)
    answers: list[httpx.Response] = field(default_factory=list)

    def browser(self) -> httpx.Client:
        """It keeps cookies as it would over https, which ends before us."""
        address, kept = str(self.house.client.base_url).rstrip("/"), dict[str, str]()

        def heard(answer: httpx.Response) -> None:
            self.answers.append(answer)
            for written in answer.headers.get_list("set-cookie"):
                name, value = written.partition(";")[0].split("=", 1)
                kept[name] = value
            client.headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in kept.items() if value)

        client = plain_http.Client(base_url=address, timeout=60, headers={"Origin": OURS}, event_hooks={"response": [heard]})
        return self.open.enter_context(client)

    def back(self, browser: httpx.Client, **parameters: str) -> str:
        """The address a person comes back to from the provider."""
        start = browser.get("/auth/provider/start", params=parameters).headers["location"]
        return f"/auth/provider/callback?{urlencode(self.op.visit(start))}"


@pytest.fixture(scope="module")
def watched(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder, ports, trusted = tmp_path_factory.mktemp("watched"), (free_port(), free_port()), tmp_path_factory.mktemp("trusted")
    own, mood = certificate(trusted / "mail.pem"), Mood(encrypted=True, login=("postmaster", MAIL_PASSWORD))
    with (
        provider(trusted / "openai") as openai,
        openid_provider(trusted / "op") as op,
        smtp_server(replace(mood, tls=own.server())) as mail,
    ):
        (trusted / "sign-in.toml").write_text(SIGN_IN.format(url=op.url, client=CLIENT, secret=SECRET))
        settings = {
            "OPENAI_API_KEY": OPENAI_KEY,
            "OPENAI_BASE_URL": openai.url,
            "KEYRING": f"canary:{KEYRING_SECRET}",
            "SAFETY_KEY": SAFETY_SECRET,
            "SIGN_IN": str(trusted / "sign-in.toml"),
            "PUBLIC_URL": OURS,
            "ALLOW_SANDBOX_ON_NETWORK": "1",
            "REGISTRATION": "invite",
            "SMTP_URL": f"smtps://postmaster:{MAIL_PASSWORD}@127.0.0.1:{mail.port}",
            "MAIL_FROM": "Studio <studio@example.test>",
            "SSL_CERT_FILE": str(own.file),
            "OPERATIONS_PORT": str(ports[0]),
            "WORKER_PORT": str(ports[1]),
        }
        url = new_database(postgres)
        with house(url, folder, **settings) as running, ExitStack() as stack:
            seen = Watched(running, op, mail, ports, stack)
            seen.canaries |= {"provider key": OPENAI_KEY, "keyring": KEYRING_SECRET, "safety key": SAFETY_SECRET}
            seen.canaries |= {"mail password": MAIL_PASSWORD, "client secret": SECRET, "client secret, sent": quote(SECRET, "")}
            seen.canaries["database password"] = unquote(str(urlsplit(url).password))
            everything(seen)
            yield seen
        assert not mail.complaints


def everything(watched: Watched) -> None:
    """Every path on which a secret travels, and the wrong ones on which people put it."""
    watched.house.execute(KEEP_JOBS)
    watched.op.mood(now=time.time())
    browser = watched.browser()
    strange = watched.back(browser, invitation="canary-invitation-0123456789")
    assert browser.get(strange).status_code == 403  # nobody invited them
    invitation = invited(watched.house)
    for fault, at in (("500", "/token"), ("wrong-signature", None), ("not-json", "/token")):
        watched.op.mood(now=time.time(), fault=fault, at=at)
        assert browser.get(watched.back(browser, invitation=invitation)).status_code >= 400
    watched.op.mood(now=time.time())
    back = watched.back(browser, invitation=invitation)
    watched.canaries |= {"invitation": invitation, "made up invitation": "canary-invitation-0123456789"}
    watched.canaries["sign-in cookie"] = cookies(browser)["__Host-sign-in"].strip('"').split(".")[2]
    assert browser.get(back).status_code == 303
    browser.get(back)  # replayed
    browser.get(f"{back}&code=twice", headers={"Accept": "text/html"})
    watched.canaries["session"] = cookies(browser)["__Host-session"]
    assert browser.get("/v1/me").status_code == 200
    until(lambda: watched.mail.received, "the welcome")
    watched.mail.mood = replace(watched.mail.mood, login=("postmaster", "another"))
    elsewhere = watched.browser()
    assert elsewhere.get(watched.back(elsewhere)).status_code == 303  # which a mail tells of
    watched.canaries["session that lives on"] = cookies(elsewhere)["__Host-session"]
    until(lambda: "put_off" in refused_mail(watched.house), "mail to be put off")
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
        ("DELETE", f"/v1/api-keys/{secret}", {"headers": {"Cookie": f"__Host-session={watched.canaries['session']}"}}),
        ("GET", f"/auth/{secret[:40]}/start", {}),
    ):
        assert stranger.request(method, path, **said).status_code < 500
    watched.canaries |= {f"of the provider, {number}": said for number, said in enumerate(watched.op.issued())}
    browser.delete(f"/v1/api-keys/{key['id']}")
    browser.post("/auth/sign-out")
    assert browser.get("/v1/me").status_code == 401


def invited(house: House) -> str:
    """A code that opens one account."""
    staff = house.customer().account

    async def invite() -> str:
        code, _ = await (await house.service.parts.get(Invite))(Staff(staff, REASON))
        return code

    return str(house.portal.call(invite))


def cookies(browser: httpx.Client) -> dict[str, str]:
    return dict(said.split("=", 1) for said in browser.headers["Cookie"].split("; "))


def refused_mail(house: House) -> str:
    return "\n".join(line for line in house.logs.splitlines() if '"put_off": ' in line and '"put_off": 0' not in line)


def leaked(watched: Watched, text: str, *, but: frozenset[str] = frozenset()) -> list[str]:
    assert len(watched.canaries) >= 16
    assert all(len(canary) >= 12 for canary in watched.canaries.values())
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
        metrics = plain_http.get(f"http://127.0.0.1:{port}/metrics").text
        assert "# HELP" in metrics
        assert not leaked(watched, metrics)


def test_neither_rows_nor_jobs_tell_a_secret(watched: Watched) -> None:
    """As a dump would write them: text, and bytes as hexadecimal digits or base64."""
    with psycopg.connect(watched.house.database_url) as connection:
        tables = [name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        dump = "\n".join(str(connection.execute(f'SELECT t::text FROM "{name}" t').fetchall()) for name in tables)
        jobs = connection.execute("SELECT count(*) FROM jobs_ever").fetchone()
    assert {"api_keys", "jobs_ever", "invitations", "sessions"} <= {*tables}
    assert jobs != (0,)
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
