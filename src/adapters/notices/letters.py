"""What a notice says: eight plain texts, the same whoever carries them."""

import re
from dataclasses import dataclass
from datetime import UTC
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from importlib.resources import files
from string import Template
from typing import Self

from domain.notices import Notice, NoticeKind, is_address

_SENDER = re.compile(r"(?:(?P<name>[^<>]*?) *<(?P<named>[^<>]+)>|(?P<bare>[^<>]+))")
_NAME_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Sender:
    """From whom notices come. The address is one of plain ASCII, so that every server takes it."""

    name: str
    address: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """`Name <address>`, or the address alone. Raises ValueError."""
        found = _SENDER.fullmatch(text.strip(" "))
        name = (found["name"] or "").strip('" ') if found else ""
        address = (found["named"] or found["bare"]) if found else ""
        if not is_address(address) or not address.isascii() or not name.isprintable() or len(name) > _NAME_CHARACTERS:
            raise ValueError("it is not of the form Name <address>")
        return cls(name, address)

    @property
    def host(self) -> str:
        return self.address.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class Letter:
    """`content`: the whole message, its lines ended by CR LF; `is_international`: it takes SMTPUTF8 (RFC 6531) to carry it."""

    address: str
    content: bytes
    is_international: bool


class Letters:
    """Writes notices. `public_url`: where people sign in."""

    def __init__(self, sender: Sender, public_url: str) -> None:
        self._sender, self._url = sender, public_url
        self._texts = {kind: _text(kind) for kind in NoticeKind}

    @property
    def sender(self) -> Sender:
        return self._sender

    def write(self, notice: Notice) -> Letter:
        """The same notice makes the same letter, its Message-ID included: sent twice, it is one to whoever compares."""
        international = not notice.address.isascii()
        message = EmailMessage(SMTP.clone(utf8=international))
        words = _words(notice) | {"url": self._url}
        subject, body = (each.substitute(words) for each in self._texts[notice.kind])
        local, _, host = notice.address.rpartition("@")
        message["From"] = Address(self._sender.name, addr_spec=self._sender.address)
        message["To"] = Address(username=local, domain=host)
        message["Subject"] = subject
        message["Date"] = format_datetime(notice.at.astimezone(UTC))
        message["Message-ID"] = f"<{notice.id}@{self._sender.host}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(body, cte="7bit" if body.isascii() else "quoted-printable")
        return Letter(notice.address, message.as_bytes(), international)


def _text(kind: NoticeKind) -> tuple[Template, Template]:
    """Subject and body."""
    subject, _, body = (files("adapters.notices") / "letters" / f"{kind}.txt").read_text("utf-8").partition("\n\n")
    return Template(subject), Template(body)


def _words(notice: Notice) -> dict[str, str]:
    """The facts, as they are said."""
    said = notice.facts
    words = {
        "when": f"{notice.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        "provider": said.provider,
        "changed": None if said.linked is None else "linked to" if said.linked else "removed from",
        "mode": said.mode,
        "hint": said.hint,
        "scopes": None if said.scopes is None else ", ".join(said.scopes) or "none",
        "credits": None if said.credits is None else f"{said.credits:,}",
        "plan": said.plan,
        "price": None if said.price is None else f"{said.price / 100:,.2f} USD",
    }
    return {name: word for name, word in words.items() if word is not None}
