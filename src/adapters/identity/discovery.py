"""What an OpenID provider says of itself: where it is asked, and which keys it signs with."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, RSAKey
from joserfc.util import base64_to_int

from adapters.identity.line import NotAnAnswer, read, safe

SECONDS = 3600.0
"""What is known is asked again after this: keys that the provider has taken back sign nobody in for longer."""
NEW_KEYS_SECONDS = 60.0
"""At most this often somebody's unknown key makes us look for new ones."""
_RSA_BITS = 2048
_KEYS = 64


class Document(msgspec.Struct, frozen=True):
    """The part of OpenID Connect Discovery §3 (and RFC 9207 §3) that we go by."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    authorization_response_iss_parameter_supported: bool = False
    prompt_values_supported: list[str] | None = None
    """Of Initiating User Registration §4.1; None: it does not say."""


class _KeySet(msgspec.Struct, frozen=True):
    keys: list[Any]


@dataclass(slots=True)
class Discovery:
    """`clock`: Unix seconds. Both methods raise as `Line.opened` says; of many who ask at once, one asks the provider."""

    issuer: str
    clock: Callable[[], float]
    _document: tuple[float, Document] | None = None
    _keys: tuple[float, Sequence[RSAKey | ECKey]] | None = None
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def document(self, session: Any) -> Document:
        async with self._asking:
            if self._document is None or self._older(self._document[0], SECONDS):
                url = self.issuer.rstrip("/") + "/.well-known/openid-configuration"
                self._document = self.clock(), self._checked(await read(session, url, Document))
            return self._document[1]

    async def keys(self, session: Any, kid: str | None) -> Sequence[RSAKey | ECKey]:
        """All public keys that may have signed, or those of this name; asked anew if there is none, but not all the time."""
        url = (await self.document(session)).jwks_uri
        async with self._asking:
            if self._keys is None or self._older(self._keys[0], SECONDS) or self._lacks(kid):
                self._keys = self.clock(), _usable((await read(session, url, _KeySet)).keys)
            return _named(self._keys[1], kid)

    def _lacks(self, kid: str | None) -> bool:
        assert self._keys
        return not _named(self._keys[1], kid) and self._older(self._keys[0], NEW_KEYS_SECONDS)

    def _older(self, at: float, seconds: float) -> bool:
        return not 0 <= self.clock() - at < seconds  # a clock that was set back must not keep anything for ever

    def _checked(self, document: Document) -> Document:
        if document.issuer != self.issuer:
            raise NotAnAnswer
        try:
            for url in (document.authorization_endpoint, document.token_endpoint, document.jwks_uri, document.userinfo_endpoint):
                safe(url or self.issuer)
        except ValueError:
            raise NotAnAnswer from None
        return document


def _named(keys: Sequence[RSAKey | ECKey], kid: str | None) -> Sequence[RSAKey | ECKey]:
    return [key for key in keys if kid in (None, key.get("kid"))]


def _usable(written: Sequence[object]) -> Sequence[RSAKey | ECKey]:
    """Public keys for signatures; what else the set holds is somebody else's affair (RFC 7517 §5)."""
    found: list[RSAKey | ECKey] = []
    for key in written[:_KEYS]:
        if not isinstance(key, dict) or key.get("kty") not in ("RSA", "EC") or key.get("use", "sig") != "sig":
            continue
        try:
            if key["kty"] == "RSA" and base64_to_int(key["n"]).bit_length() < _RSA_BITS:
                continue
            usable = JWKRegistry.import_key(key)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if isinstance(usable, RSAKey | ECKey):
            found.append(usable)
    return found
