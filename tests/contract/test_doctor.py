"""`gpt-image doctor` on the provider: whether it accepts us, which models wait, and never a secret."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.payments.stripe_payments import StripePayments
from adapters.postgres.session import Pool
from adapters.postgres.store import PostgresStore
from domain.gates import ClosedFor
from entrypoints import doctor
from entrypoints.looks import LOOKS
from tests.desk import Answer, Operator, an_operator
from tests.offer import CATALOGUE
from tests.provider import Provider, provider
from tests.smtp_server import Mood, SmtpServer, smtp_server
from tests.stripe_process import KEY as STRIPE_KEY
from tests.stripe_process import stripe_process

pytestmark = pytest.mark.anyio
__all__ = ["an_operator"]

SAFETY_KEY = base64.b64encode(b"geheim" * 6).decode()
KEY = "sk-geheim"


@pytest.fixture(autouse=True)
def _without_picture_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their look has its own tests and takes seconds; the provider is asked without them."""
    monkeypatch.setattr(doctor, "LOOKS", {part: look for part, look in LOOKS.items() if part != "picture workers"})


@pytest.fixture(scope="module")
def openai(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with provider(tmp_path_factory.mktemp("provider")) as running:
        yield running


def check(answer: Answer, part: str) -> dict[str, Any]:
    (found,) = [check for check in answer.json["checks"] if check["part"] == part]
    return dict(found)


def with_key(run: Operator, url: str, key: str = KEY) -> Operator:
    return replace(run, settings={"OPENAI_API_KEY": key, "OPENAI_BASE_URL": url, "SAFETY_KEY": SAFETY_KEY, "PORT": "0"})


async def test_a_provider_that_accepts_us_is_fine_and_sells_nothing(run: Operator, openai: Provider) -> None:
    looked = await with_key(run, openai.url).doctor("--json")
    assert (looked.code, check(looked, "provider")["verdict"]) == (0, "ok")
    assert openai.calls() == []
    assert check(looked, "safety")["verdict"] == "ok"
    parts = {part["part"]: part for part in looked.json["parts"]}
    assert (parts["the image model"]["kind"], parts["the image model"]["uses"]) == ("real", "OPENAI_API_KEY (set)")
    assert parts["the key that names accounts to it"]["kind"] == "real"
    assert check(looked, "safety key")["verdict"] == "ok"


@pytest.mark.parametrize(("key", "words"), [("sk-refused", "key refused"), ("sk-unverified", "organisation not verified")])
async def test_a_provider_that_refuses_us_is_broken_and_says_why(run: Operator, openai: Provider, key: str, words: str) -> None:
    looked = await with_key(run, openai.url, key).doctor("--json")
    said = check(looked, "provider")
    assert (looked.code, looked.json["broken"][0], said["says"]) == (1, "provider", words)
    assert "OPENAI_API_KEY" in said["todo"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/v1", "nonsense"])
async def test_a_provider_that_is_not_there_is_broken(run: Operator, url: str) -> None:
    looked = await with_key(run, url).doctor("--json")
    assert (looked.code, looked.json["broken"]) == (1, ["provider", "safety"])


async def test_a_provider_that_judges_nothing_is_broken_unless_that_is_wanted(run: Operator, openai: Provider) -> None:
    openai.judges("[judge-fault: 404]")
    mute = with_key(run, openai.url)
    said = await mute.doctor("--json")
    assert (said.code, said.json["broken"]) == (1, ["safety"])
    off = replace(mute, settings={**mute.settings, "MODERATION": "off", "MODERATE_OUTPUTS": "off"})
    assert (await off.doctor("--json")).json["broken"] == []
    openai.judges("")


@pytest.mark.parametrize("name", ["MODERATION_WORDS", "HASH_LIST"])
async def test_a_list_that_is_none_is_broken(run: Operator, tmp_path: Path, name: str) -> None:
    (path := tmp_path / "list").write_text("[!]")
    looked = await replace(run, settings={"PORT": "0", name: str(path)}).doctor("--json")
    assert looked.json["broken"] == ["safety"]
    assert name in check(looked, "safety")["todo"]


async def test_without_a_key_the_painter_is_named(run: Operator) -> None:
    looked = await replace(run, settings={"PORT": "0"}).doctor("--json")
    assert (looked.code, check(looked, "provider")["verdict"]) == (0, "note")
    parts = {part["part"]: part["uses"] for part in looked.json["parts"]}
    assert parts["the image model"] == "painter"
    assert "data folder" in parts["the key that names accounts to it"]
    assert check(looked, "safety key")["verdict"] == "note", "the first worker makes it"
    assert not (run.folder / "safety_key").exists()


async def test_closed_gates_are_shown_with_their_reason_and_end(run: Operator, pool: Pool) -> None:
    sound = await replace(run, settings={"PORT": "0"}).doctor("--json")
    assert check(sound, "gates")["verdict"] == "ok"
    async with PostgresStore(pool).transaction() as tx:
        until = await tx.now() + timedelta(minutes=7)
        gate = await tx.gates.lock("gpt-image-2")
        gate.close(until, ClosedFor.RATE_LIMIT)
        tx.gates.save(gate)
    waiting = await replace(run, settings={"PORT": "0"}).doctor("--json")
    said = check(waiting, "gates")
    assert (waiting.code, said["verdict"]) == (0, "note"), "it opens by itself"
    assert said["says"] == f"gpt-image-2 closed for rate_limit until {until.isoformat(' ', 'milliseconds')}"
    async with PostgresStore(pool).transaction() as tx:
        gate = await tx.gates.lock("gpt-image-2.6-flare")
        gate.close(until, ClosedFor.KEY_REFUSED)
        tx.gates.save(gate)
    refused = await replace(run, settings={"PORT": "0"}).doctor("--json")
    assert (refused.code, refused.json["broken"]) == (1, ["gates"])
    assert "gpt-image-2.6-flare closed for key_refused" in check(refused, "gates")["says"]
    assert "OPENAI_API_KEY" in check(refused, "gates")["todo"]


@pytest.mark.parametrize("text", ["geheim!", base64.b64encode(b"geheim").decode()])
async def test_a_safety_key_that_is_none_is_broken_and_not_repeated(run: Operator, text: str) -> None:
    looked = await replace(run, settings={"SAFETY_KEY": text, "PORT": "0"}).doctor("--json")
    assert (looked.code, looked.json["broken"]) == (1, ["safety key"])
    assert text not in looked.out + looked.err


async def test_a_safety_key_that_others_can_read_is_broken(run: Operator) -> None:
    run.folder.mkdir(mode=0o700)
    (run.folder / "safety_key").write_text(SAFETY_KEY)
    (run.folder / "safety_key").chmod(0o644)
    looked = await replace(run, settings={"PORT": "0"}).doctor("--json")
    assert looked.json["broken"] == ["safety key"]
    assert "chmod 600" in check(looked, "safety key")["todo"]


async def test_stripe_is_fine_once_the_catalogue_was_offered_there(run: Operator) -> None:
    with stripe_process("D") as stripe:
        said = {"STRIPE_SECRET_KEY": STRIPE_KEY, "STRIPE_WEBHOOK_SECRETS": "whsec_geheim", "STRIPE_BASE_URL": stripe.url}
        shop = replace(run, settings=said | {"PUBLIC_URL": "http://127.0.0.1:8000", "PORT": "0"})
        looked = await shop.doctor("--json")
        assert (looked.code, looked.json["broken"]) == (1, ["payments"])
        assert "admin billing sync" in check(looked, "payments")["todo"]
        async with StripePayments.opened(STRIPE_KEY, ["whsec_geheim"], base_url=stripe.url) as payments:
            await payments.offer(CATALOGUE)
        looked = await shop.doctor("--json")
        assert (looked.code, check(looked, "payments")["verdict"]) == (0, "ok")
    looked = await shop.doctor("--json")
    assert (looked.code, looked.json["broken"]) == (1, ["payments"]), "nobody answers any more"
    assert "geheim" not in looked.out + looked.err


async def test_without_stripe_the_sandbox_of_payments_is_named(run: Operator) -> None:
    looked = await replace(run, settings={"PORT": "0"}).doctor("--json")
    assert (looked.code, check(looked, "payments")["verdict"]) == (0, "note")
    assert not (run.folder / "payments.json").exists()


@pytest.fixture
def post() -> Iterator[SmtpServer]:
    with smtp_server(Mood(login=("notices", "geheim"))) as server:
        yield server


def with_mail(run: Operator, port: int, password: str = "geheim") -> Operator:
    url = f"smtp://notices:{password}@127.0.0.1:{port}"
    return replace(run, settings={"SMTP_URL": url, "MAIL_FROM": "Images <images@example.test>", "PORT": "0"})


async def test_a_mail_server_that_takes_us_is_fine_and_gets_no_mail(run: Operator, post: SmtpServer) -> None:
    looked = await with_mail(run, post.port).doctor("--json")
    assert (looked.code, check(looked, "mail")["verdict"]) == (0, "ok")
    assert "AUTH" in post.heard
    assert "MAIL" not in post.heard
    parts = {part["part"]: (part["kind"], part["uses"]) for part in looked.json["parts"]}
    assert parts["mail"] == ("real", "SMTP_URL (set)")
    assert "geheim" not in looked.out + looked.err


async def test_a_mail_server_that_does_not_is_broken(run: Operator, post: SmtpServer) -> None:
    for at, words in ((with_mail(run, post.port, "geheim!"), "login refused"), (with_mail(run, 1), "greeting failed")):
        looked = await at.doctor("--json")
        assert (looked.code, looked.json["broken"]) == (1, ["mail"])
        assert words in check(looked, "mail")["says"]
        assert "geheim" not in looked.out + looked.err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMTP_URL", "smtp://u:geheim@host:port"),
        ("SMTP_URL", "http://u:geheim@host"),
        ("MAIL_FROM", "a@b.test\r\nBcc: geheim@c.test"),
    ],
)
async def test_settings_of_mail_that_make_no_sense_are_named_and_not_repeated(run: Operator, name: str, value: str) -> None:
    said = {"SMTP_URL": "smtp://localhost", "MAIL_FROM": "a@b.test", "PORT": "0", name: value}
    looked = await replace(run, settings=said).doctor("--json")
    assert (looked.code, looked.json["broken"]) == (1, ["mail"])
    assert name in check(looked, "mail")["says"]
    assert "geheim" not in check(looked, "mail")["says"]


async def test_without_a_mail_server_the_folder_is_named(run: Operator) -> None:
    looked = await replace(run, settings={"PORT": "0"}).doctor("--json")
    assert (looked.code, check(looked, "mail")["verdict"]) == (0, "note")
    assert str(run.folder / "outbox") in check(looked, "mail")["says"]
    assert not (run.folder / "outbox").exists()


async def test_mail_comes_from_somebody(run: Operator) -> None:
    looked = await replace(run, settings={"SMTP_URL": "smtp://u:geheim@localhost", "PORT": "0"}).doctor("--json")
    (found,) = looked.json["checks"]
    assert (looked.code, "MAIL_FROM" in found["says"], "geheim" in looked.out) == (1, True, False)


async def test_no_secret_is_ever_shown(run: Operator, openai: Provider) -> None:
    for url in (openai.url, "http://127.0.0.1:1/v1"):
        for words in ((), ("--json",)):
            looked = await with_key(run, url).doctor(*words)
            assert not any(secret in looked.out + looked.err for secret in (KEY, "geheim", SAFETY_KEY))


async def test_production_names_every_part_it_lacks(tmp_path: Path) -> None:
    said = {"ENVIRONMENT": "production", "KEYRING": "k1:Z2VoZWlt", "OPENAI_API_KEY": KEY}
    looked = await Operator("postgresql://127.0.0.1:1/x", tmp_path, said).doctor("--json")
    (found,) = looked.json["checks"]
    assert looked.code == 1
    for missing in ("SAFETY_KEY", "S3_BUCKET", "STRIPE_SECRET_KEY", "SIGN_IN", "SMTP_URL"):
        assert missing in found["says"]
    for there in ("KEYRING", "OPENAI_API_KEY", "DATABASE_URL", KEY):
        assert there not in found["says"]
