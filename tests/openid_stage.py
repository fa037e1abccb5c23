"""What the tests of OpenID Connect share, besides their fixtures."""

from adapters.identity.oidc import OpenIdConnect
from domain.identities import Person
from tests.openid_provider import OpenIdProvider
from tests.sign_in_process import ADA, NOW, REDIRECT

DISCOVERY, JWKS, TOKEN, USERINFO = "/.well-known/openid-configuration", "/jwks", "/token", "/userinfo"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def ada(adapter: OpenIdConnect) -> Person:
    return Person(adapter.name, f"{adapter.issuer} {ADA['sub']}", ADA["email"], ADA["name"])


async def sign_in(adapter: OpenIdConnect, op: OpenIdProvider) -> Person:
    start = await adapter.start(REDIRECT)
    return await adapter.finish(start, REDIRECT, op.visit(start.url))
