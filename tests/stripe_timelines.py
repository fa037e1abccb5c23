"""The timelines that the pretended Stripe can play, by name, each with the money that must come of it.

    play("renewal", world).purchases

Nothing in a timeline is random: the same one in a new world makes the same events in the same order, with ids of that world.
"""

from tests import stripe_timelines_packs as packs
from tests import stripe_timelines_plans as plans
from tests.stripe_stage import Stage, Timeline
from tests.stripe_world import World

TIMELINES = {each.name: each for module in (plans, packs) for each in vars(module).values() if isinstance(each, Timeline)}


def play(name: str, world: World) -> Timeline:
    """Play it for a new customer of this world, and answer what must have come of it."""
    chosen = TIMELINES[name]
    chosen.act(Stage(world))
    return chosen
