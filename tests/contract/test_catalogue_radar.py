"""`gpt-image admin catalogue`: which models end, who uses them, and what their users pay afterwards."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from domain.accounts import Caller, Mode
from domain.catalogue import Catalogue
from tests.contract.store_contract import a_generation, a_request, customer
from tests.desk import Desk, Operator, a_staffed_desk, an_operator, without_picture_workers

pytestmark = pytest.mark.anyio
__all__ = ["a_staffed_desk", "an_operator", "without_picture_workers"]

PACKAGED = [(files("domain") / name).read_text() for name in ("models.toml", "plans.toml")]


def in_days(days: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=days)).isoformat()


def catalogue_that_ends(folder: Path) -> Path:
    """The packaged models with other days of their end, seen from today."""
    text = PACKAGED[0]
    ends = {"gpt-image-1-mini": in_days(9), "gpt-image-1.5": in_days(40), "chatgpt-image-latest": in_days(-3)}
    for model, day in ends.items():
        name = model if "." not in model else f'"{model}"'
        head, section = text.split(f"[models.{name}]", 1)
        text = f"{head}[models.{name}]" + section.replace("shutdown_date = 2026-12-01", f"shutdown_date = {day}", 1)
    made = folder / "models.toml"
    made.write_text(text)
    return made


@pytest.fixture(name="radar")
def _radar(desk: Desk, tmp_path: Path) -> Operator:
    return replace(desk.run, settings={"CATALOGUE_MODELS": str(catalogue_that_ends(tmp_path))})


async def asked(desk: Desk, caller: Caller, model: str, *, days_ago: int = 0) -> None:
    """A generation with this model, as if asked for so many days ago."""
    async with desk.store.transaction() as tx:
        now = await tx.now()
        made = a_generation(caller, now, request=replace(a_request(), model=model))
        tx.generations.add(replace(made, created_at=now - timedelta(days=days_ago)))


def by_model(answer: Any) -> dict[str, Any]:
    return {each["model"]: each for each in answer["models"]}


async def test_models_are_listed_by_their_last_day(radar: Operator) -> None:
    found = (await radar("catalogue", "radar", "--json")).json
    assert [(each["model"], each["days_left"], each["replacement"]) for each in found["models"]] == [
        ("gpt-image-1-mini", 9, "gpt-image-2.6-flare"),
        ("gpt-image-1.5", 40, "gpt-image-2.6-sunburst"),
    ]
    assert [each["shutdown_date"] for each in found["models"]] == [in_days(9), in_days(40)]


async def test_what_ends_later_is_left_out_on_request(radar: Operator) -> None:
    for days, models in ((8, []), (9, ["gpt-image-1-mini"]), (40, ["gpt-image-1-mini", "gpt-image-1.5"])):
        found = (await radar("catalogue", "radar", "--days", days, "--json")).json
        assert [each["model"] for each in found["models"]] == models


async def test_an_ended_model_is_listed_as_long_as_somebody_used_it_lately(desk: Desk, radar: Operator) -> None:
    await asked(desk, desk.customer, "dall-e-2", days_ago=31)
    await asked(desk, desk.customer, "chatgpt-image-latest", days_ago=29)
    found = (await radar("catalogue", "radar", "--days", 1, "--json")).json
    (ended,) = found["models"]
    assert (ended["model"], ended["days_left"]) == ("chatgpt-image-latest", -3)
    await asked(desk, desk.customer, "dall-e-3", days_ago=2)
    gone = by_model((await radar("catalogue", "radar", "--json")).json)["dall-e-3"]
    assert (gone["replacement"], gone["prices"]) == ("gpt-image-2.6-sunburst", []), "nobody knows its price any more"


async def test_users_are_counted_by_mode_and_named_on_request(desk: Desk, radar: Operator) -> None:
    other, tester = await customer(desk.store), await customer(desk.store, mode=Mode.TEST)
    for caller, times in ((desk.customer, 2), (other, 1), (tester, 3)):
        for _ in range(times):
            await asked(desk, caller, "gpt-image-1-mini")
    await asked(desk, other, "gpt-image-1-mini", days_ago=31)
    usage = by_model((await radar("catalogue", "radar", "--json")).json)["gpt-image-1-mini"]["usage"]
    assert [(row["mode"], row["accounts"], row["generations"], row["account_ids"]) for row in usage] == [
        ("live", 2, 3, []),
        ("test", 1, 3, []),
    ]
    usage = by_model((await radar("catalogue", "radar", "--accounts", "--json")).json)["gpt-image-1-mini"]["usage"]
    assert set(usage[0]["account_ids"]) == {str(desk.customer.account_id), str(other.account_id)}
    assert usage[1]["account_ids"] == [str(tester.account_id)]
    shown = (await radar("catalogue", "radar", "--accounts")).out
    assert all(str(caller.account_id) in shown for caller in (desk.customer, other, tester))


async def test_the_price_of_the_same_picture_is_compared(radar: Operator) -> None:
    """As quotes say it: a user who asks for the same with the replacement pays so much more or less."""
    offer = Catalogue.parse(*PACKAGED)
    before, after = (offer.models[model] for model in ("gpt-image-1.5", "gpt-image-2.6-sunburst"))
    prices = by_model((await radar("catalogue", "radar", "--json")).json)["gpt-image-1.5"]["prices"]
    assert [price["quality"] for price in prices] == ["low", "medium", "high"], "qualities that both have"
    for price in prices:
        said = [model.prices.picture(price["quality"], a_request().size) for model in (before, after)]
        assert [price["credits"], price["replacement_credits"]] == said
        assert price["difference"] == said[1] - said[0]
    assert len({price["difference"] for price in prices}) > 1


async def test_looking_needs_no_signature_and_is_shown_as_tables(desk: Desk, radar: Operator) -> None:
    await asked(desk, desk.customer, "gpt-image-1-mini")
    shown = await radar("catalogue", "radar")
    assert (shown.code, shown.err) == (0, "")
    assert "1 by 1 accounts" in shown.out
    assert "gpt-image-2.6-flare" in shown.out


async def test_what_is_on_offer_is_shown_without_a_database(tmp_path: Path) -> None:
    operator = Operator("", tmp_path / "data", {"CATALOGUE_MODELS": str(catalogue_that_ends(tmp_path))})
    offer = (await operator("catalogue", "show", "--json")).json
    models = {model["id"]: model for model in offer["models"]}
    assert models["gpt-image-1-mini"]["shutdown_date"] == in_days(9)
    assert "chatgpt-image-latest" not in models, "it has ended"
    assert models["gpt-image-2"]["credits"].keys() == {"low", "medium", "high"}
    assert {plan["id"] for plan in offer["plans"]} >= {"free"}
    shown = await operator("catalogue", "show")
    assert (shown.code, shown.err) == (0, "")


async def test_a_broken_catalogue_is_refused_in_one_line(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text("default_model = 7")
    broken = replace(desk.run, settings={"CATALOGUE_MODELS": str(tmp_path / "models.toml")})
    for words in ("show", "radar"):
        refused = await broken("catalogue", words)
        assert (refused.code, len(refused.err.splitlines())) == (1, 1), refused.err
