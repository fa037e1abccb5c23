"""Who is let in, wired: accounts, the ways into them, and what people are told. A part of the wiring in a file of its own."""

import secrets
import time
from datetime import timedelta

import structlog
from dishka import Provider, Scope, provide, provide_all

from adapters.identity.sandbox import SandboxIdentity as SandboxIdentity
from adapters.keyring import Keyring
from adapters.notices.configured import notices as configured_notices
from adapters.postgres.access_queries import PostgresAccessQueries
from adapters.postgres.audit_chain import PostgresAuditTrail
from adapters.postgres.rate_limits import PostgresSharedBuckets
from adapters.postgres.session import Pool
from adapters.postgres.store import PostgresStore
from application.access import AccessQueries, AccessStore
from application.accounts import (
    AuthorizeStaff,
    ChangeRole,
    EndSessionsOf,
    FreezeAccount,
    OpenAccount,
    RevokeKeysOf,
    UnfreezeAccount,
)
from application.api_keys import AddKey, Authenticate, MakeKey, NoteKeyUse, RevokeKey
from application.audit_chain import AuditSigner, AuditTrail, SignHeads, VerifyAudit
from application.first_admin import OpenFirstAdmin
from application.housekeeping import ForgetAccess
from application.notices import Notices, SendNotices
from application.ports import NewId, SignInSigner
from application.providers import Providers
from application.queries import Queries
from application.rate_limits import ForgetRates, RateLimits
from application.registration import Invite, Register
from application.sessions import (
    AuthenticateSession,
    ChangeProfile,
    EndEverySession,
    EndSession,
    LinkIdentity,
    SignIn,
    UnlinkIdentity,
)
from domain.catalogue import Catalogue
from domain.sessions import SessionRules
from entrypoints.crash_points import CrashPoints
from entrypoints.settings import Settings
from entrypoints.wiring_storage import Objects


class Access(Provider):
    """Whoever wires the rest brings the pool, the store, the catalogue and the keyring."""

    scope = Scope.APP
    accounts = provide_all(OpenAccount, OpenFirstAdmin, AddKey, RevokeKey)
    staff = provide_all(AuthorizeStaff, ChangeRole, FreezeAccount, UnfreezeAccount, EndSessionsOf, RevokeKeysOf, VerifyAudit)
    sessions = provide_all(EndSession, EndEverySession, LinkIdentity, UnlinkIdentity, ChangeProfile, AuthenticateSession)

    @provide
    def access_store(self, postgres: PostgresStore, points: CrashPoints) -> AccessStore:
        return points.wrap("AccessStore", postgres)

    @provide
    def access_queries(self, pool: Pool) -> AccessQueries:
        return PostgresAccessQueries(pool)

    @provide
    def sign_in_signer(self, keyring: Keyring) -> SignInSigner:
        return keyring.purpose("sign-in")

    @provide
    def sandbox_identity(self, keyring: Keyring) -> SandboxIdentity:
        return SandboxIdentity(keyring.purpose("sandbox sign-in"), time.time)

    @provide
    def providers(self, settings: Settings, sandbox: SandboxIdentity) -> Providers:
        if not settings.sign_in:
            return Providers({sandbox.name: sandbox})
        from adapters.identity.configured import read_providers  # what it imports takes a third of a second

        return Providers(read_providers(settings.sign_in, time.time))

    @provide
    def notices(self, settings: Settings) -> Notices:
        folder, url = settings.data_dir / "outbox", settings.reached_at
        return configured_notices(settings.smtp_url, settings.mail_from, folder, url)

    @provide
    def rate_limits(self, pool: Pool, settings: Settings, keyring: Keyring) -> RateLimits:
        keys, warn = keyring.purpose("rate limits"), structlog.get_logger().warning
        return RateLimits(PostgresSharedBuckets(pool), settings.rates, lambda who: keys.sign(who)[1], warn=warn)

    @provide
    def forget_rates(self, pool: Pool) -> ForgetRates:
        return ForgetRates(PostgresSharedBuckets(pool))

    @provide
    def forget_access(self, store: PostgresStore, rules: SessionRules, points: CrashPoints) -> ForgetAccess:
        return ForgetAccess(points.wrap("AccessStore", store, "ForgetAccess"), rules)

    @provide
    def session_rules(self, settings: Settings) -> SessionRules:
        return settings.session_rules

    @provide
    def sign_in(self, store: AccessStore, catalogue: Catalogue, settings: Settings, keyring: Keyring, new_id: NewId) -> SignIn:
        register = Register(catalogue, settings.registration_rules, keyring.purpose("trials"), new_id)
        return SignIn(store, register, new_id, lambda: secrets.token_urlsafe(32))

    @provide
    def invite(self, store: AccessStore, new_id: NewId) -> Invite:
        return Invite(store, new_id, lambda: secrets.token_urlsafe(32))

    @provide
    def authenticate(self, queries: Queries, store: AccessStore) -> Authenticate:
        return Authenticate(queries, NoteKeyUse(store))

    @provide
    def make_key(self, store: AccessStore, new_id: NewId) -> MakeKey:
        return MakeKey(store, new_id, secrets.token_bytes)

    @provide
    def send_notices(self, store: PostgresStore, notices: Notices, points: CrashPoints) -> SendNotices:
        by = "SendNotices"
        return SendNotices(points.wrap("AccessStore", store, by), points.wrap("Notices", notices, by))

    @provide
    def trail(self, pool: Pool) -> AuditTrail:
        return PostgresAuditTrail(pool)

    @provide
    def signer(self, keyring: Keyring) -> AuditSigner:
        return keyring.purpose("audit")

    @provide
    def sign_heads(
        self,
        store: PostgresStore,
        trail: AuditTrail,
        objects: Objects,
        signer: AuditSigner,
        points: CrashPoints,
        settings: Settings,
    ) -> SignHeads:
        by, every = "SignHeads", timedelta(seconds=settings.audit_head_seconds)
        return SignHeads(points.wrap("Store", store, by), trail, points.wrap("ObjectStorage", objects.storage, by), signer, every)
