"""Who acts: accounts, and what a caller may do."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NewType, Self
from uuid import UUID

from domain.errors import AccountFrozen, LastAdmin, MissingScope, StaffOnly
from domain.ledger import WalletId
from domain.limits import LIMITS, text

AccountId = NewType("AccountId", UUID)
KeyId = NewType("KeyId", UUID)


class Mode(StrEnum):
    """Stands on keys, wallets, generations, assets and idempotency rows; nothing ever crosses between the two."""

    LIVE = "live"
    TEST = "test"


class Role(StrEnum):
    """Each may do what the one before it may."""

    USER = "user"
    SUPPORT = "support"
    ADMIN = "admin"

    @property
    def is_staff(self) -> bool:
        return self is not Role.USER

    def covers(self, least: "Role") -> bool:
        ranks = tuple(Role)
        return ranks.index(self) >= ranks.index(least)


class Act(StrEnum):
    """What staff may change by hand. Whoever adds an act says in LEAST_ROLE which role it takes."""

    CHANGE_ROLE = "accounts.role"
    FREEZE = "accounts.freeze"
    UNFREEZE = "accounts.unfreeze"
    END_SESSIONS = "accounts.end_sessions"
    REVOKE_KEYS = "accounts.revoke_keys"
    INVITE = "accounts.invite"
    GRANT_CREDITS = "credits.grant"
    ADJUST_CREDITS = "credits.adjust"
    SYNC = "billing.sync"
    REPLAY = "billing.replay"
    REFUND = "billing.refund"
    CANCEL = "billing.cancel"
    SWEEP = "media.sweep"
    PURGE = "media.purge"
    LIST_IMPOUNDED = "quarantine.list"
    RELEASE_IMPOUNDED = "quarantine.release"

    @property
    def least_role(self) -> Role:
        return LEAST_ROLE[self]


LEAST_ROLE = {
    Act.CHANGE_ROLE: Role.ADMIN,
    # To shut somebody out is urgent when an account is abused, and can be made good: whoever is at the desk may. To let it spend
    # again is not urgent, and what it spends is gone: that takes an admin.
    Act.FREEZE: Role.SUPPORT,
    Act.UNFREEZE: Role.ADMIN,
    Act.END_SESSIONS: Role.SUPPORT,
    Act.REVOKE_KEYS: Role.SUPPORT,
    # It is worth a plan's trial credits at most, and support may grant those already.
    Act.INVITE: Role.SUPPORT,
    Act.GRANT_CREDITS: Role.SUPPORT,
    Act.ADJUST_CREDITS: Role.SUPPORT,
    # To look again changes nothing that is not true, and a subscription that was ended can be bought again.
    Act.REPLAY: Role.SUPPORT,
    Act.CANCEL: Role.SUPPORT,
    # Workers do the same by themselves, by the same rule.
    Act.SWEEP: Role.SUPPORT,
    # What is gone does not come back.
    Act.PURGE: Role.ADMIN,
    # Prices are everybody's, and money that left does not come back.
    Act.SYNC: Role.ADMIN,
    Act.REFUND: Role.ADMIN,
    # Whose pictures lie there says enough about them; and what is released is gone.
    Act.LIST_IMPOUNDED: Role.ADMIN,
    Act.RELEASE_IMPOUNDED: Role.ADMIN,
}


class Scope(StrEnum):
    GENERATE = "generate"
    READ = "read"
    BILLING = "billing"


@dataclass(frozen=True, slots=True)
class Account:
    """A customer. `plan` names a plan of the catalogue.

    While it is frozen it may sign in, read, delete, export and leave, and what it asked for before is made; but it may not spend:
    neither credits, nor our room by uploads, which nothing but spending needs and whose links could be handed on. Nor does it
    make keys: one that somebody made in its name would spend as soon as it is frozen no longer.
    """

    id: AccountId
    role: Role
    plan: str
    created_at: datetime
    name: str | None = None
    email: str | None = None
    frozen_at: datetime | None = None

    def with_role(self, role: Role) -> Self:
        return replace(self, role=role)

    def freeze(self, at: datetime) -> Self:
        """Frozen since then, or since earlier."""
        return replace(self, frozen_at=self.frozen_at or at)

    def unfreeze(self) -> Self:
        return replace(self, frozen_at=None)

    def may_spend(self) -> None:
        """Raises AccountFrozen."""
        if self.frozen_at:
            raise AccountFrozen

    def must_be_allowed(self, act: Act, on: "Account | None" = None) -> None:
        """Nobody does anything to an account of a higher role than their own. Raises StaffOnly."""
        least = act.least_role if not on or act.least_role.covers(on.role) else on.role
        if not self.role.covers(least):
            raise StaffOnly(f"{act} takes the role {least} here, which {self.id} has not", account=str(self.id))


def change_role(account: Account, role: Role, by: Account, admins: int) -> Account:
    """`account` with its new role; `admins` counts those there are. Raises StaffOnly, or LastAdmin."""
    if account.id == by.id and not account.role.covers(role):
        raise StaffOnly("nobody raises their own role", account=str(by.id))
    by.must_be_allowed(Act.CHANGE_ROLE)
    if account.role is Role.ADMIN and role is not Role.ADMIN and admins < 2:
        raise LastAdmin(account=str(account.id))
    return account.with_role(role)


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody authenticated: on whose behalf, in which mode, and for what. A session has no key, acts live, and may do all.
    `capped`: the key may spend only so much in a month."""

    account_id: AccountId
    key_id: KeyId | None
    mode: Mode
    scopes: frozenset[Scope]
    plan: str
    wallet_id: WalletId
    capped: bool = False
    frozen: bool = False

    def must_have(self, scope: Scope) -> None:
        if scope not in self.scopes:
            raise MissingScope(f"this needs the scope {scope}", scope=scope)

    def may_spend(self) -> None:
        """Raises AccountFrozen."""
        if self.frozen:
            raise AccountFrozen


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One change by staff: who, what, on what, and why. Ids only, and the staff member's own words."""

    id: UUID
    at: datetime
    staff: AccountId
    action: str
    subject: str
    reason: str


@dataclass(frozen=True, slots=True)
class Staff:
    """On whose authority a change by hand is made, and why: kept in the audit record."""

    account_id: AccountId
    reason: str

    def __post_init__(self) -> None:
        text("reason", self.reason, LIMITS["reason_characters"], least=1)

    def signed(self, id: UUID, at: datetime, action: str, subject: UUID | str | None = None) -> AuditRecord:
        """The record of a change to `subject`, by its id; None: to nothing that is there yet."""
        return AuditRecord(id, at, self.account_id, action, str(subject or "-"), self.reason)
