"""An id token is believed if the provider signed it, now, for us, and for this sign-in (OpenID Connect Core §3.1.3.7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from joserfc import jws, jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import ECKey, RSAKey

from adapters.identity.answers import same
from domain.errors import SignInInvalid

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Keys of which we know only the public half: nobody who has read ours, or the public ones, can sign."""
LEEWAY_SECONDS = 60
_FORM = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)  # unknown headers say nothing (RFC 7515 §4.2)


class Claims(msgspec.Struct, frozen=True):
    """What is read of a token, or of the userinfo. Some providers write `email_verified` as a word."""

    sub: str
    email: str | None = None
    email_verified: bool | str | None = None
    name: str | None = None
    auth_time: Annotated[float, msgspec.Meta(ge=0)] | None = None

    @property
    def verified_email(self) -> str | None:
        return self.email if self.email_verified is True or self.email_verified == "true" else None

    def authenticated_at(self, now: float) -> datetime | None:
        """`now`: Unix seconds, beyond which nobody has been asked."""
        return None if self.auth_time is None else datetime.fromtimestamp(min(self.auth_time, now), UTC)


@dataclass(frozen=True, slots=True)
class Expected:
    """`now`: Unix seconds."""

    issuer: str
    client_id: str
    nonce: str
    now: float


def key_name(token: object) -> str | None:
    """Which key a token says it is signed with, if it names one. Raises SignInInvalid for what is no token we could accept."""
    try:
        header = jws.extract_compact(token.encode(), registry=_FORM).headers() if isinstance(token, str) else {}
        kid = header.get("kid")
        if header.get("alg") in ALGORITHMS and (kid is None or isinstance(kid, str)):
            return kid
    except (JoseError, ValueError, TypeError, RecursionError):
        pass
    raise SignInInvalid("the provider's token is not signed as it has to be")


def claims(token: str, keys: Sequence[RSAKey | ECKey], expected: Expected) -> Claims:
    """What it says, if one of `keys` signed it and all is as expected. Raises SignInInvalid."""
    for key in keys:
        try:
            return _checked(jwt.decode(token, key, registry=_FORM).claims, expected)
        except BadSignatureError:
            continue
        except (JoseError, msgspec.ValidationError, ValueError, TypeError, RecursionError) as error:
            if len(keys) == 1:
                raise SignInInvalid(f"the provider's token is not to be believed: {type(error).__name__}") from None
    raise SignInInvalid("no key of the provider has signed its token")


def _checked(said: dict[str, object], expected: Expected) -> Claims:
    """Raises JoseError, ValueError or SignInInvalid."""
    jwt.JWTClaimsRegistry(
        now=int(expected.now),
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": expected.issuer},
        aud={"essential": True, "value": expected.client_id},
        exp={"essential": True},
        iat={"essential": True},
    ).validate(said)
    audience, party = said["aud"], said.get("azp")
    is_shared = isinstance(audience, list) and len(audience) > 1
    if (is_shared or party is not None) and party != expected.client_id:
        raise SignInInvalid("the provider's token is for somebody else")
    nonce = said.get("nonce")
    if not isinstance(nonce, str) or not same(expected.nonce, nonce):
        raise SignInInvalid("the provider's token is of another sign-in")
    return msgspec.convert(said, Claims)
