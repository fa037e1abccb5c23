"""A service with two sign-in providers, and a browser at its door."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from entrypoints.http.app import HttpConfig
from tests.http_stage import app_on
from tests.openid_provider import OpenIdProvider, openid_provider
from tests.sign_in_process import CLIENT, NOW, SECRET
from tests.sign_in_stage import HERE, Browser, Site
from tests.world import world


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OpenIdProvider, OpenIdProvider]]:
    folder = tmp_path_factory.mktemp("providers")
    with openid_provider(folder / "one") as one, openid_provider(folder / "two") as two:
        yield one, two
        assert not one.complaints() + two.complaints()


@pytest.fixture
async def site(
    running: tuple[OpenIdProvider, OpenIdProvider], database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Site]:
    one, two = running
    one.mood()
    two.mood()
    monkeypatch.setattr("time.time", lambda: NOW)
    table = "".join(
        f'[{name}]\nissuer = "{op.url}"\nclient_id = "{CLIENT}"\nclient_secret = "{SECRET}"\n'
        for name, op in (("provider", one), ("another", two))
    )
    (tmp_path / "sign_in.toml").write_text(table)
    async with world(database_url, tmp_path, sign_in=tmp_path / "sign_in.toml") as made:
        yield Site(app_on(made.parts, HttpConfig("1", HERE, sandbox_sign_in=False)), made, one, two)


@pytest.fixture
def browser(site: Site) -> Browser:
    return site.browser()
