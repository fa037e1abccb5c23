"""Settings: said in the environment or in a file, and refused by name where they make no sense."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from entrypoints.command import main
from entrypoints.settings import REAL_PARTS, Environment, Settings, SettingsInvalid
from entrypoints.up import Up

MAIL = {"SMTP_URL": "smtp://u:geheim@mail.test", "MAIL_FROM": "Images <images@example.test>"}


def test_a_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"{MAIL['SMTP_URL']}\n")
    said = Settings.read({"SMTP_URL_FILE": str(tmp_path / "url"), "MAIL_FROM": MAIL["MAIL_FROM"]})
    assert said.smtp_url == MAIL["SMTP_URL"]
    assert said.shown()["SMTP_URL"][0] == "(set)"


def test_production_takes_a_part_from_a_file_as_well(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(MAIL["SMTP_URL"])
    with pytest.raises(SettingsInvalid) as refusal:
        Settings.read({"ENVIRONMENT": "production", "SMTP_URL_FILE": str(tmp_path / "url"), "MAIL_FROM": MAIL["MAIL_FROM"]})
    missing = {name for name in REAL_PARTS if name in str(refusal.value)}
    assert missing == REAL_PARTS.keys() - {"SMTP_URL"}


@pytest.mark.parametrize(
    "said",
    [
        {"HOST": "0.0.0.0"},
        {"HOST": "::"},
        {"HOST": "192.0.2.7"},
        {"PUBLIC_URL": "https://studio.example"},
    ],
    ids=str,
)
def test_a_sandbox_sign_in_is_never_reached_from_elsewhere_unless_that_is_said(said: dict[str, str]) -> None:
    with pytest.raises(SettingsInvalid, match="sign-in"):
        Settings.read(said)
    assert Settings.read(said | {"ALLOW_SANDBOX_ON_NETWORK": "1"}).sign_in is None


def test_production_has_no_sandbox_sign_in() -> None:
    for more in ({}, {"ALLOW_SANDBOX_ON_NETWORK": "1"}):
        with pytest.raises(SettingsInvalid, match=r"SIGN_IN \(sign-in\)"):
            Settings.read({"ENVIRONMENT": "production", **more})


def test_up_refuses_production(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its accounts have the same ids everywhere, and it prints a key."""
    monkeypatch.setattr(Settings, "read", lambda: Settings(environment=Environment.PRODUCTION))
    monkeypatch.setattr(Up, "run", lambda _: pytest.fail("it started"))
    answer = CliRunner().invoke(main, ["up"])
    assert (answer.exit_code, "`gpt-image api` and `gpt-image worker`" in answer.output) == (2, True), answer.output


STRIPE = {"STRIPE_SECRET_KEY": "sk_test_geheim", "STRIPE_WEBHOOK_SECRETS": "whsec_a, whsec_b", "PUBLIC_URL": "http://127.0.0.1"}


def test_stripe_is_heard_by_any_of_its_secrets_and_none_is_shown() -> None:
    settings = Settings.read(STRIPE)
    assert settings.webhook_secrets == ("whsec_a", "whsec_b")
    shown = settings.shown()
    assert (shown["STRIPE_SECRET_KEY"][0], shown["STRIPE_WEBHOOK_SECRETS"][0]) == ("(set)", "(set)")


@pytest.mark.parametrize("needed", ["STRIPE_WEBHOOK_SECRETS", "PUBLIC_URL"])
@pytest.mark.parametrize("said", ["", " , "])
def test_stripe_needs_more_than_its_key(needed: str, said: str) -> None:
    with pytest.raises(SettingsInvalid, match=needed):
        Settings.read(STRIPE | {needed: said})


def test_mail_comes_from_somebody() -> None:
    with pytest.raises(SettingsInvalid, match="MAIL_FROM") as refusal:
        Settings.read({"SMTP_URL": MAIL["SMTP_URL"]})
    assert "geheim" not in str(refusal.value)
    assert Settings.read(MAIL).mail_from == MAIL["MAIL_FROM"]


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"HOST": "::1", "PORT": "81"}, "http://[::1]:81"),
        ({"PUBLIC_URL": "http://localhost:9"}, "http://localhost:9"),
    ],
)
def test_people_find_the_service_where_it_says(said: dict[str, str], address: str) -> None:
    assert Settings.read(said).reached_at == address


@pytest.mark.parametrize("name", ["SESSION_SECONDS", "SESSION_IDLE_SECONDS", "FRESH_SECONDS"])
@pytest.mark.parametrize("seconds", ["0", "-5", "nan", "inf", "1e12"])
def test_a_session_lives_for_some_time_and_not_for_ever(name: str, seconds: str) -> None:
    with pytest.raises(SettingsInvalid, match=name):
        Settings.read({name: seconds})


@pytest.mark.parametrize("url", ["HTTPS://studio.example", "https://Studio.example", "https://studio.example/", "studio.example"])
def test_the_public_address_is_an_origin_as_browsers_write_it(url: str) -> None:
    """Cookies, the proof of our own pages and the redirect address go by it, to the letter."""
    with pytest.raises(SettingsInvalid, match="PUBLIC_URL"):
        Settings.read({"PUBLIC_URL": url, "ALLOW_SANDBOX_ON_NETWORK": "1"})


def test_real_sign_ins_come_by_https_unless_they_stay_on_this_machine(tmp_path: Path) -> None:
    said = {"SIGN_IN": str(tmp_path), "ALLOW_SANDBOX_ON_NETWORK": "1"}
    with pytest.raises(SettingsInvalid, match="PUBLIC_URL"):
        Settings.read(said | {"PUBLIC_URL": "http://studio.example"})
    for url in ("https://studio.example", "http://localhost:9", "http://[::1]:9"):
        assert Settings.read(said | {"PUBLIC_URL": url}).public_url == url


@pytest.mark.parametrize(
    "said",
    [
        {"S3_BUCKET": "pictures", "S3_ENDPOINT_URL": "127.0.0.1:8333"},
        {"S3_BUCKET": "pictures", "S3_ENDPOINT_URL": "http://127.0.0.1:8333/"},
        {"S3_ENDPOINT_URL": "http://127.0.0.1:8333"},
        {"S3_REGION": "eu-central-1"},
    ],
    ids=str,
)
def test_settings_of_object_storage_that_make_no_sense_are_refused(said: dict[str, str]) -> None:
    with pytest.raises(SettingsInvalid, match="S3_ENDPOINT_URL"):
        Settings.read(said)


def test_a_bucket_is_a_real_part() -> None:
    with pytest.raises(SettingsInvalid) as refusal:
        Settings.read({"ENVIRONMENT": "production", "S3_BUCKET": "pictures"})
    assert "S3_BUCKET" not in str(refusal.value)
    assert "DATABASE_URL" in str(refusal.value)


def test_production_sends_no_webhook_into_its_own_network() -> None:
    whole = {"ENVIRONMENT": "production", "WEBHOOK_ALLOW_PRIVATE": "1", **dict.fromkeys(REAL_PARTS, "x")}
    with pytest.raises(SettingsInvalid, match="WEBHOOK_ALLOW_PRIVATE"):
        Settings.read(whole)


@pytest.mark.parametrize("seconds", ["0", "-1", "61", "nan", "inf"])
def test_a_webhook_may_take_some_time_and_not_for_ever(seconds: str) -> None:
    with pytest.raises(SettingsInvalid, match="WEBHOOK_SECONDS"):
        Settings.read({"WEBHOOK_SECONDS": seconds})
