"""A Postgres of our own under the clone's data folder: binaries from a wheel or the system, supervised by this process.

The wheels' own start code takes "the pid exists" for "it runs"; but a killed postmaster stays a zombie for as long as
PID 1 likes, and after a container's restart its number belongs to somebody else. So here the lock on the home says who
owns the cluster, and the command lines of living processes say what is left of it. Every claim on this page is tried in
tests/contract/test_embedded_postgres.py.
"""

import ctypes
import itertools
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from adapters.postgres.embedded_home import AlreadyRunning, Home, private, write_private

__all__ = ["AlreadyRunning", "EmbeddedPostgres"]

LINUX = sys.platform == "linux"
ROLE = "gpt_image"
SETTINGS = {
    "max_connections": "80",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    # A failed statement carries prompts and e-mail addresses, and so does the detail of a broken constraint: neither
    # may reach a log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
LOG_LIMIT = 16 * 2**20


class EmbeddedPostgres:
    """A Postgres of our own under the clone's data folder; the caller's process owns it.

    Reached over a socket only, with a password only. If its owner dies it shuts down by itself (Linux). Any process that
    may read the home can use `url` while another owns it. `data` and `sockets` say where things are.
    """

    def __init__(self, home: Path, *, settings: Mapping[str, str] = {}, database: str = ROLE) -> None:
        self._home = Home(home)
        self.data, self.sockets = self._home.data, self._home.sockets
        self._database = database
        self._settings = {
            **SETTINGS,
            **settings,
            "cluster_name": self._home.mark,
            "listen_addresses": "",
            # A list of folders, hence the quotes: a clone's path may hold some itself.
            "unix_socket_directories": '"' + str(self.sockets).replace('"', '""') + '"',
        }
        self._binaries = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = threading.RLock()  # a stop from another thread waits for the start it would break into

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def url(self) -> str:
        return self.url_for(self._database)

    def url_for(self, database: str) -> str:
        """A libpq URI. It names the port, or a PGPORT in the caller's environment would choose another socket."""
        password = self._home.password()
        if password is None:
            raise RuntimeError(f"never started here: {self._home.folder}")
        where = quote(os.fsencode(self.sockets))
        return f"postgresql://{ROLE}:{quote(password, safe='')}@/{quote(database, safe='')}?host={where}&port=5432"

    def create_database(self, name: str, template: str | None = None) -> None:
        """A new database, empty or a copy of `template`, which nobody may be connected to."""
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:  # for a small template, copying files beats writing each page to the log
            statement += sql.SQL(" TEMPLATE {} STRATEGY FILE_COPY").format(sql.Identifier(template))
        with psycopg.connect(self.url_for("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def start(self, timeout: float = 30.0) -> Self:
        """Ready for connections, whatever an earlier owner left behind; `timeout` in seconds, recovery included.

        AlreadyRunning: the home has an owner. RuntimeError: Postgres gave up, with its last words. TimeoutError.
        """
        if LINUX and threading.current_thread() is not threading.main_thread():
            # To the kernel the parent is the thread that forked: Postgres would leave together with a worker thread.
            raise RuntimeError("start the embedded Postgres from the main thread")
        with self._turn:
            if self.running:
                return self
            deadline = time.monotonic() + timeout
            try:
                self._home.lock()
                self._home.prepare()
                self._binaries = self._home.binaries()
                self._bury(deadline)
                self._ensure_cluster(deadline)
                self._launch(deadline)
                self._ensure_database()
            except BaseException:
                self.stop()
                raise
            return self

    def stop(self) -> None:
        """A fast shutdown: open transactions are undone, committed rows are on disk. Does nothing twice."""
        with self._turn:
            for number, patience in ((signal.SIGINT, 20), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
                if self._process is not None:
                    self._process.send_signal(number)
                    with suppress(subprocess.TimeoutExpired):
                        self._process.wait(patience)
                        self._process = None
            self._home.unlock()

    def _bury(self, deadline: float) -> None:
        """Wait until nothing of an earlier start lives, then remove what it left.

        The stale files go only when no process is left: with them goes Postgres's own guard against two at once. They
        must go, as Postgres takes a zombie, or whoever has the dead one's number now, for a running postmaster.
        """
        pid_file = self.data / "postmaster.pid"
        asked = False
        while pid_file.exists() and (living := self._living()):
            if not asked:  # we hold the lock, so nobody owns it any more; where the kernel can, it has told it already
                asked = True
                with suppress(OSError, ValueError, IndexError):
                    if (postmaster := int(pid_file.read_bytes().split()[0])) in living:
                        os.kill(postmaster, signal.SIGINT)
            if time.monotonic() > deadline:
                raise TimeoutError(f"processes of an earlier start do not leave: {sorted(living)}")
            time.sleep(0.02)
        for stale in (pid_file, self.sockets / ".s.PGSQL.5432", self.sockets / ".s.PGSQL.5432.lock"):
            stale.unlink(missing_ok=True)

    def _living(self) -> set[int]:
        title, call = f"postgres: {self._home.mark}: ", f"/postgres -D {self.data} "
        return {pid for pid, line in _command_lines() if line.startswith(title) or call in line}

    def _ensure_cluster(self, deadline: float) -> None:
        for half_made in self._home.place.glob("making-*"):
            shutil.rmtree(half_made, ignore_errors=True)
        password = self._home.password()
        if not (self.data / "PG_VERSION").exists():
            password = password or secrets.token_urlsafe(32)
            self._home.keep_password(password)
            self._make_cluster(password, deadline)
        elif password is None:  # its file was lost: the rows need not be
            password = secrets.token_urlsafe(32)
            change = f"ALTER ROLE {ROLE} PASSWORD '{password}';\n"
            self._run("postgres", "--single", "-D", str(self.data), "template1", deadline=deadline, text=change)
            self._home.keep_password(password)

    def _make_cluster(self, password: str, deadline: float) -> None:
        """Made beside its place and renamed, so that a cluster which stands there is a whole one."""
        if self.data.exists():  # no start can come of it, yet it may hold something: put aside, never removed
            self.data.rename(self._home.place / f"aside-{time.time_ns()}")
        making = Path(tempfile.mkdtemp(prefix="making-", dir=self._home.place))
        write_private(making / "password", password)
        for path in (making, making / "password"):
            self._home.give(path)
        locale = "C.UTF-8" if LINUX else "C"
        self._run(
            *("initdb", "-D", str(making / "data"), "-U", ROLE, "-A", "scram-sha-256"),
            *(f"--pwfile={making / 'password'}", "-E", "UTF8", f"--locale={locale}", "--data-checksums", "-N"),
            deadline=deadline,
        )
        (making / "data").rename(self.data)
        shutil.rmtree(making)

    def _launch(self, deadline: float) -> None:
        log = self._home.folder / "postgres.log"
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
        options = itertools.chain.from_iterable(("-c", f"{name}={value}") for name, value in self._settings.items())
        if not self._home.locked:
            raise RuntimeError("stopped while starting")  # by a signal handler of this very thread
        with open(log, "ab", opener=private) as out:
            before = out.tell()
            command = ("postgres", "-D", str(self.data), *options)
            self._process = self._spawn(*command, at_our_death=signal.SIGINT, stdin=subprocess.DEVNULL, stdout=out)
        while self.running:
            if time.monotonic() > deadline:
                raise TimeoutError(f"Postgres is not ready in time: see {log}")
            if self._ready():
                return
            time.sleep(0.01)
        said = log.read_bytes()[before:][-2000:].decode(errors="replace")
        raise RuntimeError(f"Postgres did not start: {said}")

    def _ready(self) -> bool:
        """The postmaster's own word: its number on the first line, its state on the eighth."""
        with suppress(FileNotFoundError):
            lines = (self.data / "postmaster.pid").read_bytes().split(b"\n")
            ours = self._process is not None and lines[0] == b"%d" % self._process.pid
            return ours and len(lines) > 7 and lines[7].strip() == b"ready"
        return False

    def _ensure_database(self) -> None:
        """Asked at each start: the first one may have been broken off before."""
        exists = "SELECT 1 FROM pg_database WHERE datname = %s"
        try:
            with psycopg.connect(self.url_for("postgres")) as connection:
                found = connection.execute(exists, [self._database]).fetchone()
            if found is None:
                self.create_database(self._database)
        except psycopg.OperationalError as error:
            raise RuntimeError(f"Postgres started and does not answer: {error}") from error

    def _run(self, *command: str, deadline: float, text: str = "") -> None:
        pipe = subprocess.PIPE
        with self._spawn(*command, at_our_death=signal.SIGKILL, stdin=pipe, stdout=pipe) as process:
            try:
                said, _ = process.communicate(text.encode(), timeout=max(0.0, deadline - time.monotonic()))
            except BaseException:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
        if process.returncode != 0:
            raise RuntimeError(f"{command[0]} failed: {said[-2000:].decode(errors='replace')}")

    def _spawn(self, program: str, *arguments: str, at_our_death: int, **pipes: Any) -> subprocess.Popen[bytes]:
        """In a session of its own: Ctrl-C goes to the whole foreground group, and we say when Postgres stops."""
        if (user := self._home.user) is not None:
            pipes |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        return subprocess.Popen(  # noqa: S603 - our own binaries, no shell, no word from outside
            [str(self._binaries / program), *arguments],
            cwd=self._home.place,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8" if LINUX else "C", "TZ": "UTC"},
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o077,
            preexec_fn=leave_with_us(at_our_death),
            **pipes,
        )


def leave_with_us(number: int) -> Callable[[], None] | None:
    """What the child asks of the kernel, after it became another user, which would undo it: a signal when we die.

    Two system calls and no lock, as it runs between fork and exec. Linux only: elsewhere the next start asks an orphan
    to leave.
    """
    if not LINUX:
        return None
    prctl, set_parent_death_signal, we = ctypes.CDLL(None).prctl, ctypes.c_ulong(1), os.getpid()
    signal_number = ctypes.c_ulong(number)

    def ask() -> None:
        prctl(set_parent_death_signal, signal_number)
        if os.getppid() != we:  # we died before it asked
            os._exit(1)

    return ask


def _command_lines() -> Iterator[tuple[int, str]]:
    """Of every process, each word followed by a space; a zombie has none.

    Not their working directories: a container's root may not read those of another user's processes.
    """
    if LINUX:
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with suppress(OSError):  # gone meanwhile
                    words = (folder / "cmdline").read_bytes()
                    yield int(folder.name), words.replace(b"\0", b" ").decode(errors="surrogateescape")
    else:
        listing = subprocess.run(["/bin/ps", "-axwwo", "pid=,command="], capture_output=True, text=True, check=True)
        for line in listing.stdout.splitlines():
            pid, _, command = line.strip().partition(" ")
            yield int(pid), f"{command} "
