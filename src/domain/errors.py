"""Every way a rule can be broken, on one page.

An error's public name is its class name in kebab case (`InsufficientCredits` is `insufficient-credits`); `facts` are the typed
members a caller can act on. Nothing here knows HTTP: one table at the edge gives each error its status.
"""

import re
from typing import ClassVar

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


class BrokenImage(DomainError):
    title = "The image cannot be decoded"


class UploadTooLarge(DomainError):
    title = "The upload is too large"


class InvalidMask(DomainError):
    title = "The mask does not fit"


class AssetInUse(DomainError):
    title = "The asset is in use by an unfinished generation"


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
    title = "A valid API key is needed"


class MissingScope(DomainError):
    title = "The API key lacks a scope"


class IdempotencyMismatch(DomainError):
    title = "The idempotency key was used for another request"


class StaffOnly(DomainError):
    title = "Only staff may do this"
