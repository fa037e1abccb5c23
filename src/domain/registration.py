"""Who may open an account here, and what a new one is given."""

from collections.abc import Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Self
from unicodedata import normalize

from domain.errors import RegistrationClosed

TEST_CREDITS = 1_000
"""For a new account's test wallet; they cost nobody anything."""
TRIAL_KEPT = timedelta(days=730)
"""For so long it is known who had trial credits: never more than 24 months."""


class Registration(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    INVITE = "invite"
    DOMAIN = "domain"


@dataclass(frozen=True, slots=True)
class RegistrationRules:
    """`domains`: of e-mail addresses, in small letters, for `Registration.DOMAIN`. An invitation opens every door but a closed
    one."""

    by: Registration = Registration.OPEN
    domains: Set[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Self:
        """`open`, `closed`, `invite`, or `domain:example.com,example.org`. Raises ValueError."""
        by, _, named = text.partition(":")
        domains = frozenset(name.strip().lower() for name in named.split(",") if name.strip())
        if bool(domains) != (by == Registration.DOMAIN):
            raise ValueError("registration is open, closed, invite, or domain:example.com,example.org")
        return cls(Registration(by), domains)

    def check(self, email: str, *, invited: bool) -> None:
        """Raises RegistrationClosed."""
        if self.by is Registration.OPEN or (invited and self.by is not Registration.CLOSED):
            return
        if self.by is Registration.DOMAIN and email.rpartition("@")[2].lower() in self.domains:
            return
        raise RegistrationClosed(
            {
                Registration.CLOSED: "no new accounts are opened here",
                Registration.INVITE: "a new account needs an invitation that was not used before",
                Registration.DOMAIN: "new accounts are for addresses of certain domains",
            }[self.by]
        )


def same_mailbox(email: str) -> str:
    """One text for all the ways in which one person can write an address: case, forms of one letter, what follows a plus, and how
    the domain writes other scripts do not count."""
    local, _, domain = normalize("NFKC", email).casefold().rpartition("@")
    with suppress(UnicodeError):  # a domain that DNS cannot have stays as it is
        domain = domain.encode("idna").decode()
    return f"{local.partition('+')[0]}@{domain}"
