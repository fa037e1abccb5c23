"""Every way a rule can be broken, on one page; those of buying have a page of their own.

An error's public name is its class name in kebab case (`InsufficientCredits` is `insufficient-credits`); `facts` are the typed
members a caller can act on. Nothing here knows HTTP: one table at the edge gives each error its status.
"""

import re
from typing import ClassVar, Self

Fact = str | int | bool | None | list[str]


class DomainError(Exception):
    """A rule said no; nothing was changed."""

    title: ClassVar[str] = "The request was refused"

    def __init__(self, detail: str = "", **facts: Fact) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.facts = facts

    @classmethod
    def problem(cls) -> str:
        """The stable public name of this error."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()


# What was sent


class InvalidRequest(DomainError):
    title = "The request is malformed"


class InvalidText(DomainError):
    title = "A text is not acceptable"


class CardNumberRefused(DomainError):
    title = "A text seems to hold a payment card number"


class UnknownModel(DomainError):
    title = "There is no such model"


class RetiredModel(DomainError):
    title = "The model has been shut down"


class UnsupportedByModel(DomainError):
    title = "The model cannot do this"


class LimitExceeded(DomainError):
    title = "A limit is exceeded"


class PriceAboveMaximum(DomainError):
    title = "The price is above the caller's maximum"


class InvalidCursor(DomainError):
    title = "The cursor is not one of ours, or belongs to another list"


class InvalidInstant(DomainError):
    title = "The books cannot be read at this instant"


# Media


class UnsupportedFormat(DomainError):
    title = "The file is not an image we accept"


class TooManyBytes(DomainError):
    title = "The file is too large"


class TooManyPixels(DomainError):
    title = "The image has too many pixels"


class TooHeavy(DomainError):
    title = "The image takes more time or memory to read than an upload may"


class Truncated(DomainError):
    title = "The image is cut off or damaged"


class Animated(DomainError):
    title = "The file holds more than one picture"


class MaskMismatch(DomainError):
    title = "The mask does not fit"


class BrokenImage(DomainError):
    title = "A picture that is no upload cannot be decoded"


class AssetInUse(DomainError):
    title = "The asset is in use by an unfinished generation"


class TooManyStreams(DomainError):
    title = "The account follows as many generations at once as it may"


class TooManyArchives(DomainError):
    title = "The account has as many archives as it may have"


class SignaturePending(DomainError):
    title = "The picture waits for the signature that says where it comes from"


class IntakeBusy(DomainError):
    title = "The picture workers are busy"


# Credits


class InsufficientCredits(DomainError):
    title = "There are not enough credits"


class DebtOutstanding(DomainError):
    title = "The wallet owes credits"


class TooManyOpen(DomainError):
    title = "Too many generations are unfinished"


class InvalidAmount(DomainError):
    title = "The amount is not possible"


class HoldExists(DomainError):
    title = "The hold exists already"


class HoldResolved(DomainError):
    title = "The hold has been resolved"


class HoldNotFound(DomainError):
    title = "There is no such hold"


class HoldNotDue(DomainError):
    title = "The hold has not expired"


class AlreadyGranted(DomainError):
    title = "This has been granted already"


class NoSuchLot(DomainError):
    title = "There is no such lot"


class ReversalAboveGrant(DomainError):
    title = "A reversal cannot exceed what was granted"


class OpenHolds(DomainError):
    title = "The wallet has open holds"


class AccountClosed(DomainError):
    title = "The account is closed"


class CommandConflict(DomainError):
    title = "The command id was used for something else"


# Generations


class NotFinished(DomainError):
    title = "The generation has not finished"


class NotAllPossible(DomainError):
    title = "This is not possible with all of them, so nothing was done"


class TooManyRefusals(DomainError):
    title = "Too many of the last hour's generations were refused or refunded"


class LeaseLost(DomainError):
    title = "The lease on this generation is held by someone else"


# Access


class NotFound(DomainError):
    title = "There is no such thing here"


class Gone(DomainError):
    title = "This existed and was deleted"


class Unauthenticated(DomainError):
    title = "A valid API key or session is needed"


class RateLimited(DomainError):
    title = "Too much was asked in too short a time"

    @classmethod
    def by(cls, policy: str, limit: int, retry_after: int) -> Self:
        """`limit`: units in the policy's window; `retry_after`: seconds until this request may be possible."""
        again = f"ask again in {retry_after} seconds"
        return cls(f"the limit of this {policy} is reached; {again}", policy=policy, limit=limit, retry_after=retry_after)


class SignInDenied(DomainError):
    title = "The sign-in was cancelled or denied at the provider"


class SignInInvalid(DomainError):
    title = "The answer of the sign-in does not belong to its beginning, or cannot be trusted"


class SignInExpired(DomainError):
    title = "The sign-in took too long"


class EmailUnverified(DomainError):
    title = "The provider knows no verified e-mail address"


class ProviderUnavailable(DomainError):
    title = "The sign-in provider does not answer"


class RegistrationClosed(DomainError):
    title = "New accounts are not open to everybody here"


class SessionNeeded(DomainError):
    title = "Only a signed-in person may do this, not a key"


class FreshSignInNeeded(DomainError):
    title = "Sign in again to do this"


class CrossOrigin(DomainError):
    title = "The request does not come from our own pages"


class IdentityTaken(DomainError):
    title = "This sign-in belongs to another account"


class LastIdentity(DomainError):
    title = "The last way to sign in stays"


class AccountFrozen(DomainError):
    title = "The account is frozen: it may read, export and leave, but not spend"


class SpendCapReached(DomainError):
    title = "The API key may not spend that much this month"


class TooManyKeys(DomainError):
    title = "The account has as many API keys as it may have"


class TooManyEndpoints(DomainError):
    title = "The account has as many webhook endpoints as it may have"


class EndpointDisabled(DomainError):
    title = "The webhook endpoint is disabled"


class AlreadyCreated(DomainError):
    title = "This was created by an earlier request; its secret is told once only"


class MissingScope(DomainError):
    title = "The API key lacks a scope"


class IdempotencyMismatch(DomainError):
    title = "The idempotency key was used for another request"


class StillAtWork(DomainError):
    title = "An earlier request with this idempotency key is still at work"


class StaffOnly(DomainError):
    title = "Only staff may do this"


class LastAdmin(DomainError):
    title = "The last admin stays one"
