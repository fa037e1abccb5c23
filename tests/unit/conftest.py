"""The HTTP surface, for tests of what callers see of it."""

from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from tests.http_stage import Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def client(stage: Stage) -> Iterator[TestClient[Litestar]]:
    with stage.client() as client:
        yield client
