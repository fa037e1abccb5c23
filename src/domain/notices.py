"""Notices: what a person is told by mail about their account and the ways into it. The service sends no other mail."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import NewType
from uuid import UUID

from domain.accounts import AccountId, Mode, Scope
from domain.limits import holds_card_number

NoticeId = NewType("NoticeId", UUID)


class NoticeKind(StrEnum):
    """What happened."""

    WELCOME = "welcome"  # a first sign-in made an account
    NEW_SIGN_IN = "new_sign_in"  # a session began in another browser
    SIGN_IN_CHANGED = "sign_in_changed"  # another sign-in was linked to the account, or removed from it
    KEY_MADE = "key_made"
    SIGNED_OUT_EVERYWHERE = "signed_out_everywhere"
    LOW_CREDITS = "low_credits"
    TOP_UP_FAILED = "top_up_failed"  # and no other is tried
    PAYMENT_NEEDED = "payment_needed"  # for a plan


@dataclass(frozen=True, slots=True)
class Facts:
    """All that notices say besides their kind and time. `provider`: of the sign-in; `linked`: or else removed; `hint`: the last
    four characters of a key; `plan`: its name in the catalogue; `price`: in cents of the dollar."""

    provider: str | None = None
    linked: bool | None = None
    mode: Mode | None = None
    hint: str | None = None
    scopes: tuple[Scope, ...] | None = None
    credits: int | None = None
    plan: str | None = None
    price: int | None = None


SAYS: Mapping[NoticeKind, frozenset[str]] = MappingProxyType(
    {
        NoticeKind.WELCOME: frozenset({"provider"}),
        NoticeKind.NEW_SIGN_IN: frozenset({"provider"}),
        NoticeKind.SIGN_IN_CHANGED: frozenset({"provider", "linked"}),
        NoticeKind.KEY_MADE: frozenset({"mode", "hint", "scopes"}),
        NoticeKind.SIGNED_OUT_EVERYWHERE: frozenset(),
        NoticeKind.LOW_CREDITS: frozenset({"credits"}),
        NoticeKind.TOP_UP_FAILED: frozenset({"price"}),
        NoticeKind.PAYMENT_NEEDED: frozenset({"plan"}),
    }
)
"""Which facts each kind says: these and no others."""

BACK_OFF = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=12),
)
"""Waits between the tries of one notice; after the last it is given up."""
KEPT = timedelta(days=3)
"""A notice that is not sent by then is none any more."""

_PROVIDER = re.compile(r"[a-z][a-z0-9-]{0,31}")
_PLAN_CHARACTERS = 100
_HINT = re.compile(r"[0-9A-Za-z]{4}")
# RFC 5321 §4.1.2 and RFC 6531 §3.3 without quoted strings and address literals, which nobody verifies to a provider.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_LABEL = r"[A-Za-z0-9\u0080-\U0010ffff](?:[A-Za-z0-9\u0080-\U0010ffff-]{0,61}[A-Za-z0-9\u0080-\U0010ffff])?"
_ADDRESS = re.compile(rf"(?P<local>{_ATOM}(?:\.{_ATOM})*)@(?P<domain>{_LABEL}(?:\.{_LABEL})*)")
_ADDRESS_BYTES, _LOCAL_BYTES = 254, 64


def is_address(address: str) -> bool:
    """Whether a notice can go there: one mailbox, printable, in any script, without anything that a header or a command of SMTP
    could take for its end; none that looks like a payment card's number."""
    found = _ADDRESS.fullmatch(address)
    if not found or not address.isprintable() or holds_card_number(address):
        return False
    return len(address.encode()) <= _ADDRESS_BYTES and len(found["local"].encode()) <= _LOCAL_BYTES


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice to one address; `at`: when what it tells of happened. Raises ValueError for what must not be in a mail."""

    id: NoticeId
    account_id: AccountId
    kind: NoticeKind
    address: str
    at: datetime
    facts: Facts = Facts()

    def __post_init__(self) -> None:
        said = {field.name for field in fields(self.facts) if getattr(self.facts, field.name) is not None}
        if said != SAYS[self.kind]:
            raise ValueError(f"a notice of {self.kind} says {', '.join(sorted(SAYS[self.kind])) or 'nothing'} and no more")
        if not is_address(self.address):
            raise ValueError("a notice goes to one address")
        if self.at.utcoffset() is None:
            raise ValueError("a notice tells its time in UTC")
        if self.facts.provider is not None and not _PROVIDER.fullmatch(self.facts.provider):
            raise ValueError("this is no name of a provider")
        if self.facts.hint is not None and not _HINT.fullmatch(self.facts.hint):
            raise ValueError("of a key a notice says its last four characters")
        if self.facts.plan is not None and not (self.facts.plan.isprintable() and len(self.facts.plan) <= _PLAN_CHARACTERS):
            raise ValueError("this is no name of a plan")


@dataclass(slots=True)
class WaitingNotice:
    """A notice that is to be sent; `resume_at`: not before, and not by two at once."""

    notice: Notice
    resume_at: datetime
    tries: int = 0

    def begin_try(self, now: datetime) -> None:
        """Before it is sent. If nothing is heard of this try, the next one is due after the wait."""
        self.resume_at = now + BACK_OFF[min(self.tries, len(BACK_OFF) - 1)]
        self.tries += 1

    @property
    def is_last_try(self) -> bool:
        return self.tries > len(BACK_OFF)
