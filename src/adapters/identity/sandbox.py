"""The embedded default, where no provider is set up: whoever asks says who they are, on a page of our own.

It proves the same things as a real one, so what works with it works there: PKCE, nonce, redirect, a code that is good for two
minutes and once. Nothing is kept but what is spent: any process with the same keys finishes what another one began.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from adapters.identity import answers
from application.ports import IdentityProvider, Signer, SignInStart
from domain.errors import SignInInvalid
from domain.identities import Person

PAGE = "/auth/sandbox/page"
CODE_SECONDS = 120.0
ASK_SECONDS = 600.0
"""How long the page may stay open."""
_WRITTEN = 8192

_Form = TypeVar("_Form", "Asked", "_Granted")


class Asked(msgspec.Struct, frozen=True, tag="asked", array_like=True):
    """A sign-in that was begun here; `until`: Unix seconds."""

    redirect_uri: str
    state: str
    nonce: str
    challenge: str
    until: float


class _Granted(msgspec.Struct, frozen=True, tag="granted", array_like=True):
    redirect_uri: str
    nonce: str
    challenge: str
    until: float
    name: str | None
    email: str


@dataclass(frozen=True, slots=True)
class SandboxIdentity(IdentityProvider):
    """`clock`: Unix seconds. `name`: what we call this provider.

    The page is given the query of its own address and shows a form (name and e-mail). The form's handler reads that query with
    `asked`, and sends the person on to what `granted`, or `denied`, says.
    """

    signer: Signer
    clock: Callable[[], float]
    name: str = "sandbox"
    _spent: dict[str, float] = field(default_factory=dict, repr=False)
    """Nonces of codes that were used here, until nobody would accept those any more. Another process knows nothing of them, but
    a code needs its verifier, which only the browser that began has."""

    async def start(self, redirect_uri: str, max_age: int | None = None) -> SignInStart:
        """The page asks always."""
        begun = answers.Beginning.new()
        asked = Asked(redirect_uri, begun.state, begun.nonce, answers.challenge(begun.verifier), self.clock() + ASK_SECONDS)
        shown = {name: getattr(asked, name) for name in ("redirect_uri", "state", "nonce")}
        shown |= {"code_challenge": asked.challenge, "code_challenge_method": "S256", "request": self._signed(asked)}
        return begun.at(f"{PAGE}?{urlencode(shown)}")

    def asked(self, query: Mapping[str, str]) -> Asked:
        """The sign-in that the page is about. Only our own word counts, or the page would send people anywhere.

        Raises SignInInvalid for an altered or old address.
        """
        asked = self._read(query.get("request", ""), Asked)
        shown = {name: query.get(name) for name in ("redirect_uri", "state", "nonce", "code_challenge")}
        if tuple(shown.values()) != (asked.redirect_uri, asked.state, asked.nonce, asked.challenge):
            raise SignInInvalid("the page's address was altered")
        return asked

    def granted(self, asked: Asked, name: str, email: str) -> str:
        """Where a person goes who says that this is who they are: the redirect with a code that is good for two minutes.

        Raises EmailUnverified for what is no address.
        """
        person = answers.person(self.name, self.name, _subject(email), email, name)
        until = self.clock() + CODE_SECONDS
        said = _Granted(asked.redirect_uri, asked.nonce, asked.challenge, until, person.name, person.email)
        return _at(asked.redirect_uri, {"code": self._signed(said), "state": asked.state})

    def denied(self, asked: Asked) -> str:
        """Where a person goes who does not sign in."""
        return _at(asked.redirect_uri, {"error": "access_denied", "state": asked.state})

    async def finish(self, start: SignInStart, redirect_uri: str, answer: Mapping[str, str]) -> Person:
        answers.belongs(start, answer)
        said = self._read(answers.code(answer), _Granted)
        if not (
            answers.same(said.nonce, start.nonce)
            and answers.same(said.challenge, answers.challenge(start.verifier))
            and answers.same(said.redirect_uri, redirect_uri)
        ):
            raise SignInInvalid("the code is of another sign-in")
        self._spend(said)
        return answers.person(self.name, self.name, _subject(said.email), said.email, said.name)

    def _spend(self, said: _Granted) -> None:
        now = self.clock()
        for nonce in [nonce for nonce, until in self._spent.items() if until <= now]:
            del self._spent[nonce]
        if said.nonce in self._spent:
            raise SignInInvalid("the code was used before")
        self._spent[said.nonce] = said.until

    def _signed(self, said: Asked | _Granted) -> str:
        content = msgspec.msgpack.encode(said)
        kid, mac = self.signer.sign(content)
        return f"{kid}.{_base64(content)}.{_base64(mac)}"

    def _read(self, written: str, form: type[_Form]) -> _Form:
        """What was signed as this, and is still good. Raises SignInInvalid."""
        try:
            kid, content, mac = written[:_WRITTEN].split(".")
            signed = urlsafe_b64decode(content + "==")
            if self.signer.verify(kid, signed, urlsafe_b64decode(mac + "==")):
                said = msgspec.msgpack.decode(signed, type=form)
                if said.until - max(ASK_SECONDS, CODE_SECONDS) <= self.clock() < said.until:
                    return said
        except ValueError:
            pass
        raise SignInInvalid("what the sandbox signed is altered, of another kind, or old")


def _subject(email: str) -> str:
    """Who writes their address in capitals is nobody else."""
    return sha256(email.casefold().encode(errors="replace")).hexdigest()


def _at(redirect_uri: str, answer: Mapping[str, str]) -> str:
    parts = urlsplit(redirect_uri)
    return urlunsplit(parts._replace(query=urlencode([*parse_qsl(parts.query, keep_blank_values=True), *answer.items()])))


def _base64(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
