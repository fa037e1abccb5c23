"""The first half of a history of use cases: a customer who is given credits, loses some, and asks for pictures.

Each step is checked against the law (`tests.use_cases_audit`) and against what the rules say it answers. Steps take plain numbers
and find what they name by counting back from the newest, so a history stays meaningful when steps are left out of it. `last`: the
process dies after that many port calls; None: it lives.
"""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from application.credits import AdjustCredits, GrantCredits
from application.generations import (
    RequestGeneration,
)
from application.ports import ObjectStorage
from application.store import IdempotencyKey, Store
from domain.accounts import Mode, Staff
from domain.brake import HOUR, BrakeRules
from domain.commands import AdjustDown, Command, Grant, PlaceHold, Recorded, Reverse, command_id
from domain.errors import DomainError
from domain.generations import Generation, GenerationState
from domain.ledger import HoldId, LotId
from domain.prices import Quote, quote
from domain.requests import Asked, normalise
from tests.contract.store_contract import TIMING, customer, new_id, say
from tests.ledger_history import SOURCES, part
from tests.mortal import Died
from tests.offer import CATALOGUE, TODAY
from tests.use_cases_audit import UseCasesAudit
from tests.use_cases_stage import UseCaseStage

OPEN_LIMIT = 3
BRAKE = BrakeRules(refusals=2, refunds=1)
QUALITIES = ("low", "medium")
Work = Callable[[Store, ObjectStorage], Coroutine[Any, Any, Any]]


class CustomerHistory:
    def __init__(self, stage: UseCaseStage) -> None:
        self.stage, self.world = stage, stage.world
        self.caller = stage.run(customer(self.world.store, 0, Mode.TEST))
        self.staff = Staff(self.caller.account_id, "a test")
        self.world.callers.append((self.caller, 0))
        self.audit = UseCasesAudit(stage, self.caller)
        self.book = self.audit.book
        self.grants: list[Grant] = []
        self.keys: dict[str, tuple[str, Generation]] = {}
        """What each key made, and of which body."""
        self.ages = self.doubted = 0
        """Keys of which it is not known whether they are remembered: they are of another age, and not used again."""

    def _look(self) -> tuple[list[Recorded], list[Generation]]:
        return self.stage.run(self.audit.step())

    def _known(self, which: int) -> Generation | None:
        """A generation as it was last seen."""
        known = self.world.generations
        return self.audit.seen[known[-1 - which % len(known)].id] if known else None

    @property
    def is_any_open(self) -> bool:
        return any(generation.state.is_open for generation in self.audit.seen.values())

    # Time

    def advance(self, seconds: float) -> None:
        if seconds <= 0:
            return
        now = self.stage.now
        self.book.look(now, now + timedelta(seconds=seconds))
        self.stage.run(self.stage.harness.advance(seconds))
        self._look()

    # Credits

    def grant(self, amount: int, source: int, lifetime: float | None, again: int, last: int | None) -> None:
        """A grant by staff: a new one, or one made before (`again`, if not 0), then perhaps of another amount."""
        number = len(self.grants)
        if again and number:
            grant = self.grants[-1 - again % number]
            grant = replace(grant, amount=amount) if again % 2 else grant
        else:
            name = f"{SOURCES[source]}:{number}"
            expires_at = None if lifetime is None else self.stage.now + timedelta(seconds=lifetime)
            ids = {"id": command_id("grant", name), "lot_id": LotId(command_id("lot", name)), "source_ref": str(number)}
            grant = Grant(**ids, amount=amount, source=SOURCES[source], priority=100 - number, expires_at=expires_at)  # type: ignore[arg-type]  # fits by construction
            self.grants.append(grant)
        terms = {"source": grant.source, "expires_at": grant.expires_at, "priority": grant.priority}

        async def work(store: Store, _: ObjectStorage) -> Recorded:
            grant_credits = GrantCredits(store, new_id)
            return await grant_credits(self.staff, self.book.wallet, grant.amount, fact=grant.source_ref, **terms)  # type: ignore[arg-type]  # fits by construction

        self._tell(grant, work, last)

    def adjust(self, which: int, tenths: int, last: int | None) -> None:
        if not self.book.model.lots:
            return
        lot = self.book.model.lots[-1 - which % len(self.book.model.lots)]
        lot_id, amount = LotId(lot.id), part(tenths, lot.credits.count("remaining"))
        adjust = AdjustDown(id=command_id("adjust", new_id()), lot_id=lot_id, amount=amount)
        self._tell(adjust, lambda store, _: AdjustCredits(store, new_id)(self.staff, self.book.wallet, lot_id, amount), last)

    def reverse(self, which: int, tenths: int, last: int | None) -> None:
        """A refund or a dispute, or the end of one."""
        if not self.book.model.lots:
            return
        lot = self.book.model.lots[-1 - which % len(self.book.model.lots)]
        reversal = part(tenths, len(lot.credits))
        reverse = Reverse(id=command_id("reverse", new_id()), lot_id=LotId(lot.id), reversal=reversal)
        self._tell(reverse, lambda store, _: say(store, self.book.wallet, reverse), last)

    def _tell(self, command: Command, work: Work, last: int | None) -> None:
        earlier = next((recorded for recorded in self.book.commands if recorded.id == command.id), None)
        if earlier:
            refusal = None if earlier.fingerprint == command.fingerprint else "CommandConflict"
        else:
            refusal = self.book.model.refusal(command, self.stage.now)
        answer = self.stage.do(work, last)
        commands, made = self._look()
        assert not made
        if isinstance(answer, Died):
            assert len(commands) <= (refusal is None and earlier is None)
        elif isinstance(answer, DomainError):
            assert (type(answer).__name__, commands) == (refusal, []), f"refused, the law says {refusal}"
        else:
            assert refusal is None, f"done, the law says {refusal}"
            assert commands == ([] if earlier else [answer]), "one command, one effect"
            assert answer == (earlier or answer), "said again, answered differently"

    # Asking

    def ask(self, n: int, quality: int, key: int, less: int, seconds: float | None, last: int | None) -> None:
        """`key`, if not 0: the caller's own. `less`: the price is that much above the caller's maximum. `seconds`: to the
        deadline."""
        asked = Asked(prompt="a red fox in snow", size="64x64", quality=QUALITIES[quality], n=n)
        model = CATALOGUE.default_model(TODAY)
        price = quote(normalise(asked, model, [], None, Mode.TEST), model)
        asked = replace(asked, max_credits=price.credits - less)
        deadline = None if seconds is None else self.stage.now + timedelta(seconds=seconds)
        named, body = f"{key} of {self.ages}", f"{asked} {seconds}"
        kept = self.keys.get(named) if key else None
        refusal = self._refusal(price.credits, less, deadline) if not kept else None if kept[0] == body else "IdempotencyMismatch"
        idempotency = (IdempotencyKey(self.caller.account_id, Mode.TEST, "generations", named), body) if key else None

        async def work(store: Store, _: ObjectStorage) -> Any:
            request = RequestGeneration(store, CATALOGUE, TIMING, new_id, lambda: TODAY, OPEN_LIMIT, BRAKE)
            return await request(self.caller, asked, deadline=deadline, idempotency=idempotency)

        answer = self.stage.do(work, last)
        commands, made = self._look()
        assert len(commands) == len(made) <= (refusal is None and kept is None)
        for generation in made:
            self._check_made(generation, n, price, deadline)
            if key:
                self.keys[named] = body, generation
        if isinstance(answer, DomainError):
            assert type(answer).__name__ == refusal, f"{answer}, the law says {refusal}"
        elif not isinstance(answer, Died):
            assert refusal is None, f"asked for, the law says {refusal}"
            assert answer[0] == (kept[1] if kept else made[0]).id, "asked again, answered differently"
            assert answer[1] == (None if kept else made[0])

    def _refusal(self, credits: int, less: int, deadline: datetime | None) -> str | None:
        now = self.stage.now
        lately = [seen for seen in self.audit.seen.values() if seen.finished_at and seen.finished_at > now - HOUR]
        refunds = sum(seen.failure is not None and seen.failure.code == "refunded" for seen in lately)
        if sum(seen.state is GenerationState.REFUSED for seen in lately) > BRAKE.refusals or refunds >= BRAKE.refunds:
            return "TooManyRefusals"
        if less > 0:
            return "PriceAboveMaximum"
        if deadline and deadline <= now:
            return "InvalidRequest"
        hold = PlaceHold(
            id=command_id("hold", ""), hold_id=HoldId(new_id()), amount=credits, expires_at=now, open_limit=OPEN_LIMIT
        )
        return self.book.model.refusal(hold, now)

    def _check_made(self, generation: Generation, n: int, price: Quote, deadline: datetime | None) -> None:
        latest = self.stage.now + TIMING.longest_queue
        due = min(deadline or latest, latest)
        assert (generation.state, generation.attempts) == (GenerationState.QUEUED, [])
        assert (generation.n, generation.unit, generation.price) == (n, price.unit, price.credits)
        assert (generation.created_at, generation.deadline) == (self.stage.now, due)
        assert generation.hold_expires_at == TIMING.hold_expiry(due)
