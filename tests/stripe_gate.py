"""The door of the pretended Stripe: who may ask, how often one thing is done, and what goes wrong on purpose.

A request goes through `Gate.answer`: key and version, a fault that was ordered, its idempotency key, and then the operation.
What an operation answered, errors too, is kept by its key for 24 hours of the world's clock; what was refused before it began
is not.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from tests.stripe_api import perform, understand
from tests.stripe_money import card_error
from tests.stripe_params import Refused
from tests.stripe_shapes import Obj
from tests.stripe_world import VERSION, Asked, World

FAULTS = {
    "rate-limit": "429, and nothing was done",
    "error": "500, and nothing was done; a repeat with its key gets the same",
    "error-after": "500, though it was done; a repeat with its key gets the same",
    "declined": "402 card_declined, and nothing was done",
    "reset": "the line is reset, and nothing was done",
    "reset-after": "the line is reset, though it was done",
    "silent": "no answer, and nothing was done",
    "silent-after": "no answer, though it was done",
    "slow": "it is done, and the answer waits until it is let go",
}
KEPT = 24 * 3600


@dataclass(slots=True)
class Fault:
    """`after` how many requests, and for how many then."""

    name: str
    verb: str
    path: str
    times: int
    after: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """`body`: of a GET or DELETE its query, of a POST its form."""

    verb: str
    path: str
    headers: dict[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Answer:
    """`line`: what happens to the line in place of an answer: reset or silent."""

    status: int
    body: Obj
    headers: dict[str, str] = field(default_factory=dict)
    line: str | None = None


@dataclass(slots=True)
class Gate:
    """`calls`: what was asked, in the order of arrival, with the status that was answered."""

    world: World
    faults: list[Fault] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    _known: dict[str, tuple[int, tuple[str, str, str], Answer | None]] = field(default_factory=dict)

    async def answer(self, request: Request) -> Answer:
        number = len(self.calls) + 1
        key = request.headers.get("idempotency-key")
        headers = {name: value for name, value in request.headers.items() if name != "authorization"}
        asked = {"verb": request.verb, "path": request.path, "headers": headers, "body": request.body, "key": key}
        call = asked | {"status": 0, "fault": None}
        self.calls.append(call)
        fault = self._fault(request)
        call["fault"] = fault.name if fault else None
        try:
            _admit(request)
            answer = await self._once(request, fault.name if fault else "", f"req_{number:012d}")
        except Refused as refused:
            answer = _refusal(refused)
        call["status"] = 0 if answer.line else answer.status
        headers = answer.headers | {"request-id": f"req_{number:012d}", "stripe-version": VERSION}
        return Answer(answer.status, answer.body, headers | ({"idempotency-key": key} if key else {}), answer.line)

    def _fault(self, request: Request) -> Fault | None:
        for fault in self.faults:
            if fault.times and fault.verb in ("", request.verb.lower()) and request.path.startswith(fault.path):
                if fault.after:
                    fault.after -= 1
                    continue
                fault.times -= 1
                return fault
        return None

    async def _once(self, request: Request, fault: str, id: str) -> Answer:
        if fault == "rate-limit":
            raise Refused("Too many requests hit the API too quickly.", None, "rate_limit", status=429)
        if fault in ("reset", "silent"):
            return Answer(0, {}, line=fault)
        key, same = request.headers.get("idempotency-key"), (request.verb, request.path, request.body)
        if request.verb != "POST" or key is None:
            return await self._do(request, fault, id)
        at, said, kept = self._known.get(key, (0, same, None))
        if key in self._known and at + KEPT > self.world.now:
            if said != same:
                why = "Keys for idempotent requests can only be used with the same parameters they were first used with."
                raise Refused(why, type="idempotency_error")
            if kept is None:
                why = "There is currently another in-progress request using this Idempotent Key."
                raise Refused(why, None, "idempotency_key_in_use", status=409)
            return Answer(kept.status, kept.body, kept.headers | {"idempotent-replayed": "true"})
        self._known[key] = (self.world.now, same, None)
        try:
            answer = await self._do(request, fault, id)
        except BaseException:
            del self._known[key]
            raise
        self._known[key] = (self.world.now, same, Answer(answer.status, answer.body))
        return answer

    async def _do(self, request: Request, fault: str, id: str) -> Answer:
        """Raises: Refused, what was wrong before anything was done."""
        operation, ids, params = understand(request.verb, request.path, request.body)
        broken = Answer(500, {"error": {"type": "api_error", "message": "An unknown error occurred."}})
        if fault == "error":
            return broken
        if fault == "declined":
            return _refusal(card_error(self.world, None, "declined"))
        if fault == "slow":
            await self.let_go.wait()
        self.world.asked = Asked(id, request.headers.get("idempotency-key"))
        try:
            done = Answer(200, perform(self.world, operation, ids, params))
        except Refused as refused:
            done = _refusal(refused)
        finally:
            self.world.asked = Asked()
        if fault == "error-after":
            return broken
        return Answer(done.status, done.body, line=fault.removesuffix("-after") if fault.endswith("-after") else None)


def _admit(request: Request) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not key.startswith("sk_test_"):
        raise Refused(f"Invalid API Key provided: {key[:8]}***", status=401)
    if request.headers.get("stripe-version") != VERSION:
        raise Refused(f"Invalid Stripe API version: {request.headers.get('stripe-version')}")
    idempotency_key = request.headers.get("idempotency-key")
    if request.verb == "POST" and not idempotency_key:
        raise Refused("This Stripe takes no POST without an Idempotency-Key.")
    if idempotency_key and len(idempotency_key) > 255:
        raise Refused("Idempotency keys can be up to 255 characters long.", type="idempotency_error")
    if request.verb == "POST" and request.body:
        kind = request.headers.get("content-type", "")
        if not kind.startswith("application/x-www-form-urlencoded"):
            raise Refused(f"Invalid request: the content type is {kind}.")


def _refusal(refused: Refused) -> Answer:
    return Answer(refused.status, {"error": refused.error})
