"""One customer's history of use cases on a store, each step checked against the law (`tests.use_cases_audit`) and against what the
rules say it answers.

Steps take plain numbers and find what they name by counting back from the newest, so a history stays meaningful when steps are
left out of it. `last`: the process dies after that many port calls; None: it lives.
"""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from application.credits import AdjustCredits, GrantCredits, Staff
from application.generations import (
    KEYS_KEPT,
    TRASH,
    CancelGeneration,
    DeleteGeneration,
    KeepHouse,
    RequestGeneration,
    SweepObjects,
)
from application.ports import IdempotencyKey, ObjectStorage, Store
from domain.accounts import Mode
from domain.attempts import CallResult, Failure, FailureClass, Finality, NotExecuted, Stage, Unknown
from domain.commands import AdjustDown, Command, Grant, PlaceHold, Recorded, Reverse, command_id
from domain.errors import DomainError
from domain.generations import Generation, GenerationState
from domain.ledger import HoldId, LotId
from domain.media import ObjectKey
from domain.prices import quote
from domain.requests import Asked, normalise
from tests.contract.store_contract import TIMING, customer, new_id, numbers, say
from tests.ledger_history import SOURCES, part
from tests.mortal import Died
from tests.offer import CATALOGUE, TODAY
from tests.protocol import pictures
from tests.use_cases_audit import UseCasesAudit
from tests.use_cases_stage import UseCaseStage, Worker
from tests.wallet_book import TICK

OPEN_LIMIT = 3
QUALITIES = ("low", "medium")
ANSWERS = ("all", "all but one", "none", "refused", "final", "busy", "unknown", "unknown, unpaid")
_BUSY = Failure(FailureClass.PROVIDER, Stage.CALL, "busy", "Busy")
_ENDED = GenerationState.FAILED, GenerationState.SUCCEEDED, GenerationState.REFUSED, GenerationState.CANCELLED
Work = Callable[[Store, ObjectStorage], Coroutine[Any, Any, Any]]


class UseCaseHistory:
    def __init__(self, stage: UseCaseStage) -> None:
        self.stage, self.world = stage, stage.world
        self.caller = stage.run(customer(self.world.store, 0, Mode.TEST))
        self.world.callers.append((self.caller, 0))
        self.audit = UseCasesAudit(stage, self.caller)
        self.book = self.audit.book
        self.grants: list[Grant] = []
        self.keys: dict[str, tuple[str, Generation]] = {}
        """What each key made, and of which body."""
        self.unsound = False
        """A check failed, so later ones say nothing."""

    def _look(self) -> tuple[list[Recorded], list[Generation]]:
        return self.stage.run(self.audit.step())

    def _generation(self, which: int) -> Generation | None:
        """As it was last seen."""
        known = self.world.generations
        return self.audit.seen[known[-1 - which % len(known)].id] if known else None

    # Credits

    def grant(self, amount: int, source: int, lifetime: float | None, again: int, last: int | None) -> None:
        """A grant by staff: a new one, or one made before (`again`, if not 0), then perhaps of another amount."""
        if again and self.grants:
            grant = self.grants[-1 - again % len(self.grants)]
            grant = replace(grant, amount=amount) if again % 2 else grant
        else:
            name = f"{SOURCES[source]}:{len(self.grants)}"
            lot, expires_at = command_id("lot", name), self.stage.now + timedelta(seconds=lifetime) if lifetime else None
            fact = {"source": SOURCES[source], "source_ref": str(len(self.grants)), "priority": 100 - len(self.grants)}
            grant = Grant(id=command_id("grant", name), lot_id=LotId(lot), amount=amount, expires_at=expires_at, **fact)  # type: ignore[arg-type]
            self.grants.append(grant)
        terms = {"fact": grant.source_ref, "source": grant.source, "expires_at": grant.expires_at, "priority": grant.priority}
        grant_credits = lambda store: GrantCredits(store, new_id)  # noqa: E731
        self._tell(grant, last, lambda store, _: grant_credits(store)(self._staff, self.book.wallet, grant.amount, **terms))

