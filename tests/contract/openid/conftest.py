"""Two providers, and an adapter of ours for the first."""

from collections.abc import Iterator

import pytest

from adapters.identity.line import Line
from adapters.identity.oidc import OpenIdConnect
from tests.openid_provider import OpenIdProvider, openid_provider
from tests.openid_stage import Clock
from tests.sign_in_process import CLIENT, PATIENT, SECRET


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OpenIdProvider, OpenIdProvider]]:
    folder = tmp_path_factory.mktemp("openid")
    with openid_provider(folder / "one") as one, openid_provider(folder / "two") as two:
        yield one, two
        assert not one.complaints() + two.complaints()


@pytest.fixture
def op(running: tuple[OpenIdProvider, OpenIdProvider]) -> OpenIdProvider:
    return _anew(running[0])


@pytest.fixture
def another(running: tuple[OpenIdProvider, OpenIdProvider]) -> OpenIdProvider:
    return _anew(running[1])


def _anew(op: OpenIdProvider) -> OpenIdProvider:
    op.mood()
    op.forget()
    return op


@pytest.fixture(scope="module")
def trust() -> Line:
    """Reading the system's certificates takes longer than a test."""
    return Line(PATIENT)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def adapter(op: OpenIdProvider, trust: Line, clock: Clock) -> OpenIdConnect:
    return OpenIdConnect("op", op.url, CLIENT, SECRET, clock, trust)
