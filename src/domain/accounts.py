"""Who acts: accounts, and what a caller may do."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NewType, Self
from uuid import UUID

from domain.errors import AccountFrozen, MissingScope
from domain.ledger import WalletId

AccountId = NewType("AccountId", UUID)
KeyId = NewType("KeyId", UUID)


class Mode(StrEnum):
    """Stands on keys, wallets, generations, assets and idempotency rows; nothing ever crosses between the two."""

    LIVE = "live"
    TEST = "test"


class Role(StrEnum):
    USER = "user"
    SUPPORT = "support"
    ADMIN = "admin"

    @property
    def is_staff(self) -> bool:
        return self is not Role.USER


class Scope(StrEnum):
    GENERATE = "generate"
    READ = "read"
    BILLING = "billing"


@dataclass(frozen=True, slots=True)
class Account:
    """A customer. `plan` names a plan of the catalogue. While it is frozen it may read, export and leave, but not spend."""

    id: AccountId
    role: Role
    plan: str
    created_at: datetime
    name: str | None = None
    email: str | None = None
    frozen_at: datetime | None = None

    def with_role(self, role: Role) -> Self:
        return replace(self, role=role)


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
