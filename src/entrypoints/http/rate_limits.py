"""Rate limits at the edge: a 429 that says when to ask again, and two headers that tell beforehand.

Every request counts for its address before anything else is done for it, whether or not there is such a route; once its caller is
known it counts for the key and the account. The headers are those of draft-ietf-httpapi-ratelimit-headers.
"""

from typing import Any, cast

from dishka import AsyncContainer
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import Counter

from application.rate_limits import RateLimits, Share
from domain.accounts import Caller
from domain.errors import RateLimited
from domain.rate_limits import FAILURE, READ, WRITE, Policy, asking
from entrypoints.http.addresses import Proxies
from entrypoints.http.cookies import SAFE, Connection
from entrypoints.http.problems import refusal
from entrypoints.metrics import REGISTRY

REFUSED = Counter("rate_limited_total", "Requests refused by a rate limit, by policy.", ("policy",), registry=REGISTRY)
_KEY = "rate_limits"


class Counted:
    """One request, and all whose limits it counts for."""

    def __init__(self, limits: RateLimits, method: str) -> None:
        self._limits = limits
        self._shares: list[Share] = []
        self._caller: list[Share] = []
        self.cost = READ if method in SAFE else WRITE

    async def arrive(self, address: bytes) -> None:
        """Raises RateLimited, as all that admit."""
        if share := self._limits.share(Policy.ADDRESS, address):
            self._shares.append(share)
            await self._admit(READ, [share])

    async def stranger(self) -> None:
        """On a public route the address pays for the rest as well."""
        if self.cost > READ:
            await self._admit(self.cost - READ, self._shares)

    async def known(self, caller: Caller) -> None:
        whose = [(Policy.KEY, caller.key_id), (Policy.ACCOUNT, caller.account_id)]
        shares = [self._limits.share(policy, id.bytes) for policy, id in whose if id]
        self._caller = [share for share in shares if share]
        self._shares += self._caller
        await self._admit(self.cost, self._caller)

    def failed(self) -> None:
        """It showed a credential that is none."""
        self._limits.owe(FAILURE - READ, self._shares)

    async def pictures(self, count: int) -> None:
        """More than one are asked for."""
        if (more := asking(count) - self.cost) > 0:
            await self._admit(more, self._caller)

    def owe_pictures(self, count: int) -> None:
        """So many were asked for, as is only known now."""
        self._limits.owe(max(0, asking(count) - self.cost), self._caller)

    def headers(self) -> list[tuple[bytes, bytes]]:
        if not self._shares:
            return []
        stands = [(share, self._limits.standing(share)) for share in self._shares]
        policies = ", ".join(f'"{share.policy}";q={share.rate.quota};w={share.rate.window}' for share, _ in stands)
        left = ", ".join(f'"{share.policy}";r={stand.left};t={stand.whole_in}' for share, stand in stands)
        return [(b"ratelimit-policy", policies.encode()), (b"ratelimit", left.encode())]

    async def _admit(self, cost: int, shares: list[Share]) -> None:
        try:
            await self._limits.admit(cost, shares)
        except RateLimited as error:
            REFUSED.labels(error.facts["policy"]).inc()
            raise


class Limited:
    """Around the application's routes. `free`: paths of routes that nobody is refused."""

    def __init__(self, app: ASGIApp, container: AsyncContainer, proxies: Proxies, free: frozenset[str]) -> None:
        self._app, self._container, self._proxies, self._free = app, container, proxies, free
        self._limits: RateLimits | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["path"] in self._free:
            await self._app(scope, receive, send)
            return
        if self._limits is None:
            self._limits = await self._container.get(RateLimits)
        counted = Counted(self._limits, scope["method"])
        cast(dict[str, Any], scope)[_KEY] = counted

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *counted.headers()]
            await send(message)

        try:
            await counted.arrive(self._proxies.caller(scope))
        except RateLimited as error:
            await _answer(scope, error, send_on)
            return
        await self._app(scope, receive, send_on)


def counted(connection: Connection) -> Counted | None:
    """None where nothing is limited."""
    found = cast(dict[str, Any], connection.scope).get(_KEY)
    return found if isinstance(found, Counted) else None


async def _answer(scope: Scope, error: RateLimited, send: Send) -> None:
    said = refusal(scope, error)
    headers = {"content-type": str(said.media_type), "content-length": str(len(said.content)), **said.headers}
    sent = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": said.status_code or 429, "headers": sent})
    await send({"type": "http.response.body", "body": said.content, "more_body": False})
