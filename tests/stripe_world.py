"""What the pretended Stripe remembers: objects, a clock of its own, and an event for each thing that happened.

    world = World(now=1_800_000_000)
    customer = world.new("customer", email="a@b.example")       # its event is told by whoever made it
    world.tell("customer.created", customer)
    world.change(customer, name="Ada")                          # customer.updated, with what it was before
    world.expanded(charge, ["payment_intent"])                  # as an answer shows it

Objects are JSON as it is answered; ids name the other objects. Time is Unix seconds and only moves when told to.
"""

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import stripe

from tests.stripe_params import Refused
from tests.stripe_shapes import PREFIXES, SHAPES, WITHOUT_CREATION, WITHOUT_MODE, Obj

VERSION = str(stripe.api_version)
EXPANDABLE = frozenset(
    (
        "charge",
        "coupon",
        "customer",
        "default_payment_method",
        "default_price",
        "invoice",
        "latest_charge",
        "latest_invoice",
        "payment_intent",
        "payment_method",
        "product",
        "promotion_code",
        "subscription",
    )
)
"""Fields that `expand` makes objects of, besides the lists in INCLUDABLE."""
INCLUDABLE = {"checkout.session": "line_items", "invoice": "payments"}
"""The list of an object that an answer holds only where `expand` asks for it."""


FIRST_LINES = 10
"""How many lines an invoice shows; the others are had by their list."""


@dataclass(slots=True)
class Asked:
    """The request in whose course something happens; empty for what the clock or the customer does."""

    id: str | None = None
    idempotency_key: str | None = None


@dataclass(slots=True)
class World:
    """One account of Stripe. `mark` stands in every id, so that two worlds share none. `heard` is called with each new event,
    `rested` whenever nothing is half done."""

    now: int
    mark: str = "L"
    objects: dict[str, Obj] = field(default_factory=dict)
    events: list[Obj] = field(default_factory=list)
    cards: dict[str, str] = field(default_factory=dict)
    """How the payment method of this id behaves: a name of stripe_money.CARDS."""
    kept: dict[str, Obj] = field(default_factory=dict)
    """What a session was asked to make of its payment, which is no field of it; by its id."""
    undelivered: set[str] = field(default_factory=set)
    """Ids of events that an endpoint has not taken yet, or never will."""
    settings: Obj = field(
        default_factory=lambda: {"after_retries": "cancel", "tax_percent": 0, "refund": "succeeded", "rate": None}
    )
    """What the owner of the account chose: `after_retries` is cancel, unpaid or past_due; `tax_percent` where automatic.
    `refund`: the status that a new refund has. `rate`: of gbp, where the account is kept in them."""
    asked: Asked = field(default_factory=Asked)
    heard: list[Callable[[Obj], None]] = field(default_factory=list)
    rested: list[Callable[[], None]] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)

    def new_id(self, prefix: str) -> str:
        self._numbers[prefix] = number = self._numbers.get(prefix, 0) + 1
        return f"{prefix}_{self.mark}{number:06d}"

    def new(self, kind: str, id: str | None = None, **fields: Any) -> Obj:
        """An object of its whole shape, remembered."""
        unknown = fields.keys() - SHAPES[kind].keys()
        assert not unknown, f"{kind} has no {unknown}"
        made: Obj = {"id": id or self.new_id(PREFIXES[kind]), "object": kind} | deepcopy(SHAPES[kind]) | fields
        if kind not in WITHOUT_CREATION:
            made["created"] = self.now
        if kind not in WITHOUT_MODE:
            made["livemode"] = False
        self.objects[made["id"]] = made
        return made

    def get(self, kind: str, id: str, param: str | None = None) -> Obj:
        """Raises: Refused 404 in a path, 400 in a parameter."""
        found = self.objects.get(id)
        if found is None or found["object"] != kind or found.get("deleted"):
            name, status = kind.rpartition(".")[2], 400 if param else 404
            raise Refused(f"No such {name}: '{id}'", param or "id", "resource_missing", status=status)
        return found

    def all(self, kind: str, **equal: object) -> list[Obj]:
        """In the order in which they were made."""
        return [one for one in self.objects.values() if one["object"] == kind and all(one.get(k) == v for k, v in equal.items())]

    def tell(self, type: str, about: Obj, previous: Obj | None = None) -> Obj:
        """Something happened: the object as it is now, kept for ever."""
        data: Obj = {"object": self.expanded(about, [])}
        if previous is not None:
            data["previous_attributes"] = previous
        request = {"id": self.asked.id, "idempotency_key": self.asked.idempotency_key}
        event = self.new("event", api_version=VERSION, data=data, request=request, type=type)
        self.events.append(event)
        for hear in self.heard:
            hear(event)
        return event

    def rest(self) -> None:
        """Nothing is half done: whoever asks may see it as it is now."""
        for see in self.rested:
            see()

    def change(self, one: Obj, type: str | None = None, **fields: object) -> None:
        """Set the fields and tell of it, as `<object>.updated` or as `type`; nothing is told where nothing changes."""
        before = deepcopy({name: one[name] for name, value in fields.items() if one[name] != value})
        one.update(fields)
        name = type or f"{_topic(one)}.updated"
        if before or type:
            self.tell(name, one, _was(before, one) if name.endswith("updated") else None)

    def expanded(self, one: Obj, paths: Iterable[str]) -> Obj:
        """A copy as an answer or an event shows it. Raises: Refused 400, a path that leads nowhere."""
        shown, paths = deepcopy(one), list(paths)
        if (name := INCLUDABLE.get(str(one.get("object")))) and not any(path.split(".")[0] == name for path in paths):
            shown.pop(name, None)
        if shown.get("object") == "invoice" and len(shown["lines"]["data"]) > FIRST_LINES:
            shown["lines"] |= {"data": shown["lines"]["data"][:FIRST_LINES], "has_more": True}
        for number, path in enumerate(paths):
            if path.count(".") > 3:
                raise Refused("You cannot expand more than 4 levels of a property.", f"expand[{number}]")
            self._expand(shown, path.split("."), path, number)
        return shown

    def _expand(self, shown: Obj, path: list[str], whole: str, number: int) -> None:
        name, *rest = path
        if shown.get("object") == "list" and name == "data":
            for index, member in enumerate(shown["data"]):
                if rest:
                    self._expand(member, rest, whole, number)
                shown["data"][index] = member
            return
        value = shown.get(name)
        if name not in shown or not (name in EXPANDABLE or isinstance(value, dict)):
            raise Refused(f"This property cannot be expanded ({whole}).", f"expand[{number}]")
        if isinstance(value, str):
            found = self.objects[value]
            own = INCLUDABLE.get(found["object"], "")
            shown[name] = value = self.expanded(found, [own] if rest[:1] == [own] else [])
        if rest and isinstance(value, dict):
            self._expand(value, rest, whole, number)


def listed(url: str, members: list[Obj], *, has_more: bool = False) -> Obj:
    return {"object": "list", "url": url, "has_more": has_more, "data": members}


def page(members: list[Obj], url: str, params: Obj) -> Obj:
    """The newest first. Params: limit, starting_after, ending_before, created. Raises: Refused 400."""
    limit = params.get("limit", 10)
    if not 1 <= limit <= 100:
        raise Refused(f"Invalid integer: {limit}; limit is 1 to 100", "limit", "parameter_invalid_integer")
    created = params.get("created", {})
    bounds = {"gte": created, "lte": created} if isinstance(created, int) else created
    newest = [one for one in reversed(members) if _within(one.get("created", 0), bounds)]
    after, before = params.get("starting_after"), params.get("ending_before")
    if after and before:
        raise Refused("You may only specify one of these parameters: starting_after, ending_before.", "starting_after")
    ids = [one["id"] for one in newest]
    for name, cursor in (("starting_after", after), ("ending_before", before)):
        if cursor and cursor not in ids:
            raise Refused(f"No such object: '{cursor}'", name, "resource_missing")
    if before:
        newest = newest[: ids.index(before)]
        return listed(url, newest[-limit:], has_more=len(newest) > limit)
    newest = newest[ids.index(after) + 1 :] if after else newest
    return listed(url, newest[:limit], has_more=len(newest) > limit)


def _within(created: int, bounds: Obj) -> bool:
    held = {"gt": created.__gt__, "gte": created.__ge__, "lt": created.__lt__, "lte": created.__le__}
    return all(held[name](value) for name, value in bounds.items())


def _topic(one: Obj) -> str:
    return {"subscription": "customer.subscription", "dispute": "charge.dispute"}.get(one["object"], str(one["object"]))


def _was(before: Obj, now: Obj) -> Obj:
    """Of a map only the members that changed, as Stripe tells it."""
    told = dict(before)
    for name, was in before.items():
        if isinstance(was, dict) and isinstance(now[name], dict) and was.get("object") != "list":
            told[name] = {
                inner: was.get(inner) for inner in was.keys() | now[name].keys() if was.get(inner) != now[name].get(inner)
            }
    return told
