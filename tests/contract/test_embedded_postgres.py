"""What the embedded Postgres promises about starting, stopping and being killed, tried on real processes and real kills.

Each test means something for root and for a plain user; where the two differ, both are asserted.
"""

import ctypes
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from adapters.postgres.embedded import LINUX, AlreadyRunning, EmbeddedPostgres
from tests.contract.embedded_clusters import (
    Make,
    ask,
    clusters,
    eventually,
    kept,
    made,
    owner,
    postmaster,
    put,
    says,
    stopped_cluster,
)

__all__ = ["clusters", "made", "stopped_cluster"]  # pytest finds the fixtures by it


@pytest.fixture
def nobody_reaps() -> Iterator[None]:
    """As in a container whose first process never waits for its orphans: they stay zombies."""
    if LINUX:
        ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: they become our children
    yield
    if LINUX:
        ctypes.CDLL(None).prctl(36, 0)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def test_a_cold_start_serves_what_its_url_names(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "6543")
    postgres = make(tmp_path).start()
    assert ask(postgres, "SELECT current_database() || ' ' || current_user") == "gpt_image gpt_image"
    expected = {"server_encoding": "UTF8", "timezone": "UTC", "data_checksums": "on", "max_connections": "80"}
    assert {name: ask(postgres, f"SHOW {name}") for name in expected} == expected
    assert ask(postgres, "SHOW listen_addresses") == ""


def test_a_warm_start_takes_a_moment_and_keeps_every_row(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    put(postgres, "row")
    took = []
    for _ in range(4):
        postgres.stop()
        before = time.monotonic()
        postgres.start()
        took.append(time.monotonic() - before)
    assert kept(postgres) == "row"
    assert min(took) < 0.3


def test_a_killed_postmaster_comes_back_with_every_row(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    put(postgres, "row")
    os.kill(postmaster(postgres), signal.SIGKILL)
    eventually(lambda: not postgres.running)
    assert kept(postgres.start()) == "row"


def test_a_killed_owner_takes_postgres_along_and_the_rows_stay(postgres: EmbeddedPostgres, made: Path) -> None:
    with owner(made) as process:
        assert says(process, "up")
        put(postgres, "row")
        process.kill()
    if LINUX:  # elsewhere the next start asks it to leave
        eventually(lambda: not (postgres.data / "postmaster.pid").exists())
    assert kept(postgres.start()) == "row"


def test_both_killed_come_back_with_every_row_once_the_last_backend_left(
    postgres: EmbeddedPostgres, made: Path, nobody_reaps: None
) -> None:
    with owner(made) as process:
        assert says(process, "up")
        put(postgres, "row")
        end = "DO $$ BEGIN WHILE clock_timestamp() < '{}' LOOP END LOOP; END $$"
        until = ask(postgres, "SELECT clock_timestamp() + interval '1.5 seconds'")

        def stay_busy() -> None:
            with suppress(psycopg.Error):
                ask(postgres, end.format(until))

        busy = threading.Thread(target=stay_busy)
        busy.start()
        orphan = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'DO%' AND state = 'active'"
        eventually(lambda: ask(postgres, orphan))
        pid = ask(postgres, orphan)
        os.kill(postmaster(postgres), signal.SIGKILL)
        process.kill()
    assert kept(postgres.start()) == "row"
    busy.join()
    if LINUX:
        assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"", "a zombie, nobody reaps here"


def test_a_dead_number_that_somebody_else_has_now_is_no_obstacle(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    put(postgres, "row")
    pid_file, socket_lock = postgres.data / "postmaster.pid", postgres.sockets / ".s.PGSQL.5432.lock"
    left = [(path, path.read_text().split("\n", 1)[1]) for path in (pid_file, socket_lock)]
    postgres.stop()
    for path, lines in left:
        path.write_text(f"{os.getppid()}\n{lines}")
    assert kept(postgres.start()) == "row"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_first_start_broken_off_is_repaired(make: Make, tmp_path: Path, number: signal.Signals) -> None:
    postgres = make(tmp_path)
    with owner(tmp_path) as process:
        eventually(lambda: list(postgres.data.parent.glob("making-*/data/PG_VERSION")))
        os.killpg(process.pid, number)
    assert not postgres.data.exists()
    put(postgres.start(), "row")
    assert kept(postgres) == "row"


def test_a_folder_no_start_can_come_of_is_put_aside(make: Make, tmp_path: Path) -> None:
    postgres = make(tmp_path)
    postgres.data.mkdir(parents=True)
    (postgres.data / "something").touch()
    assert ask(postgres.start(), "SELECT 1") == 1
    assert [path.name for path in postgres.data.parent.glob("aside-*/*")] == ["something"]


def test_two_homes_run_at_once(postgres: EmbeddedPostgres, make: Make, tmp_path: Path) -> None:
    both = postgres.start(), make(tmp_path).start()
    statement = "SELECT current_setting('data_directory')"
    assert [ask(each, statement) for each in both] == [str(each.data) for each in both]


def test_a_home_has_one_owner(postgres: EmbeddedPostgres, made: Path) -> None:
    postgres.start()
    second = EmbeddedPostgres(made)
    with pytest.raises(AlreadyRunning, match=f"already running here: {made}"):
        second.start()
    with owner(made) as process:
        assert not says(process, "up")
    assert ask(second, "SELECT 1") == 1, "its url serves who does not own it"
    postgres.stop()
    postgres.stop()
    with second:
        assert ask(second, "SELECT 1") == 1


def test_a_forked_child_does_not_hold_the_home(postgres: EmbeddedPostgres, made: Path) -> None:
    postgres.start()
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.close(writing)
        os.read(reading, 1)  # until the other end is closed
        os._exit(0)
    os.close(reading)
    try:
        postgres.stop()
        with EmbeddedPostgres(made) as second:
            assert ask(second, "SELECT 1") == 1
    finally:
        os.close(writing)
        os.waitpid(child, 0)


def test_a_forked_child_that_gives_the_home_up_takes_it_from_nobody(postgres: EmbeddedPostgres, made: Path) -> None:
    postgres.start()
    if (child := os.fork()) == 0:
        try:
            postgres._home.unlock()
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    with pytest.raises(AlreadyRunning):
        EmbeddedPostgres(made).start()


def test_a_ctrl_c_to_the_whole_group_leaves_postgres_to_its_owner(postgres: EmbeddedPostgres, made: Path) -> None:
    with owner(made, "deaf") as process:
        assert says(process, "up")
        os.killpg(process.pid, signal.SIGINT)
        assert says(process, "heard")
        put(postgres, "row")
    assert process.returncode == 0
    assert kept(postgres.start()) == "row"


def test_a_stop_from_another_thread_waits_for_the_start_it_meets(make: Make, tmp_path: Path) -> None:
    postgres = make(tmp_path)

    def stop_it_in_the_middle() -> None:
        eventually(lambda: list(postgres.data.parent.glob("making-*")))
        postgres.stop()

    meddler = threading.Thread(target=stop_it_in_the_middle)
    meddler.start()
    postgres.start()
    meddler.join()
    assert not postgres.running
    assert not (postgres.data / "postmaster.pid").exists()
    assert ask(make(tmp_path).start(), "SELECT 1") == 1


def test_a_stop_from_a_signal_handler_ends_the_start_it_interrupts(make: Make, tmp_path: Path) -> None:
    postgres = make(tmp_path)
    before = signal.signal(signal.SIGUSR1, lambda *_: postgres.stop())

    def signal_in_the_middle() -> None:
        eventually(lambda: list(postgres.data.parent.glob("making-*")))
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    meddler = threading.Thread(target=signal_in_the_middle)
    meddler.start()
    with pytest.raises(RuntimeError, match="stopped while starting"):
        postgres.start()
    meddler.join()
    signal.signal(signal.SIGUSR1, before)
    assert ask(make(tmp_path).start(), "SELECT 1") == 1


def test_a_start_off_the_main_thread_is_refused_where_postgres_would_leave_with_it(postgres: EmbeddedPostgres) -> None:
    raised: list[str] = []

    def start() -> None:
        try:
            postgres.start()
        except RuntimeError as error:
            raised.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert raised == ["start the embedded Postgres from the main thread"] * LINUX


def test_a_failed_start_gives_postgres_last_words_and_the_home_back(postgres: EmbeddedPostgres, made: Path) -> None:
    with pytest.raises(RuntimeError, match="no_such_setting"):
        EmbeddedPostgres(made, settings={"no_such_setting": "on"}).start()
    assert ask(postgres.start(), "SELECT 1") == 1


def test_a_database_is_made_from_its_template(postgres: EmbeddedPostgres, made: Path) -> None:
    postgres.start()
    put(postgres, "row")
    postgres.create_database("copy", template="gpt_image")
    postgres.create_database('odd "name" ?&%')
    for name, expected in (("copy", True), ('odd "name" ?&%', False)):
        with psycopg.connect(postgres.url_for(name)) as connection:
            row = connection.execute("SELECT current_database(), to_regclass('kept') IS NOT NULL").fetchone()
        assert row == (name, expected)
