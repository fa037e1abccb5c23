"""`gpt-image up`: the whole service in one process tree, on a fresh machine, with nothing configured.

This process owns the embedded Postgres, the API and the worker; when it dies they stop by themselves, and the next `up` finds
everything as it was.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from uuid import UUID

import click

from application.accounts import OpenAccount
from application.api_keys import AddKey, hash_key
from application.credits import GrantCredits
from application.ports import NewId
from application.queries import Queries
from domain.accounts import Account, AccountId, KeyId, Mode, Role, Scope, Staff
from domain.api_keys import ApiKey, write_key
from domain.ledger import LotSource
from entrypoints.settings import Environment, Settings, SettingsInvalid
from entrypoints.wiring import AlreadyRunning, EmbeddedPostgres, Keyring, container, leave_with_us
from entrypoints.wiring_schema import upgrade

DEVELOPER = AccountId(UUID("00000000-0000-7000-8000-000000000001"))
OPERATOR = AccountId(UUID("00000000-0000-7000-8000-000000000002"))
CREDITS = 1_000
PORTS_TRIED = 50
READY_SECONDS = 60.0

GREETING = """
GPT Image 2 is up at {url}   (Ctrl-C stops it)

Your test key has all scopes; its pictures are painted here, offline. Paste these lines:

export URL={url} KEY={key}
curl -s $URL/v1/generations -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \\
  -H 'Prefer: wait=60' -d '{{"prompt": "a red fox in snow"}}' | tee fox.json; echo
FOX=$(python3 -c 'import json; print(json.load(open("fox.json"))["assets"][0]["id"])')
curl -s $URL/v1/generations -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \\
  -H 'Prefer: wait=60' -d '{{"prompt": "a blue moon over the fox", "images": ["'$FOX'"]}}'; echo
curl -s $URL/v1/credits/transfers -H "Authorization: Bearer $KEY"; echo

Staff account for `gpt-image admin … --as`: {operator}
Metrics: {operations}/metrics (API), {worker}/metrics (worker)   Files: {data}
"""

SANDBOX = """Sign in as anybody, and buy credits with a card that is none, at {url}/account
"""

LIVE = """Your live key calls {provider}, at your cost there: KEY={key}
"""


class Up:
    """Starts in order: database, schema, API and worker; stops in the opposite one. Raises SettingsInvalid in production, where
    nobody wants accounts that are the same everywhere."""

    def __init__(self, settings: Settings) -> None:
        if settings.environment is Environment.PRODUCTION:
            raise SettingsInvalid("`up` is for development; in production run `gpt-image api` and `gpt-image worker`")
        self._settings = replace(settings, data_dir=settings.data_dir.resolve())
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._listeners: dict[str, socket.socket] = {}
        self._told = 0

    def run(self) -> int:
        """The exit code: 0 after Ctrl-C, 1 when it could not start."""
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, self._stop)
        began = time.monotonic()
        self._settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with ExitStack() as stack:
                if not self._settings.database_url:
                    stack.enter_context(self._database())
                upgrade(self._settings.database_url)
                keys = asyncio.run(self._prepare())
                stack.callback(self._stop_children)
                public = stack.enter_context(_listen(self._settings.host, self._settings.port))
                for part, port in (("api", self._settings.operations_port), ("worker", self._settings.worker_port)):
                    self._listeners[part] = stack.enter_context(_listen("127.0.0.1", port))
                self._settings = replace(self._settings, port=public.getsockname()[1], listen_fd=public.fileno())
                self._start("worker")
                self._start("api")
                self._wait_until_ready()
                if not self._stopping:
                    self._greet(keys, time.monotonic() - began)
                self._watch()
        except AlreadyRunning as error:
            click.echo(f"gpt-image: {error}", err=True)
            return 1
        return 0

    @contextmanager
    def _database(self) -> Iterator[None]:
        with EmbeddedPostgres(self._settings.data_dir / "postgres") as postgres:
            self._settings = replace(self._settings, database_url=postgres.url)
            address = self._settings.data_dir / "database.url"
            address.unlink(missing_ok=True)
            with os.fdopen(os.open(address, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(postgres.url)
            try:
                yield
            finally:
                address.unlink(missing_ok=True)

    async def _prepare(self) -> Mapping[Mode, str]:
        """A customer with keys and credits, and a staff account: made once, the same ever after. A live key is only handed out
        where there is a provider to call and nobody but us to pay it."""
        live = bool(self._settings.openai_api_key)
        async with container(self._settings) as parts:
            keyring, now = await parts.get(Keyring), datetime.now(UTC)
            open_account = await parts.get(OpenAccount)
            await open_account(Account(DEVELOPER, Role.USER, "free", now, name="Developer"))
            await open_account(Account(OPERATOR, Role.ADMIN, "free", now, name="Operator"))
            new_id = await parts.get(NewId)
            add_key, grant, queries = await parts.get(AddKey), await parts.get(GrantCredits), await parts.get(Queries)
            keys = {mode: write_key(mode, keyring.derive(f"local {mode} key", 24)) for mode in Mode if live or mode is Mode.TEST}
            for mode, secret in keys.items():
                await add_key(ApiKey(KeyId(new_id()), DEVELOPER, mode, frozenset(Scope), hash_key(secret), secret[-4:], now))
                wallet, staff = await queries.wallet(DEVELOPER, mode), Staff(OPERATOR, "gpt-image up")
                await grant(staff, wallet, CREDITS, fact=f"gpt-image up, {mode}", source=LotSource.TRIAL)
            return keys

    def _start(self, name: str) -> None:
        said = {"DATABASE_URL": self._settings.database_url, "DATA_DIR": str(self._settings.data_dir)}
        said |= {"PORT": str(self._settings.port)}
        handed = {"OPERATIONS_FD": self._listeners[name].fileno()}
        if name == "api" and self._settings.listen_fd is not None:
            handed["LISTEN_FD"] = self._settings.listen_fd
        said |= {setting: str(descriptor) for setting, descriptor in handed.items()}
        log = self._settings.data_dir / f"{name}.log"
        with log.open("ab") as file:
            self._children[name] = subprocess.Popen(  # noqa: S603 - our own commands
                [sys.executable, "-m", "entrypoints.command", name],
                env=os.environ | said,
                pass_fds=list(handed.values()),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,  # Ctrl-C reaches this process alone, so that all stop in order
                preexec_fn=leave_with_us(signal.SIGTERM),
            )

    def _wait_until_ready(self) -> None:
        until = time.monotonic() + READY_SECONDS
        while not self._stopping and not _answers(f"{self._url}/health/ready"):
            for name, child in self._children.items():
                if child.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"gpt-image: the {name} did not start; see {self._settings.data_dir / name}.log")
            time.sleep(0.05)

    def _watch(self) -> None:
        """Start again whatever ends, until told to stop."""
        while not self._stopping:
            time.sleep(0.2)
            for name, child in list(self._children.items()):
                if child.poll() is not None and not self._stopping:
                    click.echo(f"gpt-image: the {name} ended ({child.returncode}); starting it again", err=True)
                    self._start(name)
                    time.sleep(0.5)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Told once: stop in order. Twice: the worker is to give back what has not called yet. A third time: all die at once."""
        self._told += 1
        if self._told == 1:
            return
        # Another signal than the first one's: two of the same kind may arrive as one.
        last = signal.SIGINT if self._told == 2 else signal.SIGKILL
        for child in list(self._children.values()):
            with suppress(ProcessLookupError):
                child.send_signal(last)

    @property
    def _stopping(self) -> bool:
        return self._told > 0

    def _stop_children(self) -> None:
        """The API first, so that nothing new comes in; then the worker, which finishes what it holds."""
        for name in ("api", "worker"):
            if child := self._children.get(name):
                with suppress(ProcessLookupError):
                    child.terminate()
                child.wait()

    @property
    def _url(self) -> str:
        return f"http://{self._settings.host}:{self._settings.port}"

    def _greet(self, keys: Mapping[Mode, str], seconds: float) -> None:
        operations, worker = (f"http://127.0.0.1:{self._listeners[name].getsockname()[1]}" for name in ("api", "worker"))
        said = {"url": self._url, "key": keys[Mode.TEST], "operator": OPERATOR, "data": _short(self._settings.data_dir)}
        click.echo(GREETING.format(operations=operations, worker=worker, **said))
        if not self._settings.sign_in:
            click.echo(SANDBOX.format(url=self._url))
        if live := keys.get(Mode.LIVE):
            click.echo(LIVE.format(key=live, provider=self._settings.openai_base_url))
        click.echo(f"Started in {seconds:.1f} s.")
        sys.stdout.flush()


def _listen(host: str, wanted: int) -> socket.socket:
    """A socket on the first free port from the wanted one on (0: any), listening from now on.

    A second clone beside this one finds its own, and no port is lost between being found and being used. While the API is
    started again, callers wait in this socket's queue.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(wanted, wanted + PORTS_TRIED) if wanted else (0,):
        listener = socket.socket(family)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(1024)
        except OSError:
            listener.close()
        else:
            return listener
    raise SystemExit(f"gpt-image: no free port from {wanted} to {wanted + PORTS_TRIED - 1}; set PORT")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except OSError:
        return False


def _short(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
