"""The law of credits over whole stores: what the domain decides is what lies in the rows, after every command."""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.ledger_machine import ledger_machine
from tests.ledger_stores import MakeDriver, in_memory, in_postgres
from tests.soak_ledger import soak_ledger

_SETTINGS = settings(max_examples=20, stateful_step_count=30, deadline=None, derandomize=True, print_blob=True)
_SEED = 8
_EXAMPLES = {"memory": 20, "postgres": 10, "postgres, its clock running": 6}
_HISTORIES = {"memory": 60, "postgres": 6, "postgres, its clock running": 4}
"""Of some 60 steps each; `make soak SUITE=ledger` and `store` go on."""

STORES: dict[str, Callable[[pytest.FixtureRequest], AbstractContextManager[MakeDriver]]] = {
    "memory": lambda _: in_memory(),
    "postgres": lambda request: in_postgres(request.getfixturevalue("database_url")),
    "postgres, its clock running": lambda request: in_postgres(request.getfixturevalue("database_url"), clock_runs=True),
}


@pytest.fixture(params=STORES)
def make_driver(request: pytest.FixtureRequest) -> Iterator[MakeDriver]:
    with STORES[request.param](request) as make:
        yield make


@pytest.mark.parametrize("make_driver", _EXAMPLES, indirect=True)
def test_no_history_breaks_the_law(make_driver: MakeDriver, request: pytest.FixtureRequest) -> None:
    how = settings(_SETTINGS, max_examples=_EXAMPLES[request.node.callspec.params["make_driver"]])
    run_state_machine_as_test(ledger_machine(make_driver), settings=how)


@pytest.mark.parametrize("make_driver", _HISTORIES, indirect=True)
def test_random_histories_keep_the_law(make_driver: MakeDriver, request: pytest.FixtureRequest) -> None:
    most = _HISTORIES[request.node.callspec.params["make_driver"]]
    assert soak_ledger(_SEED, math.inf, make_driver, most=most)["histories"] == most
