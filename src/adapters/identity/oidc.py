"""Any OpenID provider, known by its issuer: authorization code with PKCE, state, nonce and the issuer's name in the answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

from httpx2 import BasicAuth

from adapters.identity import answers, id_token
from adapters.identity.discovery import Discovery, Document
from adapters.identity.id_token import Claims, Expected
from adapters.identity.line import Line, fetch_token, read, safe
from application.ports import IdentityProvider, SignInStart
from domain.errors import EmailUnverified, SignInInvalid
from domain.identities import Person

SCOPE = "openid email profile"
"""All that is ever asked for."""
_INVALID = frozenset(("invalid_grant",))


@dataclass(slots=True)
class OpenIdConnect(IdentityProvider):
    """`name`: what we call the provider. `issuer`: its address, to the letter. `clock`: Unix seconds.

    Raises ValueError if the issuer is spoken to neither by https nor on this machine.
    """

    name: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    clock: Callable[[], float]
    line: Line = field(default_factory=Line)
    _discovery: Discovery = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._discovery = Discovery(safe(self.issuer), self.clock)

    async def start(self, redirect_uri: str, max_age: int | None = None) -> SignInStart:
        begun = answers.Beginning.new()
        async with self.line.opened(self.issuer, client_id=self.client_id, redirect_uri=redirect_uri, scope=SCOPE) as session:
            document = await self._discovery.document(session)
            url, _ = session.create_authorization_url(
                document.authorization_endpoint,
                state=begun.state,
                nonce=begun.nonce,
                code_verifier=begun.verifier,
                **_wishes(document, max_age),
            )
        return begun.at(url)

    async def finish(self, start: SignInStart, redirect_uri: str, answer: Mapping[str, str]) -> Person:
        answers.belongs(start, answer)
        async with self.line.opened(self.issuer, client_id=self.client_id) as session:
            document = await self._discovery.document(session)
            _is_from(document, answer)
            code = answers.code(answer)
            token = await fetch_token(
                session,
                document.token_endpoint,
                _INVALID,
                code=code,
                redirect_uri=redirect_uri,
                code_verifier=start.verifier,
                # by RFC 6749 §2.3.1 both are written as in a form first, which authlib leaves out
                auth=BasicAuth(quote_plus(self.client_id), quote_plus(self.client_secret)),
            )
            said = await self._said(session, token, start)
            authenticated_at = said.authenticated_at(self.clock())
            if said.email is None:
                said = await _userinfo(session, document, token["access_token"], said)
        if said.verified_email is None:
            raise EmailUnverified
        return answers.person(self.name, self.issuer, said.sub, said.verified_email, said.name, authenticated_at)

    async def _said(self, session: Any, token: Mapping[str, Any], start: SignInStart) -> Claims:
        signed = token.get("id_token")
        keys = await self._discovery.keys(session, id_token.key_name(signed))
        return id_token.claims(str(signed), keys, Expected(self.issuer, self.client_id, start.nonce, self.clock()))


def _wishes(document: Document, max_age: int | None) -> dict[str, str]:
    """A provider that lists what it can be asked for and leaves this out might refuse the whole sign-in for it."""
    listed = document.prompt_values_supported
    prompt = {"prompt": answers.SELECT_ACCOUNT} if listed is None or answers.SELECT_ACCOUNT in listed else {}
    return prompt if max_age is None else {**prompt, "max_age": str(max_age)}


def _is_from(document: Document, answer: Mapping[str, str]) -> None:
    """RFC 9207 §2.4: an answer of another provider must not lead us to give its code to this one. Raises SignInInvalid."""
    issuer = answer.get("iss")
    if issuer is None and not document.authorization_response_iss_parameter_supported:
        return
    if issuer is None or not answers.same(document.issuer, issuer):
        raise SignInInvalid("the answer is another provider's")


async def _userinfo(session: Any, document: Document, token: str, said: Claims) -> Claims:
    """The e-mail from where the token does not tell it. Raises SignInInvalid if it is somebody else's."""
    if document.userinfo_endpoint is None:
        return said
    told = await read(session, document.userinfo_endpoint, Claims, token)
    if not answers.same(said.sub, told.sub):
        raise SignInInvalid("the provider tells about somebody else")
    return told
