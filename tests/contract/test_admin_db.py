"""`gpt-image admin db` and `gpt-image doctor`: which database, whether its shape is right, and what is broken."""

from pathlib import Path
from unittest.mock import ANY

import psycopg
import pytest

from adapters.postgres import migrations
from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.schema import INSERT_TRIGGER
from tests.desk import Operator, an_operator

pytestmark = pytest.mark.anyio
__all__ = ["an_operator"]

LATEST = sorted(file.name[:4] for file in (Path(migrations.__file__).parent / "versions").glob("[0-9]*.py"))


@pytest.fixture
def empty(postgres: EmbeddedPostgres, tmp_path: Path) -> Operator:
    """At a database without a schema."""
    name = f"empty_{tmp_path.name}".lower().replace("-", "_")[:60]
    postgres.create_database(name)
    return Operator(postgres.url_for(name), tmp_path / "data")


@pytest.fixture
def own(new_database_url: str, tmp_path: Path) -> Operator:
    """At a database that may be damaged."""
    return Operator(new_database_url, tmp_path / "data")


def change(operator: Operator, statement: str) -> None:
    with psycopg.connect(operator.database_url) as connection:
        connection.execute(statement.encode())


async def test_an_empty_database_is_upgraded_and_then_sound(empty: Operator) -> None:
    assert (await empty("db", "check", "--json")).json == {"sound": False, "postgres": ANY, "pending": LATEST, "problems": []}
    refused = await empty("jobs", "status")
    assert refused.code == 1
    assert "run `gpt-image admin db upgrade`" in refused.err
    assert (await empty("db", "upgrade", "--json")).json == {"applied": LATEST, "admin": None}
    assert (await empty("db", "upgrade", "--json")).json == {"applied": [], "admin": None}
    assert (await empty("db", "check", "--json")).json == {"sound": True, "postgres": ANY, "pending": [], "problems": []}


async def test_the_first_admin_is_made_once(run: Operator) -> None:
    made = await run("db", "upgrade", "--first-admin", "root@example.com", "--json")
    admin = made.json["admin"]
    page = (await run("accounts", "show", admin, "--json")).json
    assert (page["account"]["role"], page["account"]["email"]) == ("admin", "root@example.com")
    assert len(page["wallets"]) == 2
    assert [(record["action"], record["staff"]) for record in page["records"]] == [("accounts.first_admin", admin)]
    refused = await run("db", "upgrade", "--first-admin", "second@example.com")
    assert refused.code == 1
    assert admin in refused.err
    assert (await run("accounts", "find", "example.com", "--json")).json["accounts"] == [page["account"]]
    granted = await run("credits", "grant", admin, 5, "--as", admin, "--reason", "the admin can sign", "--json")
    assert granted.code == 0


@pytest.mark.parametrize(
    "email", ["", "nobody", "@", "a b@example.com", "x" * 250 + "@example.com", "4111111111111111@example.com"]
)
async def test_an_address_that_is_none_is_wrong_usage(run: Operator, email: str) -> None:
    assert (await run("db", "upgrade", "--first-admin", email)).code == 2


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("ALTER TABLE accounts ADD phone text", "column accounts.phone is not declared"),
        ("CREATE TABLE hidden (id int)", "column hidden.id is not declared"),
        ("ALTER TABLE accounts DROP name", "column accounts.name is missing"),
        ("ALTER TABLE procrastinate_jobs ADD note text", "column procrastinate_jobs.note is not declared"),
        ("ALTER TABLE lots DROP CONSTRAINT lots_every_credit_is_somewhere_ck", "lots_every_credit_is_somewhere_ck is missing"),
        ("ALTER TABLE wallets DROP CONSTRAINT wallets_account_id_uq", "constraint wallets_account_id_uq is missing"),
        ("ALTER TABLE audit_records DROP CONSTRAINT audit_records_day_uq", "constraint audit_records_day_uq is missing"),
        ("DROP INDEX attempts_booked", "index attempts_booked is missing"),
        ("ALTER TABLE transfers DISABLE TRIGGER transfers_only_grow", "transfers_only_grow is missing or disabled"),
        ("DROP TRIGGER audit_records_never_emptied ON audit_records", "audit_records_never_emptied is missing or disabled"),
        (
            f"CREATE TRIGGER {INSERT_TRIGGER} AFTER INSERT ON procrastinate_jobs EXECUTE FUNCTION refuse_change()",
            f"trigger {INSERT_TRIGGER} is back",
        ),
    ],
)
async def test_a_schema_that_is_not_the_declared_one_is_named(own: Operator, damage: str, named: str) -> None:
    change(own, damage)
    checked = await own("db", "check", "--json")
    assert checked.code == 1
    (problem,) = checked.json["problems"]
    assert named in problem


async def test_a_database_newer_than_the_program_is_left_alone(own: Operator) -> None:
    change(own, "UPDATE alembic_version SET version_num = '9999'")
    for words in (("db", "check"), ("db", "upgrade"), ("jobs", "status")):
        refused = await own(*words)
        assert refused.code == 1
        assert "newer than this program" in refused.err


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://gpt:geheim@127.0.0.1:1/x", "the database does not answer"),
        ("postgresql://gpt:geheim@/x?host=/nowhere", "the database does not answer"),
        ("geheim", "DATABASE_URL is not valid"),
        ("", "no database: set DATABASE_URL or run `gpt-image up`"),
    ],
)
async def test_without_a_database_every_command_says_so_in_one_line(tmp_path: Path, url: str, said: str) -> None:
    operator = Operator(url, tmp_path / "data")
    for words in (("db", "check"), ("db", "upgrade"), ("jobs", "status"), ("credits", "audit", "--json")):
        refused = await operator(*words)
        assert (refused.code, refused.out) == (1, "")
        assert refused.err.startswith(f"gpt-image: {said}")
        assert len(refused.err.splitlines()) == 1
        assert "geheim" not in refused.err


async def test_the_database_that_up_runs_is_found_by_its_address_file(run: Operator, tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    folder.mkdir()
    (folder / "database.url").write_text(run.database_url)
    assert (await Operator("", folder)("jobs", "status", "--json")).json == {"queues": []}


async def test_a_setting_that_makes_no_sense_is_refused(run: Operator) -> None:
    refused = await Operator(run.database_url, run.folder, {"PORT": "eighty"})("jobs", "status")
    assert refused.code == 1
    assert "PORT" in refused.err


# The doctor


async def test_the_doctor_finds_a_sound_service_sound(run: Operator) -> None:
    (run.folder / "objects").mkdir(parents=True)
    looked = await Operator(run.database_url, run.folder, {"PORT": "0"}).doctor("--json")
    assert looked.code == 0
    assert {check["part"]: check["verdict"] for check in looked.json["checks"]} == {
        **dict.fromkeys(("catalogue", "database", "gates", "storage", "picture workers", "ports"), "ok"),
        **dict.fromkeys(("keyring", "safety key", "provider", "provenance", "safety", "mail", "payments"), "note"),
        "disk": ANY,
    }
    assert looked.json["broken"] == []
    assert looked.json["settings"]["DATABASE_URL"] == "(set)"
    assert {part["part"]: part["kind"] for part in looked.json["parts"]}["the database"] == "real"
    assert not list((run.folder / "objects").rglob("*.object"))


async def test_the_doctor_says_what_is_broken_and_never_a_secret(tmp_path: Path) -> None:
    settings = {"KEYRING": "k1:Z2VoZWlt", "CATALOGUE_MODELS": "/nowhere", "PICTURE_MEMORY_MB": "20"}
    ill = Operator("postgresql://gpt:geheim@127.0.0.1:1/x", tmp_path / "data", settings)
    looked = await ill.doctor("--json")
    assert looked.code == 1
    assert looked.json["broken"] == ["keyring", "catalogue", "database", "picture workers"]
    assert all(check["todo"] for check in looked.json["checks"] if check["verdict"] == "broken")
    for answer in (looked, await ill.doctor()):
        assert not any(secret in answer.out + answer.err for secret in ("geheim", "Z2VoZWlt"))


async def test_the_doctor_names_the_setting_that_keeps_everything_from_starting(tmp_path: Path) -> None:
    looked = await Operator("", tmp_path, {"ENVIRONMENT": "production"}).doctor("--json")
    assert looked.code == 1
    (check,) = looked.json["checks"]
    assert "DATABASE_URL" in check["says"]


async def test_on_a_fresh_machine_nothing_is_broken_and_nothing_is_made(tmp_path: Path) -> None:
    looked = await Operator("", tmp_path / "data", {"PORT": "0"}).doctor("--json")
    assert (looked.code, looked.json["broken"]) == (0, [])
    assert not (tmp_path / "data").exists()


async def test_the_doctor_sees_a_schema_that_is_behind(empty: Operator) -> None:
    looked = await empty.doctor("--json")
    (database,) = [check for check in looked.json["checks"] if check["part"] == "database"]
    assert (database["verdict"], database["todo"]) == ("broken", "run `gpt-image admin db upgrade`")
