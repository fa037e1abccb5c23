"""How tests are shared out among processes."""

import os

import pytest


@pytest.fixture(scope="module")
def made_once() -> int:
    return os.getpid()


def _is_of(request: pytest.FixtureRequest, group: str) -> bool:
    """Where there are several processes, a test's name tells its group to whoever shares them out."""
    told: str = request.node.nodeid.partition("@")[2]
    return told == (group if "PYTEST_XDIST_WORKER" in os.environ else "")


@pytest.mark.parametrize("turn", range(3))
def test_what_a_file_makes_once_is_made_in_one_process(turn: int, made_once: int, request: pytest.FixtureRequest) -> None:
    assert made_once == os.getpid()
    assert _is_of(request, "test_groups")


@pytest.mark.xdist_group("told")
def test_a_group_that_a_test_names_is_its_group(request: pytest.FixtureRequest) -> None:
    assert _is_of(request, "told")


def test_what_shares_nothing_has_no_group(request: pytest.FixtureRequest) -> None:
    assert _is_of(request, "")
