"""Every way a rule of buying can be broken. As the others, they know no HTTP."""

from domain.errors import DomainError


class UnknownProduct(DomainError):
    title = "There is no such plan or pack"


class NotSold(DomainError):
    title = "This is not for sale"


class ForeignAddress(DomainError):
    title = "The address is not one of ours"


class EmailNeeded(DomainError):
    title = "The account has no e-mail address"


class NothingBought(DomainError):
    title = "Nothing has been bought yet"


class SubscriptionExists(DomainError):
    title = "The account has a subscription"


class NoSubscription(DomainError):
    title = "The account has no subscription"


class SubscriptionEnding(DomainError):
    title = "The subscription ends with its period"


class AlreadySo(DomainError):
    title = "The subscription is so already"


class PaymentNeeded(DomainError):
    title = "A payment is due first"


# By staff, or with a code


class NothingToRefund(DomainError):
    title = "No money of this purchase can go back"


class RefundOpen(DomainError):
    title = "A refund of this purchase is under way"


class UnknownPromotion(DomainError):
    title = "There is no such promotion, or it has ended"


class PromotionUsedUp(DomainError):
    title = "The promotion has been redeemed as often as it may be"


class PromotionRedeemed(DomainError):
    title = "The promotion was redeemed before by the same person"
