"""Sessions: a person who signed in, in one browser."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NewType
from uuid import UUID

from domain.accounts import AccountId
from domain.errors import FreshSignInNeeded, Unauthenticated

SessionId = NewType("SessionId", UUID)


@dataclass(frozen=True, slots=True)
class SessionRules:
    """A session ends when nobody used it for `idle`, and `absolute` after the sign-in in any case; what cannot be undone wants a
    sign-in within `fresh`. Its use is written down once in `noted`, not at each request."""

    idle: timedelta = timedelta(days=14)
    absolute: timedelta = timedelta(days=30)
    fresh: timedelta = timedelta(minutes=15)
    noted: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Session:
    """What is kept of a session: never its token, only the token's hash. `provider` is where the person signed in, and
    `authenticated_at` when it last asked them who they are; None: it did not tell, and is taken to have asked them then."""

    id: SessionId
    account_id: AccountId
    token_hash: bytes
    provider: str
    signed_in_at: datetime
    seen_at: datetime
    authenticated_at: datetime | None = None

    def check(self, now: datetime, rules: SessionRules) -> None:
        """Raises Unauthenticated if it has ended by itself."""
        if now >= self.ends_at(rules):
            raise Unauthenticated("the session has ended: sign in again")

    def check_fresh(self, now: datetime, rules: SessionRules) -> None:
        """Raises FreshSignInNeeded."""
        if now >= (self.authenticated_at or self.signed_in_at) + rules.fresh:
            raise FreshSignInNeeded(seconds=int(rules.fresh.total_seconds()))

    def ends_at(self, rules: SessionRules) -> datetime:
        """If nobody uses it before."""
        return min(self.seen_at + rules.idle, self.signed_in_at + rules.absolute)

    def is_to_note(self, now: datetime, rules: SessionRules) -> bool:
        """Whether this use of it is to be written down."""
        return now >= self.seen_at + rules.noted
