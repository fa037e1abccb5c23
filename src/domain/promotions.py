"""Promotions: codes that bring credits, once per person and so many times in all."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from domain.accounts import AccountId
from domain.buying_errors import PromotionUsedUp, UnknownPromotion
from domain.catalogue import Catalogue, Promotion
from domain.commands import Grant
from domain.ledger import LotSource
from domain.limits import LIMITS, text


@dataclass(frozen=True, slots=True)
class Redemption:
    """What a promotion brought to an account."""

    promotion: str
    account_id: AccountId
    credits: int
    at: datetime
    expires_at: datetime

    @property
    def grant(self) -> Grant:
        ref = f"{self.promotion}:{self.account_id}"
        return Grant.of(LotSource.PROMOTION, ref, self.credits, expires_at=self.expires_at)


def same_code(said: str) -> str:
    """One text for all the ways in which a code can be typed. Raises InvalidText, or CardNumberRefused."""
    return text("code", said, LIMITS["name_characters"], least=1).strip().upper()


def promotion_of(catalogue: Catalogue, code: str, today: date) -> Promotion:
    """On this day (UTC). Raises UnknownPromotion, the same for one that has ended and one that never was."""
    found = catalogue.promotions.get(code)
    if not found or found.ends < today:
        raise UnknownPromotion(field="code")
    return found


def redeem(promotion: Promotion, account: AccountId, redeemed: int, now: datetime) -> Redemption:
    """`redeemed`: how often it was before. Raises PromotionUsedUp."""
    if redeemed >= promotion.most:
        raise PromotionUsedUp
    return Redemption(promotion.code, account, promotion.credits, now, now + timedelta(days=promotion.days))
