"""`admin catalogue`: what is on offer, and which of it ends soon."""

import asyncio

import click
from dishka import AsyncContainer

from application.ports import Today
from application.radar import USAGE_DAYS, Ending, Radar, draws_typical, typical_price
from application.staff_queries import StaffQueries
from domain.catalogue import Catalogue, Model
from entrypoints.answers import answer, facts, refusals, run, table, with_json
from entrypoints.settings import Settings
from entrypoints.wiring import container


@click.group()
def catalogue() -> None:
    """Look at models, plans and packs, and at models that end."""


@catalogue.command()
@with_json
def show(as_json: bool) -> None:
    """Everything on offer: models with the credits for one picture of 1024x1024 by quality, plans, packs."""

    async def read() -> tuple[Catalogue, list[Model]]:
        async with container(Settings.read()) as parts:  # without a database: what is on offer is written in files
            found: Catalogue = await parts.get(Catalogue)
            return found, list(found.offered((await parts.get(Today))()))

    with refusals():
        found, models = asyncio.run(read())
    prices = {model.id: _prices(model) for model in models}
    answer(
        as_json,
        {
            "default_model": found.default_model_id,
            "models": [_model(model) | {"credits": prices[model.id]} for model in models],
            "retired": list(found.retired.values()),
            "plans": list(found.plans.values()),
            "packs": list(found.packs.values()),
        },
        table(
            "Models",
            ("id", "released", "ends", "replacement", "credits"),
            [(m.id, m.released, m.shutdown_date, m.replacement, _words(prices[m.id])) for m in models],
        ),
        table(
            "Retired", ("id", "ended", "replacement"), [(r.id, r.shutdown_date, r.replacement) for r in found.retired.values()]
        ),
        table(
            "Plans",
            ("id", "price", "currency", "credits", "trial", "priority", "open generations"),
            [
                (p.id, p.price, p.currency, p.credits, p.trial_credits, p.priority, p.open_generations)
                for p in found.plans.values()
            ],
        ),
        table(
            "Packs",
            ("id", "price", "currency", "credits"),
            [(p.id, p.price, p.currency, p.credits) for p in found.packs.values()],
        ),
        facts("Defaults", {"model": found.default_model_id, "plan": found.default_plan}),
    )


@catalogue.command()
@click.option("--days", type=click.IntRange(0, 10_000), help="Only what ends within so many days; all that ends if not given.")
@click.option("--accounts", "with_accounts", is_flag=True, help="Name the accounts, too.")
@with_json
def radar(days: int | None, with_accounts: bool, as_json: bool) -> None:
    """Models that end, soonest first: who used them in the last 30 days, what replaces them, and what a picture costs then.

    Models that have ended are listed as long as somebody used them in that time.
    """

    async def work(parts: AsyncContainer) -> list[Ending]:
        look = Radar(await parts.get(StaffQueries), await parts.get(Catalogue), await parts.get(Today))
        return list(await look(days, with_accounts=with_accounts))

    found = run(work)
    answer(
        as_json,
        {"usage_days": USAGE_DAYS, "models": found},
        table(
            f"Models that end, and their use in the last {USAGE_DAYS} days",
            ("model", "ends", "days left", "replacement", "live", "test", "credits by quality, now and then"),
            [
                (e.model, e.shutdown_date, e.days_left, e.replacement, _used(e, "live"), _used(e, "test"), _changes(e))
                for e in found
            ],
        ),
        *([table("Who used them", ("model", "mode", "account"), _who(found))] if with_accounts else []),
    )


def _model(model: Model) -> dict[str, object]:
    can = model.capabilities
    return {
        "id": model.id,
        "provider": model.provider,
        "released": model.released,
        "shutdown_date": model.shutdown_date,
        "replacement": model.replacement,
        "qualities": can.qualities,
        "sizes": [str(size) for size in can.sizes],
        "free_sizes": can.free_sizes,
        "output_formats": can.output_formats,
        "references": can.references,
        "partial_images": can.partial_images,
    }


def _prices(model: Model) -> dict[str, int]:
    return {quality: typical_price(model, quality) for quality in model.capabilities.qualities if draws_typical(model)}


def _words(prices: dict[str, int]) -> str:
    return ", ".join(f"{quality} {credits}" for quality, credits in prices.items())


def _used(ending: Ending, mode: str) -> str:
    return next((f"{row.generations} by {row.accounts} accounts" for row in ending.usage if row.mode == mode), "-")


def _changes(ending: Ending) -> str:
    changes = [f"{each.quality} {each.credits} → {each.replacement_credits} ({each.difference:+d})" for each in ending.prices]
    return ", ".join(changes) or "not known any more"


def _who(found: list[Ending]) -> list[tuple[str, str, object]]:
    return [(ending.model, row.mode, account) for ending in found for row in ending.usage for account in row.account_ids]
