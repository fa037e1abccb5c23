"""What is on offer: models with their capabilities and prices, plans and packs. All of it is data, read once and checked then."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Self

from domain.capabilities import Capabilities
from domain.errors import RetiredModel, UnknownModel
from domain.limits import LIMITS
from domain.model_tables import capabilities_in, check_priced, prices_in
from domain.rates import Prices
from domain.strict_toml import CatalogueInvalid as CatalogueInvalid
from domain.strict_toml import Table


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can be asked for until the day it is shut down, in UTC. A snapshot is a model of its own."""

    id: str
    provider: str
    released: date
    shutdown_date: date | None
    replacement: str | None
    capabilities: Capabilities
    prices: Prices

    def is_retired(self, today: date) -> bool:
        return self.shutdown_date is not None and self.shutdown_date <= today


@dataclass(frozen=True, slots=True)
class Retired:
    """A model that is gone; kept so that whoever still asks for it is told what to use instead."""

    id: str
    provider: str
    shutdown_date: date
    replacement: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What an account is on. `price` a month in minor units of `currency` buys `credits`; `priority`: smaller is served first.
    One that is no longer `sold` stays what it is for those who have it."""

    id: str
    name: str
    price: int
    currency: str
    credits: int
    trial_credits: int
    """Granted once, at sign-up, for `trial_days`."""
    trial_days: int
    priority: int
    open_generations: int
    sold: bool = True


@dataclass(frozen=True, slots=True)
class Pack:
    """Credits bought once, for `price` in minor units of `currency`, while it is `sold`."""

    id: str
    name: str
    price: int
    currency: str
    credits: int
    sold: bool = True


@dataclass(frozen=True, slots=True)
class Promotion:
    """`credits` for whoever knows the code: they lapse `days` after they were redeemed. It can be redeemed `most` times in all,
    until the end of the day `ends` (UTC)."""

    code: str
    credits: int
    days: int
    ends: date
    most: int


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything on offer, by id."""

    models: Mapping[str, Model]
    retired: Mapping[str, Retired]
    default_model_id: str
    plans: Mapping[str, Plan]
    default_plan: str
    packs: Mapping[str, Pack]
    promotions: Mapping[str, Promotion]

    @classmethod
    def parse(cls, models: str, plans: str) -> Self:
        """What the texts of models.toml and plans.toml describe. Raises CatalogueInvalid, naming file, table and key."""
        on_offer = Table.parse("models.toml", models)
        credit = on_offer.table("pricing").integer("credit", least=1)
        read_models, retired = _models(on_offer), _retired(on_offer)
        _check_replacements(on_offer, read_models, retired)
        default_model = on_offer.one_of("default_model", tuple(read_models))
        on_offer.finish()
        for_sale = Table.parse("plans.toml", plans)
        currency = for_sale.one_of("currency", ("usd",))  # the provider's: prices are compared with its costs
        read_plans = {table.name: _plan(table, currency, credit) for table in for_sale.tables("plans")}
        packs = {table.name: _pack(table, currency, credit) for table in for_sale.tables("packs")}
        if both := sorted(read_plans.keys() & packs.keys()):
            raise for_sale.wrong(both[0], "is the id of a plan and of a pack: what was paid for could not be told")
        promoted = for_sale.tables("promotions") if "promotions" in for_sale else ()
        promotions = {table.name: _promotion(table) for table in promoted}
        default_plan = for_sale.one_of("default_plan", [plan.id for plan in read_plans.values() if not plan.price])
        for_sale.finish()
        return cls(
            MappingProxyType(read_models),
            MappingProxyType(retired),
            default_model,
            MappingProxyType(read_plans),
            default_plan,
            MappingProxyType(packs),
            MappingProxyType(promotions),
        )

    def model(self, id: str, today: date) -> Model:
        """The model, if it can be asked for on this day (UTC). Raises UnknownModel, or RetiredModel with its replacement."""
        found = self.models.get(id) or self.retired.get(id)
        if found is None:
            raise UnknownModel("there is no such model", field="model", allowed=[model.id for model in self.offered(today)])
        if isinstance(found, Retired) or found.is_retired(today):
            raise RetiredModel(
                f"{found.id} has been shut down; use {found.replacement}",
                field="model",
                model=found.id,
                replacement=found.replacement,
                shutdown_date=str(found.shutdown_date),
            )
        return found

    def default_model(self, today: date) -> Model:
        """The model of a request that names none."""
        return self.model(self.default_model_id, today)

    def offered(self, today: date) -> tuple[Model, ...]:
        """Models that can be asked for on this day, those that will be shut down included."""
        return tuple(model for model in self.models.values() if not model.is_retired(today))

    def plan(self, id: str) -> Plan:
        """The plan, or the default plan for one that is sold no more: an account never loses the service over our price list."""
        return self.plans.get(id) or self.plans[self.default_plan]

    def product(self, id: str | None) -> Plan | Pack | None:
        """Also one that is sold no more; None for what we never sold, or do not know any longer."""
        return self.plans.get(id or "") or self.packs.get(id or "")

    @property
    def for_sale(self) -> Mapping[str, Plan | Pack]:
        """What can be bought now: plans, then packs."""
        every: dict[str, Plan | Pack] = {**self.plans, **self.packs}
        return {id: each for id, each in every.items() if each.sold and each.price}


def _models(file: Table) -> dict[str, Model]:
    capabilities = {table.name: capabilities_in(table) for table in file.tables("capabilities")}
    prices = {table.name: (prices_in(table, file.table("pricing")), table) for table in file.tables("prices")}
    models = {}
    for table in file.tables("models"):
        can = capabilities[table.one_of("capabilities", tuple(capabilities))]
        price, price_table = prices[table.one_of("prices", tuple(prices))]
        check_priced(price_table, can, price)
        ends = "shutdown_date" in table or "replacement" in table  # one needs the other
        models[table.name] = Model(
            id=table.name,
            provider=table.one_of("provider", ("openai",)),
            released=table.date("released"),
            shutdown_date=table.date("shutdown_date") if ends else None,
            replacement=table.text("replacement") if ends else None,
            capabilities=can,
            prices=price,
        )
    return models


def _retired(file: Table) -> dict[str, Retired]:
    return {
        table.name: Retired(table.name, table.text("provider"), table.date("shutdown_date"), table.text("replacement"))
        for table in file.tables("retired")
    }


def _check_replacements(file: Table, models: Mapping[str, Model], retired: Mapping[str, Retired]) -> None:
    ending: list[Model | Retired] = [*models.values(), *retired.values()]
    for gone in ending:
        key = f"replacement of {gone.id}"
        if gone.id in models and gone.id in retired:
            raise file.wrong(key, "a model is either retired or not")
        if gone.shutdown_date is None or gone.replacement is None:
            continue
        successor = models.get(gone.replacement)
        if successor is None:
            raise file.wrong(key, f"{gone.replacement} is not among the models")
        if successor.shutdown_date and successor.shutdown_date <= gone.shutdown_date:
            raise file.wrong(key, f"{gone.replacement} must outlive the model it replaces")


def _sold(table: Table, credit: int) -> tuple[int, int]:
    """Price and credits, the latter worth their price. A cent is 10,000 millionths of a dollar."""
    price, credits = table.integer("price"), table.integer("credits")
    if price * 10_000 < credits * credit:
        raise table.wrong("credits", f"would be sold below {credit} millionths of a dollar each, the credit of models.toml")
    if bool(price) != bool(credits):
        raise table.wrong("credits", "must be above 0 exactly when the price is")
    return price, credits


def _plan(table: Table, currency: str, credit: int) -> Plan:
    price, credits = _sold(table, credit)
    trial = table.integer("trial_credits", most=LIMITS["grant_credits"])
    return Plan(
        id=_slug(table),
        name=table.text("name"),
        price=price,
        currency=currency,
        credits=credits,
        trial_credits=trial,
        trial_days=table.integer("trial_days", least=1 if trial else 0),
        priority=table.integer("priority", most=1_000),
        open_generations=table.integer("open_generations", least=1, most=10_000),
        sold=_is_sold(table),
    )


def _pack(table: Table, currency: str, credit: int) -> Pack:
    price, credits = _sold(table, credit)
    if not credits:
        raise table.wrong("credits", "must be above 0")
    return Pack(_slug(table), table.text("name"), price, currency, credits, _is_sold(table))


def _is_sold(table: Table) -> bool:
    return table.flag("sold") if "sold" in table else True


def _promotion(table: Table) -> Promotion:
    if not re.fullmatch(r"[A-Z0-9][A-Z0-9_-]{2,31}", table.name, re.ASCII):
        raise table.wrong(table.name, "a code has 3 to 32 capital letters, digits, underscores and dashes")
    return Promotion(
        code=table.name,
        credits=table.integer("credits", least=1, most=LIMITS["grant_credits"]),
        days=table.integer("days", least=1, most=3_660),
        ends=table.date("ends"),
        most=table.integer("most", least=1),
    )


def _slug(table: Table) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", table.name):
        raise table.wrong(table.name, "an id has small letters, digits and underscores, 32 at most")
    return table.name
