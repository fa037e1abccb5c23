"""Who people are to the providers they sign in with."""

from dataclasses import dataclass
from datetime import datetime
from typing import NewType
from uuid import UUID

from domain.accounts import AccountId

IdentityId = NewType("IdentityId", UUID)


@dataclass(frozen=True, slots=True)
class Person:
    """What a provider says of whoever signed in there. `subject`: who issued it, and their own unchanging name for the person;
    `email` is one that the provider has verified; `authenticated_at`: when it last asked them who they are, if it tells."""

    provider: str
    subject: str
    email: str
    name: str | None = None
    authenticated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """A person's sign-in at one provider, linked to one account."""

    id: IdentityId
    account_id: AccountId
    provider: str
    subject: str
    email: str
    linked_at: datetime
