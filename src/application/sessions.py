"""Signing in and out: an account for every person, a session for every browser, and who calls by one."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from application.access import AccessQueries, AccessStore, SignedIn
from application.notices import tell
from application.ports import NewId
from application.registration import NewSecret, Register
from domain.accounts import Account, AccountId
from domain.errors import IdentityTaken, InvalidRequest, LastIdentity, NotFound, SignInInvalid, Unauthenticated
from domain.identities import Identity, IdentityId, Person
from domain.limits import LIMITS
from domain.notices import Facts, NoticeKind
from domain.sessions import Session, SessionId, SessionRules


def hash_token(token: str) -> bytes:
    """What is kept of a session's token. It is as random as a hash is long, so a plain hash cannot be turned back."""
    return hashlib.sha256(token.encode()).digest()


@dataclass(frozen=True, slots=True)
class SignIn:
    """A person is here: the account their sign-in is linked to, or a new one; always a new session with a new token. Two first
    sign-ins at once make one account. Equal e-mail addresses link nothing: only a signed-in person's own act does."""

    store: AccessStore
    register: Register
    new_id: NewId
    new_secret: NewSecret

    async def __call__(self, person: Person, replaces: str | None = None, invitation: str | None = None) -> tuple[Session, str]:
        """The session and its token, which is told this once. `replaces`: the token of the session this browser had before.
        Raises RegistrationClosed, or SignInInvalid if this sign-in is being removed."""
        token = self.new_secret()
        async with self.store.transaction() as tx:
            identity = await tx.identities.claim(person.provider, person.subject)
            now = await tx.now()
            account = identity.account_id if identity else await self.register(tx, person, invitation)
            await tx.accounts.lock(account)  # before its sessions
            if identity and not await tx.identities.claim(person.provider, person.subject):
                raise SignInInvalid("this sign-in was just removed from its account: begin again")
            replaced = await tx.sessions.end_token(hash_token(replaces)) if replaces else None
            await tx.sessions.end_all(account, but=LIMITS["sessions"] - 1)
            asked = min(person.authenticated_at, now) if person.authenticated_at else None
            session = Session(SessionId(self.new_id()), account, hash_token(token), person.provider, now, now, asked)
            await tx.sessions.add(session)
            if replaced != account:  # a browser that brings any other token is not known by it
                kind = NoticeKind.NEW_SIGN_IN if identity else NoticeKind.WELCOME
                await tell(tx, self.new_id, account, kind, Facts(provider=person.provider))
        return session, token


@dataclass(frozen=True, slots=True)
class AuthenticateSession:
    """Who calls by this session. It is looked up at every request: one that was ended anywhere is worth nothing at the next."""

    store: AccessStore
    queries: AccessQueries
    rules: SessionRules = SessionRules()

    async def __call__(self, token: str, *, fresh: bool = False) -> SignedIn:
        """`fresh`: for what cannot be undone. Raises Unauthenticated, or FreshSignInNeeded."""
        found = await self.queries.signed_in(hash_token(token))
        if not found:
            raise Unauthenticated("this session is unknown or was ended")
        found.session.check(found.now, self.rules)
        if fresh:
            found.session.check_fresh(found.now, self.rules)
        if found.session.is_to_note(found.now, self.rules):
            async with self.store.transaction() as tx:
                await tx.sessions.note(found.session.id, found.now)
        return found


@dataclass(frozen=True, slots=True)
class EndSession:
    store: AccessStore

    async def __call__(self, account: AccountId, session: SessionId) -> None:
        """Raises NotFound."""
        async with self.store.transaction() as tx:
            if not await tx.sessions.end(account, session):
                raise NotFound(session=str(session))


@dataclass(frozen=True, slots=True)
class LinkIdentity:
    """A signed-in person's own act: another sign-in that leads to the same account from now on."""

    store: AccessStore
    new_id: NewId

    async def __call__(self, account: AccountId, person: Person) -> Identity:
        """Linking it again changes nothing. Raises IdentityTaken."""
        async with self.store.transaction() as tx:
            known = await tx.identities.claim(person.provider, person.subject)
            if known and known.account_id != account:
                raise IdentityTaken
            now = await tx.now()
            linked = Identity(IdentityId(self.new_id()), account, person.provider, person.subject, person.email, now)
            if not known:
                tx.identities.add(linked)
                changed = Facts(provider=person.provider, linked=True)
                await tell(tx, self.new_id, account, NoticeKind.SIGN_IN_CHANGED, changed)
        return known or linked


@dataclass(frozen=True, slots=True)
class UnlinkIdentity:
    store: AccessStore
    new_id: NewId

    async def __call__(self, account: AccountId, identity: IdentityId) -> None:
        """Raises NotFound, or LastIdentity."""
        async with self.store.transaction() as tx:
            linked = {each.id: each.provider for each in await tx.identities.of_account(account)}
            if identity not in linked:
                raise NotFound(identity=str(identity))
            if len(linked) == 1:
                raise LastIdentity
            await tx.identities.remove(identity)
            changed = Facts(provider=linked[identity], linked=False)
            await tell(tx, self.new_id, account, NoticeKind.SIGN_IN_CHANGED, changed)


@dataclass(frozen=True, slots=True)
class ChangeProfile:
    """A person's name, and which of their verified e-mail addresses is the account's."""

    store: AccessStore

    async def __call__(self, account: AccountId, change: Callable[[Account], Account]) -> Account:
        """Raises InvalidRequest for an address that no provider of theirs has verified."""
        async with self.store.transaction() as tx:
            known = await tx.accounts.lock(account)  # or its role could be overwritten with the one it had
            verified = {identity.email for identity in await tx.identities.of_account(account)}
            changed = change(known)
            if changed.email not in {*verified, known.email}:
                raise InvalidRequest("this address belongs to none of the account's sign-ins", field="email")
            await tx.accounts.save(changed)
        return changed


@dataclass(frozen=True, slots=True)
class EndEverySession:
    """Sign out everywhere, this browser included, and those that are just signing in."""

    store: AccessStore
    new_id: NewId

    async def __call__(self, account: AccountId) -> int:
        async with self.store.transaction() as tx:
            await tx.accounts.lock(account)
            ended = await tx.sessions.end_all(account)
            if ended:
                await tell(tx, self.new_id, account, NoticeKind.SIGNED_OUT_EVERYWHERE, Facts())
        return ended
