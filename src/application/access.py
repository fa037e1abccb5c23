"""What the store knows of people who sign in: their identities and sessions, and what they are to be told."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from application.store import NewNotices, Transaction
from domain.accounts import AccountId, Caller, KeyId
from domain.api_keys import ApiKey
from domain.identities import Identity, IdentityId
from domain.notices import NoticeId, WaitingNotice
from domain.promotions import Redemption
from domain.sessions import Session, SessionId


class Identities(Protocol):
    """Sign-ins at providers, linked to accounts."""

    async def claim(self, provider: str, subject: str) -> Identity | None:
        """Whose this sign-in is; until this transaction ends nobody else can link it, or claim it."""

    def add(self, identity: Identity) -> None: ...

    async def of_account(self, account: AccountId) -> Sequence[Identity]:
        """Oldest first, under a lock: none is added or removed by others until this transaction ends."""

    async def remove(self, identity: IdentityId) -> None: ...


class Sessions(Protocol):
    """Signed-in browsers."""

    async def add(self, session: Session) -> None: ...

    async def note(self, session: SessionId, seen_at: datetime) -> None:
        """That it was in use then. A session that has been ended stays so."""

    async def end(self, account: AccountId, session: SessionId) -> bool:
        """Whether there was this session of this account."""

    async def end_all(self, account: AccountId, *, but: int = 0) -> int:
        """All but that many of the newest; answers how many were ended."""

    async def end_token(self, token_hash: bytes) -> AccountId | None:
        """Whose session with this token was ended; None if there was none."""

    async def end_older(self, signed_in_before: datetime, seen_before: datetime, limit: int) -> int:
        """Remove so many sessions that ended by themselves, at most; answers how many."""


class Keys(Protocol):
    """API keys as their owners see them."""

    async def of_account(self, account: AccountId) -> Sequence[ApiKey]:
        """Those that were not revoked, oldest first, under a lock: none is made by others until this transaction ends."""

    async def revoke(self, account: AccountId, key: KeyId, at: datetime) -> bool:
        """Whether there was this key of this account."""

    async def revoke_all(self, account: AccountId, at: datetime) -> int:
        """Of this account; answers how many were revoked."""

    async def note(self, key: KeyId, on: date) -> None:
        """That it was in use on that day."""


class Trials(Protocol):
    """Digests of people who had trial credits, or a promotion's. They outlive the accounts."""

    async def claim(self, person: Sequence[Sequence[tuple[str, bytes]]], at: datetime) -> bool:
        """False if one of these is known. From now on all are: of each, the first with the name of its key."""

    async def forget(self, granted_before: datetime, limit: int) -> int:
        """Remove so many that are older, at most; answers how many."""


class Redemptions(Protocol):
    """Who redeemed which promotion, and how often each was redeemed."""

    async def find(self, promotion: str, account: AccountId) -> Redemption | None: ...

    async def count(self, promotion: str) -> int:
        """By anybody, those that left included. Others who count it wait until this transaction ends."""

    async def add(self, redemption: Redemption) -> None:
        """By whoever counted."""


class Invitations(Protocol):
    async def add(self, digest: bytes, until: datetime) -> None: ...

    async def use(self, digest: bytes, at: datetime) -> bool:
        """Whether there was one that was still good. There is none any more."""

    async def forget(self, now: datetime, limit: int) -> int:
        """Remove so many that are good no longer, at most; answers how many."""


class WaitingNotices(NewNotices, Protocol):
    """Notices from when they are written down until they are sent."""

    async def lock_due(self, now: datetime) -> WaitingNotice | None:
        """The one due longest, or None; others pass it over until this transaction ends."""

    async def save(self, waiting: WaitingNotice) -> None:
        """Its tries and when it is due again."""

    async def remove(self, notice: NoticeId) -> None:
        """Nothing of it is kept."""

    async def drop(self, before: datetime) -> int:
        """Remove those of what happened before that instant; answers how many."""


class AccessTransaction(Transaction, Protocol):
    """Lock order: a sign-in's name, an invitation, trials; then as in `Transaction`, with a promotion and its digests before the
    wallet. What begins or ends more than one session of an account locks the account first, so that none begins unseen
    meanwhile."""

    @property
    def identities(self) -> Identities: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def keys(self) -> Keys: ...
    @property
    def trials(self) -> Trials: ...
    @property
    def redemptions(self) -> Redemptions: ...
    @property
    def invitations(self) -> Invitations: ...
    @property
    def notices(self) -> WaitingNotices: ...


class AccessStore(Protocol):
    """The same system of record as `Store`, with what belongs to signing in."""

    def transaction(self) -> AbstractAsyncContextManager[AccessTransaction]:
        """As in `Store`."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session as a request needs it: who calls through it, and the store's time at this look."""

    session: Session
    caller: Caller
    now: datetime


class AccessQueries(Protocol):
    async def signed_in(self, token_hash: bytes) -> SignedIn | None:
        """Whoever bears the token with this hash, whether or not its time is over; None if there is no such session (any more).
        Never from a cache: a session that was ended anywhere is gone here."""
        ...

    async def sessions(self, account: AccountId) -> Sequence[Session]:
        """Newest first."""
        ...

    async def identities(self, account: AccountId) -> Sequence[Identity]: ...

    async def keys(self, account: AccountId) -> Sequence[ApiKey]:
        """Those that were not revoked, newest first."""
        ...
