"""Opening an account for a person who signs in for the first time."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from application.access import AccessStore, AccessTransaction
from application.credits import tell
from application.ports import NewId
from domain.accounts import Account, AccountId, Act, Mode, Role, Staff
from domain.catalogue import Catalogue
from domain.commands import Grant
from domain.identities import Identity, IdentityId, Person
from domain.ledger import LotSource, WalletId
from domain.registration import TEST_CREDITS, RegistrationRules, same_mailbox

INVITATION_DAYS = 14
NewSecret = Callable[[], str]
"""Makes tokens of at least 190 random bits."""


class PersonDigests(Protocol):
    """Keyed digests: the same person gives the same ones, and nobody without the keys can tell who they are of."""

    def of(self, said: bytes) -> Sequence[tuple[str, bytes]]:
        """With the name of the key of each; the newest key's first, which is the one to keep."""


def hash_invitation(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()


@dataclass(frozen=True, slots=True)
class Register:
    """An account with a wallet in each mode, and the trial credits of its plan: once per person, however many accounts they open
    and leave. Equal e-mail addresses and equal sign-ins are one person to the trial, and to nothing else."""

    catalogue: Catalogue
    rules: RegistrationRules
    digests: PersonDigests
    new_id: NewId

    async def __call__(self, tx: AccessTransaction, person: Person, invitation: str | None) -> AccountId:
        """Raises RegistrationClosed."""
        now = await tx.now()
        invited = bool(invitation and await tx.invitations.use(hash_invitation(invitation), now))
        self.rules.check(person.email, invited=invited)
        plan = self.catalogue.plan(self.catalogue.default_plan)
        account = AccountId(self.new_id())
        await tx.accounts.add(Account(account, Role.USER, plan.id, now, person.name, person.email))
        tx.identities.add(Identity(IdentityId(self.new_id()), account, person.provider, person.subject, person.email, now))
        given = {Mode.TEST: TEST_CREDITS, Mode.LIVE: plan.trial_credits}
        if given[Mode.LIVE] and not await tx.trials.claim(self._digests(person), now):
            given[Mode.LIVE] = 0
        for mode in Mode:
            wallet = WalletId(self.new_id())
            await tx.wallets.create(wallet, account, mode)
            if given[mode]:
                days = plan.trial_days if mode is Mode.LIVE else None
                lapses = now + timedelta(days=days) if days else None
                await tell(tx, wallet, Grant.of(LotSource.TRIAL, str(wallet), given[mode], expires_at=lapses))
        return account

    def _digests(self, person: Person) -> Sequence[Sequence[tuple[str, bytes]]]:
        said = (f"mailbox {same_mailbox(person.email)}", f"sign-in {person.provider} {person.subject}")
        return [self.digests.of(each.encode()) for each in said]


@dataclass(frozen=True, slots=True)
class Invite:
    """Staff invites somebody: a code that opens one account within two weeks."""

    store: AccessStore
    new_id: NewId
    new_secret: NewSecret

    async def __call__(self, staff: Staff) -> tuple[str, datetime]:
        """The code, and until when it is good."""
        code = self.new_secret()
        async with self.store.transaction() as tx:
            now = await tx.now()
            until = now + timedelta(days=INVITATION_DAYS)
            await tx.invitations.add(hash_invitation(code), until)
            await tx.accounts.record(staff.signed(self.new_id(), now, Act.INVITE))
        return code, until
