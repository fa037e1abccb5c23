"""The catalogue: what it refuses to be, and whom it sends where."""

from datetime import date

import pytest

from domain.capabilities import Quality, Size
from domain.catalogue import Catalogue, Model, Retired
from domain.errors import RetiredModel, UnknownModel
from domain.limits import LIMITS
from domain.media import PictureFormat
from tests.offer import CATALOGUE, MODELS, PLANS, TODAY

DAY_OF_THE_END = date(2026, 12, 1)


def test_every_model_of_2026_11_is_there() -> None:
    assert {model.id for model in CATALOGUE.offered(TODAY)} == {
        "gpt-image-2",
        "gpt-image-2-2026-04-21",
        "gpt-image-2.5-sunburst",
        "gpt-image-2.5-sunburst-2026-09-08",
        "gpt-image-2.5-flare",
        "gpt-image-2.5-flare-2026-09-08",
        "gpt-image-2.6-sunburst",
        "gpt-image-2.6-flare",
        "gpt-image-1-mini",
        "gpt-image-1.5",
        "chatgpt-image-latest",
    }


def test_a_snapshot_can_do_and_costs_what_its_model_does() -> None:
    for id in ("gpt-image-2", "gpt-image-2.5-sunburst", "gpt-image-2.5-flare"):
        for snapshot in CATALOGUE.models.values():
            if snapshot.id.startswith(f"{id}-2026"):
                assert (snapshot.capabilities, snapshot.prices) == (
                    CATALOGUE.models[id].capabilities,
                    CATALOGUE.models[id].prices,
                )


@pytest.mark.parametrize("id", ["gpt-image-1", "dall-e-2", "dall-e-3"])
def test_a_retired_model_is_refused_by_name_with_its_replacement(id: str) -> None:
    with pytest.raises(RetiredModel) as refusal:
        CATALOGUE.model(id, TODAY)
    facts = refusal.value.facts
    assert facts["field"] == "model"
    assert facts["model"] == id
    assert date.fromisoformat(str(facts["shutdown_date"])) <= TODAY
    assert not CATALOGUE.model(str(facts["replacement"]), TODAY).is_retired(TODAY)


@pytest.mark.parametrize("id", ["gpt-image-1-mini", "gpt-image-1.5", "chatgpt-image-latest"])
def test_a_model_serves_until_the_day_before_its_shutdown_and_not_on_it(id: str) -> None:
    assert CATALOGUE.model(id, date(2026, 11, 30)).shutdown_date == DAY_OF_THE_END
    with pytest.raises(RetiredModel) as refusal:
        CATALOGUE.model(id, DAY_OF_THE_END)
    assert refusal.value.facts["shutdown_date"] == "2026-12-01"
    assert not CATALOGUE.model(str(refusal.value.facts["replacement"]), DAY_OF_THE_END).is_retired(DAY_OF_THE_END)
    assert id not in {model.id for model in CATALOGUE.offered(DAY_OF_THE_END)}


def test_advice_never_leads_to_a_model_that_is_gone_too() -> None:
    ending: list[Model | Retired] = [*CATALOGUE.models.values(), *CATALOGUE.retired.values()]
    for gone in ending:
        if gone.shutdown_date and gone.replacement:
            assert not CATALOGUE.models[gone.replacement].is_retired(gone.shutdown_date)


def test_an_unknown_model_is_refused_with_those_there_are_and_its_name_is_not_repeated() -> None:
    with pytest.raises(UnknownModel) as refusal:
        CATALOGUE.model("painter", TODAY)
    assert refusal.value.facts["field"] == "model"
    assert "gpt-image-2" in str(refusal.value.facts["allowed"])
    assert "dall-e-2" not in str(refusal.value.facts["allowed"])
    assert "painter" not in str(refusal.value)


def test_a_request_that_names_no_model_gets_one_that_lives() -> None:
    assert CATALOGUE.default_model(TODAY).id == "gpt-image-2"
    assert CATALOGUE.default_model(date(2027, 11, 22)).shutdown_date is None


def test_no_model_makes_svg_and_only_2_6_makes_gif() -> None:
    assert "svg" not in {format.value for format in PictureFormat}
    makes_gif = {model.id for model in CATALOGUE.models.values() if PictureFormat.GIF in model.capabilities.output_formats}
    assert makes_gif == {"gpt-image-2.6-sunburst", "gpt-image-2.6-flare"}


def test_every_account_is_on_the_free_plan_until_it_buys_another() -> None:
    free = CATALOGUE.plan(CATALOGUE.default_plan)
    assert (free.id, free.price, free.credits, free.trial_credits, free.open_generations) == ("free", 0, 0, 50, 10)
    assert {plan.open_generations for plan in CATALOGUE.plans.values() if plan.price} == {200}
    assert all(plan.priority < free.priority for plan in CATALOGUE.plans.values() if plan.price)


def test_an_account_on_a_plan_sold_no_more_is_served_as_on_the_free_one() -> None:
    assert CATALOGUE.plan("founders_2025") == CATALOGUE.plan("free")


def test_dearer_plans_and_packs_sell_cheaper_credits() -> None:
    for offers in (CATALOGUE.plans, CATALOGUE.packs):
        sold = sorted((offer.price, offer.credits) for offer in offers.values() if offer.price)
        assert [p / c for p, c in sold] == sorted((p / c for p, c in sold), reverse=True)


def test_sizes_of_auto_are_within_the_rules_of_their_model() -> None:
    for model in CATALOGUE.models.values():
        can = model.capabilities
        assert can.sizes[0] == Size(1024, 1024)
        assert can.default_quality is Quality.MEDIUM
        for size in can.sizes:
            can.check_size(size, frames=None, smaller=False)


def test_frames_are_laid_out_as_measured() -> None:
    animation = CATALOGUE.models["gpt-image-2.6-flare"].capabilities.animation
    assert animation
    can = CATALOGUE.models["gpt-image-2.6-flare"].capabilities
    largest = {2: 960, 8: 960, 9: 960, 10: 816, 12: 816, 13: 720, 16: 720}  # docs.apiyi.com, 2026-11-09
    for frames, side in largest.items():
        can.check_size(Size(side, side), frames=frames, smaller=False)
        with pytest.raises(Exception, match="pixels"):
            can.check_size(Size(side + 16, side + 16), frames=frames, smaller=False)
    assert can.canvases(Size(1024, 1024), 6)[0] == Size(4096, 2048)  # refused by the provider for its 4096


def test_an_operator_can_raise_prices_and_add_a_model() -> None:
    dearer = MODELS.replace("credit = 10_000 ", "credit = 5_000 ").replace("[models.gpt-image-2]", "[models.gpt-image-3]", 1)
    catalogue = Catalogue.parse(dearer.replace('default_model = "gpt-image-2"', 'default_model = "gpt-image-3"'), PLANS)
    size = Size(1024, 1024)
    ours = CATALOGUE.default_model(TODAY).prices.picture(Quality.HIGH, size)
    theirs = catalogue.default_model(TODAY).prices.picture(Quality.HIGH, size)
    assert catalogue.default_model(TODAY).id == "gpt-image-3"
    assert theirs in (2 * ours, 2 * ours - 1)  # a credit half as dear, rounded up


def test_the_longest_prompt_has_a_band() -> None:
    for model in CATALOGUE.models.values():
        assert model.prices.prompt_band(4 * LIMITS["prompt_characters"]) >= 4 * LIMITS["prompt_characters"]
