"""Redeeming a promotion's code."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC

from application.access import AccessStore
from application.credits import tell
from application.registration import PersonDigests
from domain.accounts import Caller
from domain.buying_errors import PromotionRedeemed
from domain.catalogue import Catalogue
from domain.identities import Identity
from domain.promotions import Redemption, promotion_of, redeem, same_code
from domain.registration import same_mailbox


@dataclass(frozen=True, slots=True)
class RedeemPromotion:
    """Credits for whoever knows a code: once per person, however many accounts they open and leave, as with the trial."""

    store: AccessStore
    catalogue: Catalogue
    digests: PersonDigests

    async def __call__(self, caller: Caller, code: str) -> Redemption:
        """By a session, so into the live wallet. By the same account again: what it came to the first time, even when the
        promotion has ended. Raises InvalidText, CardNumberRefused, AccountFrozen, AccountClosed, UnknownPromotion,
        PromotionUsedUp, or PromotionRedeemed for another account of the same person."""
        code = same_code(code)
        async with self.store.transaction() as tx:
            account = await tx.accounts.lock(caller.account_id)
            account.may_spend()
            if known := await tx.redemptions.find(code, account.id):
                return known
            now = await tx.now()
            promotion = promotion_of(self.catalogue, code, now.astimezone(UTC).date())
            redemption = redeem(promotion, account.id, await tx.redemptions.count(code), now)
            person = [*self._digests(code, await tx.identities.of_account(account.id))]
            if not await tx.trials.claim(person, now):
                raise PromotionRedeemed
            await tx.redemptions.add(redemption)
            await tell(tx, caller.wallet_id, redemption.grant)
        return redemption

    def _digests(self, code: str, identities: Sequence[Identity]) -> Iterator[Sequence[tuple[str, bytes]]]:
        """Two identities may have one mailbox."""
        said = {f"mailbox {same_mailbox(each.email)}" for each in identities}
        said |= {f"sign-in {each.provider} {each.subject}" for each in identities}
        return (self.digests.of(f"promotion {code} {each}".encode()) for each in sorted(said))
