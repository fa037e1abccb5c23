"""What the embedded Postgres promises about where things are and who may reach them, tried on real processes.

Each test means something for root and for a plain user; where the two differ, both are asserted.
"""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from adapters.postgres import embedded_home
from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.embedded_home import Home
from tests.contract.embedded_clusters import ROOT, Make, ask, binaries_in, clusters, kept, made, mode, put, stopped_cluster

__all__ = ["clusters", "made", "stopped_cluster"]  # pytest finds the fixtures by it

PLAIN_USER = """
import os, sys
from pathlib import Path
import psycopg
from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.embedded_home import Home
home, user, group = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
if os.geteuid() == 0:  # only now: another user may not reach this interpreter and its packages
    os.setgroups([]), os.setgid(group), os.setuid(user)
for start in ("cold", "warm"):
    with EmbeddedPostgres(home, settings={"fsync": "off"}) as postgres, psycopg.connect(postgres.url) as connection:
        print(start, connection.execute("SELECT current_database()").fetchone()[0], postgres.data.relative_to(home))
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of the machine can enter, unlike `tmp_path`."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    before = os.umask(0o022)
    yield folder
    os.umask(before)
    shutil.rmtree(folder)


def test_a_password_is_needed(postgres: EmbeddedPostgres, made: Path) -> None:
    postgres.start()
    for refused in ("wrong", ""):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(postgres.url, password=refused, passfile=str(made / "none"))
    assert ask(postgres, "SELECT string_agg(DISTINCT auth_method, ' ') FROM pg_hba_file_rules") == "scram-sha-256"


def test_sockets_rows_and_password_are_closed_to_other_users(make: Make, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        postgres = make(tmp_path).start()
    finally:
        os.umask(before)
    assert mode(postgres.sockets) == mode(postgres.data) == 0o700
    assert mode(tmp_path / "password") == mode(tmp_path / "postgres.log") == mode(tmp_path / "lock") == 0o600


def test_a_closed_home_works_and_its_readme_says_where_the_rows_are(make: Make, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    postgres = make(home).start()
    readme = (home / "README").read_text()
    if ROOT:
        assert postgres.data.is_relative_to("/var/lib/gpt-image")
        assert f"place: {postgres.data.parent}\n" in readme
    else:
        assert postgres.data == home / "data"
        assert "place: this folder\n" in readme


def test_rows_stay_in_a_home_that_others_can_enter_whatever_its_name(open_folder: Path, make: Make) -> None:
    home = open_folder / 'it\'s 100% "odd" & ü'
    postgres = make(home).start()
    assert ask(postgres, "SELECT current_user") == "gpt_image"
    assert (postgres.data, postgres.sockets) == (home / "data", home / "run")
    assert not ROOT or postgres.data.owner() != "root"


def test_a_plain_user_needs_nothing_but_a_closed_home_of_its_own() -> None:
    user = pwd.getpwnam("nobody") if ROOT else pwd.getpwuid(os.geteuid())
    closed = Path(tempfile.mkdtemp(dir="/tmp"))  # not `tmp_path`, which is closed to everybody but root
    binaries = binaries_in(closed)
    for path in (closed, *closed.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid)
    command = [sys.executable, "-c", PLAIN_USER, str(closed / "home"), str(user.pw_uid), str(user.pw_gid)]
    environment = {**os.environ, "GPT_IMAGE_PG_BIN": str(binaries)}
    told = subprocess.run(command, env=environment, capture_output=True, text=True)
    shutil.rmtree(closed)
    assert told.stdout.split("\n")[:2] == ["cold gpt_image data", "warm gpt_image data"], told.stderr


def test_binaries_in_a_closed_folder_serve_too(
    tmp_path: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    monkeypatch.setattr(embedded_home, "OUTSIDE", open_folder)
    monkeypatch.setenv("GPT_IMAGE_PG_BIN", str(binaries := binaries_in(tmp_path / "venv")))
    (tmp_path / "venv").chmod(0o700)
    assert ask(make(tmp_path / "home").start(), "SELECT 1") == 1
    for home in (Home(tmp_path / "home"), Home(tmp_path / "another")):
        assert home.binaries() != binaries if ROOT else home.binaries() == binaries
    assert len(list(open_folder.glob("binaries-*"))) == (1 if ROOT else 0), "one copy for all clones"
    assert not list(open_folder.glob("making-*"))


def test_rows_of_another_version_are_left_alone_and_it_is_named(open_folder: Path, make: Make) -> None:
    data = open_folder / "data"
    data.mkdir()
    (data / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(RuntimeError, match=r"was written by Postgres 9\.6"):
        make(open_folder).start()
    assert [path.name for path in data.iterdir()] == ["PG_VERSION"]


def test_missing_binaries_are_named(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPT_IMAGE_PG_BIN", str(tmp_path))
    with pytest.raises(RuntimeError, match=f"no Postgres binaries .* in GPT_IMAGE_PG_BIN={tmp_path}"):
        make(tmp_path / "home").start()


@pytest.mark.parametrize("name", ["deep/" * 25, "one, two"])
def test_a_home_unfit_for_sockets_has_them_in_a_private_folder(open_folder: Path, make: Make, name: str) -> None:
    postgres = make(open_folder / name)
    assert postgres.sockets.parent == Path("/tmp")
    postgres.sockets.mkdir(mode=0o755)
    with pytest.raises(RuntimeError, match="not a private folder of ours"):  # whoever it was
        postgres.start()
    postgres.sockets.rmdir()
    assert ask(postgres.start(), "SELECT 1") == 1
    assert mode(postgres.sockets) == 0o700
    postgres.stop()
    assert not postgres.sockets.exists()


def test_a_moved_home_finds_its_rows_and_a_copied_one_leaves_the_first_alone(make: Make, tmp_path: Path) -> None:
    first = make(tmp_path / "first").start()
    put(first, "first")
    first.stop()
    shutil.copytree(tmp_path / "first", tmp_path / "copy")
    copy = make(tmp_path / "copy").start()
    put(copy, "copy")
    assert kept(first.start()) == "first"
    first.stop()
    (tmp_path / "first").rename(tmp_path / "moved")
    moved = make(tmp_path / "moved").start()
    assert kept(moved) == "first"
    newcomer = make(tmp_path / "first").start()
    assert ask(newcomer, "SELECT to_regclass('kept')") is None


def test_a_lost_password_is_made_anew_and_the_rows_stay(postgres: EmbeddedPostgres, made: Path) -> None:
    postgres.start()
    put(postgres, "row")
    before = postgres.url
    postgres.stop()
    (made / "password").unlink()
    with pytest.raises(RuntimeError, match="never started here"):
        _ = postgres.url
    assert kept(postgres.start()) == "row"
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(before)


def test_the_log_keeps_statements_and_values_to_itself(postgres: EmbeddedPostgres, made: Path) -> None:
    postgres.start()
    ask(postgres, "CREATE TABLE people (email text UNIQUE)")
    for _ in range(2):
        with suppress(psycopg.errors.UniqueViolation):
            ask(postgres, "INSERT INTO people VALUES ('ada@example.test')")
    with pytest.raises(psycopg.errors.DivisionByZero):
        ask(postgres, "SELECT 'a prompt', 1/0")
    log = (made / "postgres.log").read_text()
    assert "duplicate key" in log
    assert "division by zero" in log
    assert "ada@example" not in log
    assert "a prompt" not in log
