"""A provider of identities that is none, as a process of its own on 127.0.0.1: what all of them share.

The mood, a file of JSON, says who signs in next and what goes wrong; it is read anew for each request. `fault` is a word of the
provider, or one of these, which break the line at the path `at`:

    500  rate-limited  redirects  hanging  dripping  endless  packed  not-json  deep-json  list-json

The record is a file of JSON lines: each request as it came (`method`, `path`, `query`, `headers`, `body`), before it is answered,
and what the provider handed out (`issued`: a code, a token).
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx2

ROOT = Path(__file__).parents[1]
NOW = 1_800_000_000.0
"""Unix seconds, where the mood tells no other time."""
CLIENT, SECRET = "studio", "s3cret:of/the+studio%&="
"""A secret that means something else where it is not written as RFC 6749 §2.3.1 says."""
REDIRECT = "https://studio.example/auth/provider/callback"
OTHER_REDIRECT = "https://studio.example/auth/another/callback"
"""Both are registered."""
ADA: dict[str, Any] = {"sub": "2481", "email": "ada@example.test", "email_verified": True, "name": "Ada Lovelace"}

PATIENT = (60.0, 120.0)
"""Seconds that a test gives an adapter: however busy the machine is, no limit is met by chance."""

_REFUSALS = {"500": 500, "rate-limited": 429}
_BODIES = {"not-json": b"<html>", "deep-json": b'{"keys":' + b"[" * 100_000, "list-json": b"[]"}
_LINES = {*_REFUSALS, *_BODIES, "redirects", "hanging", "dripping", "endless", "packed"}


class Process:
    """The running process, from outside."""

    def __init__(self, module: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._record, self._mood, self._log = folder / "record.jsonl", folder / "mood.json", folder / "log"
        self._told: dict[str, Any] = {}
        self.mood()
        arguments = ["--record", str(self._record), "--mood", str(self._mood)]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self.process.stdout
        with self.process.stdout as said:
            first = said.readline()
        assert first.strip().isdigit(), self._log.read_text()
        self.url = f"http://127.0.0.1:{int(first)}"

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(30)

    def mood(self, **told: Any) -> None:
        """From now on, and nothing of what was told before: who signs in (Ada), what goes wrong (nothing), what time it is."""
        self._told = ADA | {"fault": None, "at": None, "now": NOW} | told
        aside = self._mood.with_suffix(".new")
        aside.write_text(json.dumps(self._told))
        aside.replace(self._mood)

    def visit(self, url: str) -> dict[str, str]:
        """A person signs in, or does not, and comes back with this."""
        with httpx2.Client(trust_env=False, verify=False) as browser:
            answer = browser.get(url)
        assert answer.status_code == 302, answer.text
        return dict(parse_qsl(urlsplit(answer.headers["location"]).query, keep_blank_values=True))

    def forget(self) -> None:
        """The record begins anew."""
        self._record.write_bytes(b"")

    def requests(self, path: str | None = None) -> list[dict[str, Any]]:
        """What was asked, in order: everything, or one path."""
        return [said for said in self._said() if "method" in said and path in (None, said["path"])]

    def issued(self) -> list[str]:
        """Every code and token that was handed out."""
        return [said["issued"] for said in self._said() if "issued" in said]

    def complaints(self) -> str:
        """What the process wrote about its own errors: empty, if the test asked for nothing impossible."""
        return self._log.read_text()

    def _said(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._record.read_text().splitlines()] if self._record.exists() else []


class Server(ThreadingHTTPServer):
    """`lock`: one request at a time changes what the provider knows."""

    daemon_threads = True

    def __init__(self, handler: type["Handler"], record: Path, mood: Path) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.descriptor = os.open(record, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        self.mood, self.lock = mood, threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def note(self, **said: Any) -> None:
        """One line of the record, whole or not at all."""
        os.write(self.descriptor, json.dumps(said).encode() + b"\n")


class Handler(BaseHTTPRequestHandler):
    """One request. A provider says in `routes` which method answers what."""

    server: Server
    routes: ClassVar[Mapping[str, str]] = {}
    """From `METHOD /path` to the name of a method."""

    mood: dict[str, Any]
    query: dict[str, str]
    form: dict[str, str]

    def do_GET(self) -> None:
        self._take()

    def do_POST(self) -> None:
        self._take()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def answer(self, status: int, said: Any, **headers: str) -> None:
        self._send(status, json.dumps(said).encode(), {"content-type": "application/json", "cache-control": "no-store"} | headers)

    def send_away(self, url: str, parameters: Mapping[str, str]) -> None:
        self._send(302, b"", {"location": f"{url}?{urlencode(parameters)}"})

    def issue(self, secret: str) -> str:
        self.server.note(issued=secret)
        return secret

    def bearer(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    def _take(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.note(method=self.command, path=parts.path, query=parts.query, headers=headers, body=body)
        with self.server.lock:
            self.mood = json.loads(self.server.mood.read_bytes())
        # what is said twice is said in no way at all
        self.query, self.form = (
            {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items() if len(values) == 1}
            for text in (parts.query, body)
        )
        if self.mood["at"] == parts.path and self.mood["fault"] in _LINES:
            with suppress(OSError):
                return self._break(self.mood["fault"])
            return None
        route = self.routes.get(f"{self.command} {parts.path}")
        if route is None:
            return self.answer(404, {"error": "not_found"})
        with self.server.lock, suppress(BrokenPipeError):
            getattr(self, route)()
        return None

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _break(self, fault: str) -> None:
        if fault in _REFUSALS:
            return self.answer(_REFUSALS[fault], {"error": "server_error"})
        if fault in _BODIES:
            return self._send(200, _BODIES[fault], {"content-type": "application/json"})
        if fault == "redirects":
            return self._send(302, b"", {"location": self.path})
        if fault == "packed":
            return self._send(200, _packed(), {"content-encoding": "gzip"})
        if fault == "hanging":
            self.rfile.read()  # until the client has gone
            return None
        self.send_response(200)
        self.end_headers()  # no length: the body ends when the line does
        while True:
            self.wfile.write(b" " * (1 if fault == "dripping" else 65_536))
            threading.Event().wait(0.02 if fault == "dripping" else 0)


@cache
def _packed() -> bytes:
    """32 KiB that would be 32 MiB."""
    return gzip.compress(b" " * (32 << 20))


def serve(handler: type[Handler]) -> None:
    """The process from inside: it prints its port."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument("--mood", type=Path, required=True)
    said = parser.parse_args()
    server = Server(handler, said.record, said.mood)
    print(server.server_port, flush=True)
    with suppress(KeyboardInterrupt):
        server.serve_forever()
