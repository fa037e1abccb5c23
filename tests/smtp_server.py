"""A mail server that delivers nothing, as strict as RFC 5321 lets one be, which can be told to misbehave.

    with smtp_server(mood=Mood(tls=context)) as server:     # in threads, gone when the block ends
        SmtpNotices(Relay("127.0.0.1", server.port, ...), ...)
        server.mood = replace(server.mood, at={"RCPT": "451 4.7.1 come back later"})
        server.received, server.heard, server.complaints

It complains of: a line that CR LF does not end, or that is too long; an unknown command, or one out of order; 8-bit characters
that were not announced; mail without the login it asks for; a login that anybody could read.

`Mood.at` names places of a conversation and what happens there in place of the right thing: an answer, or HANG (until the block
ends), DROP (the line), DRIP (an answer that never ends). The places: CONNECT, each command, HANDSHAKE (of the encryption), and
"." (the end of the message).
"""

import base64
import re
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

HANG, DROP, DRIP = "hang", "drop", "drip"
_COMMAND_BYTES, _LINE_BYTES = 512, 1000
_PATH = re.compile(r"(?:FROM|TO):<([^<>\s]+)>((?: \S+)*)", re.IGNORECASE)


@dataclass(frozen=True)
class Mood:
    """`encrypted`: from the first byte on. `login`: user and password that whoever sends mail has to name."""

    tls: ssl.SSLContext | None = None
    encrypted: bool = False
    smtputf8: bool = True
    login: tuple[str, str] | None = None
    at: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Received:
    sender: str
    recipient: str
    content: bytes
    encrypted: bool
    user: str | None


class _Over(Exception):
    """The conversation is."""


class SmtpServer(socketserver.ThreadingTCPServer):
    """`heard`: commands without their arguments, of all conversations."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, mood: Mood) -> None:
        self.mood, self.over, self.hanging = mood, threading.Event(), threading.Event()
        self.received: list[Received] = []
        self.heard: list[str] = []
        self.complaints: list[str] = []
        super().__init__(("127.0.0.1", 0), _Conversation)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        self.complaints.append("the server under test has a defect")
        super().handle_error(request, client_address)  # type: ignore[arg-type]  # it is a socket


@contextmanager
def smtp_server(mood: Mood = Mood()) -> Iterator[SmtpServer]:
    with SmtpServer(mood) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()


class _Conversation(socketserver.BaseRequestHandler):
    server: SmtpServer

    def setup(self) -> None:
        self.mood, self.line = self.server.mood, self.request
        self.line.settimeout(60)
        self.read, self.is_encrypted = b"", False
        self.user: str | None = None
        self.name = self.sender = self.recipient = ""
        self.may_utf8 = self.may_8bit = False

    def handle(self) -> None:
        with suppress(_Over, OSError):
            if self.mood.encrypted:
                self._encrypt()
            self._say("CONNECT", "220 mail.test ESMTP")
            while True:
                self._obey(self._take_line(_COMMAND_BYTES))

    def finish(self) -> None:
        self.line.close()

    def _obey(self, line: bytes) -> None:
        verb, _, rest = line.decode("utf-8", "replace").partition(" ")
        verb = verb.upper()
        self.server.heard.append(verb)
        acts = {
            "EHLO": self._ehlo,
            "HELO": self._ehlo,
            "STARTTLS": self._starttls,
            "AUTH": self._auth,
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "DATA": self._data,
            "RSET": lambda _: self._say("RSET", "250 forgotten"),
            "NOOP": lambda _: self._say("NOOP", "250 done"),
            "QUIT": self._quit,
        }
        if verb not in acts:
            self._complain(f"{verb} is no command")
        elif not line.isascii() and not (self.may_utf8 or b"SMTPUTF8" in line):
            self._complain("8-bit characters in a command")
        else:
            acts[verb](rest)

    def _ehlo(self, name: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9.\-]+|\[[0-9A-Fa-f.:]+\]", name):
            self._complain("whoever greets says a name")
            return
        self.name = name
        offers = ["mail.test", "8BITMIME", "SIZE 1000000"]
        offers += ["SMTPUTF8"] if self.mood.smtputf8 else []
        offers += ["STARTTLS"] if self.mood.tls and not self.is_encrypted else []
        offers += ["AUTH PLAIN LOGIN"] if self.mood.login else []
        self._say("EHLO", *(f"250{'-' if each != offers[-1] else ' '}{each}" for each in offers))

    def _starttls(self, rest: str) -> None:
        if rest or self.is_encrypted or not self.mood.tls or not self.name:
            self._complain("STARTTLS at the wrong time")
            return
        self._say("STARTTLS", "220 go on")
        if self.mood.at.get("STARTTLS", "220").startswith("220"):
            self._encrypt()

    def _encrypt(self) -> None:
        self._happen("HANDSHAKE")
        assert self.mood.tls
        self.line = self.mood.tls.wrap_socket(self.line, server_side=True)
        self.is_encrypted, self.read, self.name = True, b"", ""  # what was said before counts for nothing

    def _auth(self, rest: str) -> None:
        if not self.name or self.user or not self.mood.login:
            self._complain("AUTH at the wrong time")
            return
        if self.mood.tls and not self.is_encrypted:
            self._complain("a login that anybody can read")
            return
        way, _, said = rest.partition(" ")
        if way.upper() == "PLAIN":
            _, user, password = base64.b64decode(said).decode().split("\0")
        else:
            user = base64.b64decode(said or self._asked("Username:")).decode()
            password = base64.b64decode(self._asked("Password:")).decode()
        if (user, password) != self.mood.login:
            self._say("AUTH", "535 5.7.8 no")
            return
        if self._say("AUTH", "235 2.7.0 welcome"):
            self.user = user

    def _asked(self, what: str) -> bytes:
        self._send(f"334 {base64.b64encode(what.encode()).decode()}")
        return self._take_line(_COMMAND_BYTES)

    def _mail(self, rest: str) -> None:
        found = _PATH.fullmatch(rest)
        if not found or not rest.upper().startswith("FROM") or not self.name or self.sender:
            self._complain("MAIL at the wrong time, or of the wrong form")
        elif self.mood.login and not self.user:
            self._complain("mail without a login", "530 5.7.0 who are you?")
        else:
            self.may_utf8, self.may_8bit = " SMTPUTF8" in found[2], " BODY=8BITMIME" in found[2]
            self.sender = found[1] if self._say("MAIL", "250 2.1.0 sender ok") else ""

    def _rcpt(self, rest: str) -> None:
        found = _PATH.fullmatch(rest)
        if not found or not rest.upper().startswith("TO") or not self.sender or self.recipient:
            self._complain("RCPT at the wrong time, twice, or of the wrong form")
        elif len(found[1].encode()) > 254 or (not found[1].isascii() and not self.may_utf8):
            self._complain("an address that is too long, or of characters that were not announced")
        else:
            self.recipient = found[1] if self._say("RCPT", "250 2.1.5 recipient ok") else ""

    def _data(self, rest: str) -> None:
        if rest or not self.recipient:
            self._complain("DATA at the wrong time")
            return
        if not self._say("DATA", "354 go on"):
            return
        lines = list[bytes]()
        while (line := self._take_line(_LINE_BYTES)) != b".":
            lines.append(line.removeprefix(b"."))
        header, _, body = b"\r\n".join([*lines, b""]).partition(b"\r\n\r\n")
        if not (header.isascii() or self.may_utf8) or not (body.isascii() or self.may_8bit):
            self._complain("8-bit characters in a message")
        elif self._say(".", "250 2.0.0 taken"):
            received = Received(self.sender, self.recipient, header + b"\r\n\r\n" + body, self.is_encrypted, self.user)
            self.server.received.append(received)
        self.sender = self.recipient = ""

    def _quit(self, rest: str) -> None:
        self._say("QUIT", "221 2.0.0 bye")
        raise _Over

    def _say(self, place: str, *right: str) -> bool:
        """What is right, or what the mood has there; whether it was something good."""
        said = self._happen(place)
        self._send(*said or right)
        return (said or right)[-1][0] in "23"

    def _happen(self, place: str) -> tuple[str, ...]:
        what = self.mood.at.get(place, "")
        if what == HANG:
            self.server.hanging.set()
            self.server.over.wait()
        if what == DRIP:
            self.server.hanging.set()
            while not self.server.over.is_set():
                self.line.sendall(b"2")
                time.sleep(0.01)
        if what in (HANG, DROP, DRIP):
            raise _Over
        return (what,) if what else ()

    def _send(self, *lines: str) -> None:
        self.line.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def _complain(self, of: str, answer: str = "503 5.5.1 not like this") -> None:
        self.server.complaints.append(of)
        self._send(answer)

    def _take_line(self, most: int) -> bytes:
        while b"\n" not in self.read:
            more: Any = self.line.recv(65536)
            if not more:
                raise _Over
            self.read += more
        line, _, self.read = self.read.partition(b"\n")
        if not line.endswith(b"\r") or b"\r" in line[:-1] or len(line) >= most:
            self._complain("a line that is too long, or that CR LF does not end", "500 5.5.2 no line")
            raise _Over
        return line[:-1]
