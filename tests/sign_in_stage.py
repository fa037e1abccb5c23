"""The service as browsers meet it, and two OpenID providers that it knows."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlencode

import httpx

from adapters.postgres.access_queries import PostgresAccessQueries
from application.access import AccessQueries
from tests.openid_provider import OpenIdProvider
from tests.world import World

HERE = "https://studio.example"
SESSION, BEGUN = "__Host-session", "__Host-sign-in"
OURS = {"Origin": HERE}
Answer = dict[str, str]


@dataclass
class Site:
    """The service at an address of its own, and the two providers it knows."""

    app: Any
    world: World
    one: OpenIdProvider
    two: OpenIdProvider

    def browser(self) -> "Browser":
        return Browser(self, httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=HERE))

    async def time_passes(self, span: timedelta) -> None:
        queries = cast(PostgresAccessQueries, await self.world.parts.get(AccessQueries))
        queries.offset += span


@dataclass
class Browser:
    site: Site
    http: httpx.AsyncClient

    async def begin(self, provider: str = "provider", **parameters: str) -> Answer:
        """To the provider, and what it says there to come back with."""
        leaving = await self.http.get(f"/auth/{provider}/start", params=parameters)
        assert leaving.status_code == 303, leaving.text
        return self.at_provider(leaving.headers["location"], provider)

    def at_provider(self, url: str, provider: str) -> Answer:
        return (self.site.one if provider == "provider" else self.site.two).visit(url)

    async def end(self, answer: Answer, provider: str = "provider", **headers: str) -> httpx.Response:
        return await self.http.get(f"/auth/{provider}/callback?{urlencode(answer)}", headers=headers)

    async def sign_in(self, provider: str = "provider", **parameters: str) -> httpx.Response:
        back = await self.end(await self.begin(provider, **parameters), provider)
        assert back.status_code == 303, back.text
        return back

    async def me(self) -> httpx.Response:
        return await self.http.get("/v1/me")

    async def who(self) -> Any:
        answer = await self.me()
        assert answer.status_code == 200, answer.text
        return answer.json()


def refused(answer: httpx.Response, status: int, name: str) -> bool:
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{name}"), answer.text
    return SESSION not in answer.headers.get("set-cookie", "")
