"""Which pages of other origins may read our answers: those the operator names, and with a key alone.

It goes around the rate limits: a page can read its 429, and a preflight, which is answered here without anything being looked up,
costs nothing. A browser shows its page nothing of a preflight that was refused.
"""

from collections.abc import Sequence

from litestar.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = "DELETE, GET, PATCH, POST, PUT"
_ALLOWED = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Prefer, X-Request-Id"
_EXPOSED = "Location, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"
_SECONDS = 7_200
_PREFLIGHT = [
    (b"access-control-allow-methods", _METHODS.encode()),
    (b"access-control-allow-headers", _ALLOWED.encode()),
    (b"access-control-max-age", str(_SECONDS).encode()),
]
_VARY = (b"vary", b"Origin")


class Cors:
    """`origins`: as browsers write them, `https://studio.example`. Cookies never count: no answer allows credentials."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = dict(scope["headers"])
        origin = sent.get(b"origin", b"")
        allowed = [(b"access-control-allow-origin", origin)] if origin in self._origins else []
        if scope.get("method") == "OPTIONS" and origin and b"access-control-request-method" in sent:
            headers = [_VARY, *allowed, *(_PREFLIGHT if allowed else ())]
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                exposed = [(b"access-control-expose-headers", _EXPOSED.encode())] if allowed else []
                message["headers"] = [*message["headers"], _VARY, *allowed, *exposed]
            await send(message)

        await self._app(scope, receive, send_on)
