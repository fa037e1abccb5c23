"""The mail server that takes our mail, as the operator writes it down."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self
from urllib.parse import unquote, urlsplit

from domain.hosts import is_loopback

_PORTS = {"smtp": 587, "smtps": 465}


class Security(StrEnum):
    """How the line is kept from others' eyes."""

    STARTTLS = "starttls"
    TLS = "tls"
    LOOPBACK = "loopback"  # it does not leave this machine


@dataclass(frozen=True, slots=True)
class Relay:
    """The mail server that takes our mail."""

    host: str
    port: int
    security: Security
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """`smtp://user:password@host:587` (STARTTLS, unless the host is this machine) or `smtps://…:465`; the port and the user
        may be left out. Raises ValueError, which never repeats the address."""
        try:
            said = urlsplit(url)
            host, port = said.hostname or "", said.port or _PORTS[said.scheme]
            user, password = (unquote(part or "", errors="strict") for part in (said.username, said.password))
        except (KeyError, ValueError):
            raise ValueError("it is not of the form smtp://user:password@host:port or smtps://…") from None
        if not host or said.path.strip("/") or said.query or said.fragment or bool(user) != bool(password):
            raise ValueError("it names a host, and a user with a password or none, and nothing else")
        if not (user + password).isascii() or not (user + password).isprintable():
            raise ValueError("its user and password are of plain ASCII")
        encrypted = Security.LOOPBACK if is_loopback(host) else Security.STARTTLS
        return cls(host, port, Security.TLS if said.scheme == "smtps" else encrypted, user, password)
