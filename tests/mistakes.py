"""Places of the source written wrongly on purpose: what a machine must find to be worth its time.

When the source changes, a mistake may no longer fit its place and must be seeded anew; `seed` says so.
"""

import inspect
import textwrap
from types import ModuleType

import pytest

Mistake = tuple[type | ModuleType, str, str, str]
"""Where (a class or a module), which function or property, what stands there, and what to write instead."""


def seed(monkeypatch: pytest.MonkeyPatch, mistake: Mistake) -> None:
    owner, name, right, wrong = mistake
    attribute = inspect.getattr_static(owner, name)
    function = attribute.fget if isinstance(attribute, property) else attribute
    assert inspect.isfunction(function)
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(right) == 1, f"seed this mistake anew: {name} has {source.count(right)} of {right!r}"
    made: dict[str, object] = {}
    exec(source.replace(right, wrong), vars(inspect.getmodule(function)), made)
    monkeypatch.setattr(owner, name, made[name])
