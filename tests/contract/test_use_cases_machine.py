"""The use cases keep the rules on either store; and the proof that who looks is sharp: seeded mistakes are found, and told in a few
steps.

A mistake is one place of the source written wrongly. When that source changes, the mistake must be seeded anew: the test says so.
"""


from hypothesis import settings

_SETTINGS = settings(max_examples=15, stateful_step_count=20, deadline=None, derandomize=True, print_blob=True)
_SEED, _SECONDS = 8, 3.0
