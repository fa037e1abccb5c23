"""What every sign-in begins with, and what is believed of what it ends with."""

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from application.ports import SignInStart
from domain.errors import EmailUnverified, ProviderUnavailable, SignInDenied, SignInInvalid
from domain.identities import Person

SUBJECT_CHARACTERS = 255
"""OpenID Connect Core §2."""
EMAIL_CHARACTERS = 254
NAME_CHARACTERS = 100
SELECT_ACCOUNT = "select_account"
"""Nobody is signed in by a link alone, as whoever the provider remembers (OpenID Connect Core §3.1.2.1; GitHub knows it too)."""
_CODE = re.compile(r"[\x20-\x7e]{1,4096}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_BUSY = ("server_error", "temporarily_unavailable")


@dataclass(frozen=True, slots=True)
class Beginning:
    """32 bytes of chance each, in the letters of an address; `verifier` is one of PKCE."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def new(cls) -> "Beginning":
        return cls(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(32))

    def at(self, url: str) -> SignInStart:
        return SignInStart(url, self.state, self.nonce, self.verifier)


def challenge(verifier: str) -> str:
    """PKCE's S256 (RFC 7636 §4.2)."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def same(one: str, other: str) -> bool:
    """In constant time; nothing equals nothing at all."""
    return bool(one) and hmac.compare_digest(one.encode(errors="surrogatepass"), other.encode(errors="surrogatepass"))


def belongs(start: SignInStart, answer: Mapping[str, str]) -> None:
    """Before a word of the answer is believed, an error included. Raises SignInInvalid."""
    if not same(start.state, answer.get("state", "")):
        raise SignInInvalid("the answer is of another sign-in")


def code(answer: Mapping[str, str]) -> str:
    """Raises SignInDenied, SignInInvalid, or ProviderUnavailable."""
    if error := answer.get("error"):
        raise ProviderUnavailable("the provider is busy") if error in _BUSY else SignInDenied()
    if not _CODE.fullmatch(found := answer.get("code", "")):
        raise SignInInvalid("the answer has no code")
    return found


def person(
    provider: str, issuer: str, subject: str, email: str | None, name: str | None, authenticated_at: datetime | None = None
) -> Person:
    """A person of whom the provider says this, the e-mail verified. What is no name is left out. The `issuer` is part of who they
    are: a provider's name that is given to another one later leads nobody into a stranger's account.

    Raises SignInInvalid for what can be nobody's subject, EmailUnverified for what can be no address.
    """
    if not 0 < len(subject) <= SUBJECT_CHARACTERS or not subject.isprintable():
        raise SignInInvalid("the provider names nobody")
    if email is None or len(email) > EMAIL_CHARACTERS or not email.isprintable() or not _EMAIL.fullmatch(email):
        raise EmailUnverified
    seen = " ".join("".join(c if c.isprintable() else " " for c in name or "").split())
    return Person(provider, f"{issuer} {subject}", email, seen[:NAME_CHARACTERS].strip() or None, authenticated_at)
