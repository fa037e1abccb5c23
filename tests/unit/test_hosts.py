"""What is this machine and what only looks like it."""

import pytest

from domain.hosts import is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.10", "::1"])
def test_these_are_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "10.0.0.1", "127.0.0.1.example", "localhost.example", "[::1]"])
def test_these_are_not(host: str) -> None:
    assert not is_loopback(host)
