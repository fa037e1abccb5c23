"""What the policy allows to be kept: each column, object class and log field is classified where it is defined.

A classification names the statement of the policy that allows it (P01 to P34), how long it stays, and what becomes of it when the
account's owner asks for an export or leaves.
"""

from dataclasses import dataclass
from enum import StrEnum


class Retention(StrEnum):
    """How long something is kept, and the reason the policy gives for it."""

    ACCOUNT = "account"  # the account's life + 14 days: operate
    HISTORY = "history"  # until its owner deletes it or leaves: operate
    BILLING = "billing"  # ten years: legal obligations
    PROGRESS = "progress"  # 24 hours after the end: follow how it goes
    REQUEST = "request"  # 24 hours: answer a repeated request alike
    SUPPORT = "support"  # 30 days: investigate issues
    MOMENT = "moment"  # an hour: see a picture while it is made
    COPY = "copy"  # a day after it was made: download
    ENGINE = "engine"  # until the job is done: operate
    NOTICE = "notice"  # until it is sent, three days at most: operate
    BRIEF = "brief"  # an hour or so, until it tells nothing any more: prevent abuse
    PROOF = "proof"  # 24 months: resolve disputes
    ORIGIN = "origin"  # 24 months: say which pictures are ours
    ABUSE = "abuse"  # 24 months: a keyed digest, so that what is given once is given once
    HOLD = "hold"  # until staff releases it, for good reason: the law
    NONE = "none"  # no subject: what the service itself is made of


class Erasure(StrEnum):
    """What becomes of it when its owner leaves."""

    ERASE = "erase"
    KEEP = "keep"  # names nobody: only ids that then lead nowhere
    OPAQUE = "opaque"  # stays as an id that leads to nobody any more


@dataclass(frozen=True, slots=True)
class Classification:
    """`statement` of the policy that allows keeping this; `export`: its owner gets it in an export."""

    statement: str
    retention: Retention
    erasure: Erasure
    export: bool = True


PROFILE = Classification("P05", Retention.ACCOUNT, Erasure.ERASE)
ACCOUNT_RECORD = Classification("P06", Retention.ACCOUNT, Erasure.OPAQUE)
ACCESS = Classification("P17", Retention.ACCOUNT, Erasure.ERASE, export=False)
ENDPOINT = Classification("P06", Retention.ACCOUNT, Erasure.ERASE)
NOTICE = Classification("P17", Retention.NOTICE, Erasure.ERASE, export=False)
SKELETON = Classification("P07", Retention.BILLING, Erasure.KEEP)
PROMPT = Classification("P07", Retention.HISTORY, Erasure.ERASE)
FOUND_BY = Classification("P07", Retention.HISTORY, Erasure.ERASE, export=False)
SHELF = Classification("P07", Retention.HISTORY, Erasure.ERASE)
"""What its owner has put where: no words of theirs."""
MEDIA = Classification("P09", Retention.HISTORY, Erasure.ERASE)
ORIGIN = Classification("P09", Retention.ORIGIN, Erasure.KEEP, export=False)
PARTIAL = Classification("P09", Retention.MOMENT, Erasure.ERASE, export=False)
COPY = Classification("P10", Retention.COPY, Erasure.ERASE, export=False)
SUPPORT = Classification("P21", Retention.SUPPORT, Erasure.ERASE)
BOOKS = Classification("P11", Retention.BILLING, Erasure.KEEP)
PAYMENT = Classification("P11", Retention.ACCOUNT, Erasure.ERASE)
HINT = Classification("P11", Retention.SUPPORT, Erasure.KEEP, export=False)
HELD = Classification("P28", Retention.HOLD, Erasure.KEEP, export=False)
PROTOCOL = Classification("P20", Retention.BILLING, Erasure.KEEP, export=False)
PROGRESS = Classification("P19", Retention.PROGRESS, Erasure.ERASE, export=False)
REPEATS = Classification("P19", Retention.REQUEST, Erasure.ERASE, export=False)
AUDIT = Classification("P21", Retention.PROOF, Erasure.OPAQUE)
TRIAL = Classification("P20", Retention.ABUSE, Erasure.KEEP, export=False)
RATES = Classification("P20", Retention.BRIEF, Erasure.KEEP, export=False)
ENGINE = Classification("P19", Retention.ENGINE, Erasure.KEEP, export=False)
MACHINERY = Classification("P20", Retention.NONE, Erasure.KEEP, export=False)
