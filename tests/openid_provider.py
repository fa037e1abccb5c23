"""An OpenID provider that is none, as strict as a certified one, which can be told to misbehave.

    with openid_provider(folder) as op:         # started, and gone when the block ends
        OpenIdConnect(issuer=op.url, ...)       # registered: sign_in_process.CLIENT, SECRET, REDIRECT and OTHER_REDIRECT
        answer = op.visit(start.url)            # a person signs in, and is sent back with this
        op.mood(email=None, fault="expired")    # for the next; mood() ends it
        op.requests("/token")                   # what it was asked

By hand: `python -m tests.openid_provider --record FILE --mood FILE`, from the root of the repository; it prints its port.

It refuses: no PKCE with S256, an unregistered redirect, another client or secret, a code that was used, is older than a
minute, or is not of this redirect, client and verifier. `mood` holds the claims (`sub`, `email`, `email_verified`, `name`;
None: not told), `now` (Unix seconds), `fault`, `names_issuer` (True): whether its answers do, as RFC 9207 has it, `auth_time`
(Unix seconds; without it, it does not tell), `prompts` (a list: those it says it knows), and `kid`
("first"): by which key it signs, which from then on is in the key set. Faults, besides those of sign_in_process:

    at the answer      denied  busy  wrong-answer-issuer  no-answer-issuer
    in the token       the names of `_CLAIMS` below; wrong-signature  unknown-key  alg-none  hs256-secret  hs256-public
                       deep-token  nameless-key (no kid)  no-id-token  not-bearer  long-token (for most servers' headers)
                       jwk  jku  x5u (it brings its own key, or says where one lies, and is signed with that)
                       encryption-key  weak-key (which are in the key set, but no good)
    elsewhere          e-mail-in-userinfo  other-subject (e-mail in userinfo, of somebody else)  other-issuer (in the discovery)
                       odd-keys (the key set holds keys of other kinds, too)
"""

import base64
import hashlib
import hmac
import json
import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote_plus

from joserfc import jws
from joserfc.jwk import RSAKey

from tests.sign_in_process import CLIENT, OTHER_REDIRECT, REDIRECT, SECRET, Handler, Process, serve

_CODE_SECONDS = 60.0
_IN_USERINFO = ("e-mail-in-userinfo", "other-subject", "long-token")
_ANY_HEADER = jws.JWSRegistry(strict_check_header=False)
_CLAIMS: dict[str, Any] = {
    "wrong-issuer": lambda now: {"iss": "https://other.example"},
    "wrong-audience": lambda now: {"aud": "another-client"},
    "among-audiences": lambda now: {"aud": [CLIENT, "another-client"]},
    "first-of-audiences": lambda now: {"aud": [CLIENT, "another-client"], "azp": CLIENT},
    "other-party": lambda now: {"azp": "another-client"},
    "altered-nonce": lambda now: {"nonce": "another"},
    "no-nonce": lambda now: {"nonce": None},
    "expired": lambda now: {"iat": now - 400, "exp": now - 61},
    "just-expired": lambda now: {"iat": now - 400, "exp": now - 59},
    "never-expires": lambda now: {"exp": None},
    "expires-in-words": lambda now: {"exp": "tomorrow"},
    "from-the-future": lambda now: {"iat": now + 61, "exp": now + 361},
    "clock-ahead": lambda now: {"iat": now + 60, "exp": now + 360},
    "no-time": lambda now: {"iat": None},
    "not-yet": lambda now: {"nbf": now + 61},
    "no-subject": lambda now: {"sub": None},
    "subject-is-a-number": lambda now: {"sub": 7},
    "subject-of-halves": lambda now: {"sub": "\ud800"},
    "subject-too-long": lambda now: {"sub": "s" * 256},
}


class OpenIdProvider(Process):
    """`url` is the issuer."""

    def __init__(self, folder: Path) -> None:
        super().__init__("tests.openid_provider", folder)


@contextmanager
def openid_provider(folder: Path) -> Iterator[OpenIdProvider]:
    running = OpenIdProvider(folder)
    try:
        yield running
    finally:
        running.kill()


@cache
def _key(kid: str) -> RSAKey:
    if kid != "weak-key":
        return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})
    with warnings.catch_warnings(action="ignore"):
        return RSAKey.generate_key(1024, {"kid": kid, "use": "sig", "alg": "RS256"})


@dataclass(slots=True)
class _Grant:
    redirect_uri: str
    challenge: str
    nonce: str | None
    scope: list[str]
    issued_at: float
    token: str | None = None


class _OpenId(Handler):
    routes: ClassVar = {
        "GET /.well-known/openid-configuration": "discovery",
        "GET /jwks": "jwks",
        "GET /authorize": "authorize",
        "POST /token": "token",
        "GET /userinfo": "userinfo",
        "GET /elsewhere": "elsewhere",
    }
    grants: ClassVar[dict[str, _Grant]] = {}
    tokens: ClassVar[set[str]] = set()

    def discovery(self) -> None:
        url = self.server.url
        self.answer(
            200,
            {
                "issuer": "https://other.example" if self.mood["fault"] == "other-issuer" else url,
                "authorization_endpoint": f"{url}/authorize",
                "token_endpoint": f"{url}/token",
                "userinfo_endpoint": f"{url}/userinfo",
                "jwks_uri": f"{url}/jwks",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": ["openid", "email", "profile"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": self.mood.get("names_issuer", True),
                **({"prompt_values_supported": self.mood["prompts"]} if "prompts" in self.mood else {}),
            },
        )

    def jwks(self) -> None:
        keys: list[Any] = [_key(kid).as_dict(private=False) for kid in {"first": 1, self._kid: 2}]
        if self.mood["fault"] in ("encryption-key", "weak-key"):
            keys.append(_key(self.mood["fault"]).as_dict(private=False))
            keys[-1]["use"] = "enc" if self.mood["fault"] == "encryption-key" else "sig"
        if self.mood["fault"] == "odd-keys":
            public = _key("for-encryption").as_dict(private=False)
            keys[:0] = [
                {"kty": "of-the-future", "kid": "first"},
                {"kty": "oct", "k": "c2VjcmV0", "kid": "first", "alg": "HS256"},
                {"kty": "RSA", "kid": "broken", "n": 7},
                public | {"kid": "first", "use": "enc"},
                "no key at all",
            ]
        self.answer(200, {"keys": keys})

    def elsewhere(self) -> None:
        self.answer(200, {"keys": [_key("stranger").as_dict(private=False)]})

    def authorize(self) -> None:
        asked, fault = self.query, self.mood["fault"]
        if asked.get("client_id") != CLIENT or asked.get("redirect_uri") not in (REDIRECT, OTHER_REDIRECT):
            return self.answer(400, {"error": "invalid_request", "error_description": "unknown client or redirect"})
        answer = {"state": asked["state"]} if "state" in asked else {}
        if self.mood.get("names_issuer", True) and fault != "no-answer-issuer":
            answer["iss"] = "https://other.example" if fault == "wrong-answer-issuer" else self.server.url
        error = _wrong_with(asked) or {"denied": "access_denied", "busy": "temporarily_unavailable"}.get(fault)
        if error:
            return self.send_away(asked["redirect_uri"], answer | {"error": error, "error_description": "said the provider"})
        code = self.issue(secrets.token_urlsafe(24))
        self.grants[code] = _Grant(
            asked["redirect_uri"], asked["code_challenge"], asked.get("nonce"), asked["scope"].split(), self.mood["now"]
        )
        return self.send_away(asked["redirect_uri"], answer | {"code": code})

    def token(self) -> None:
        basic = base64.b64decode(self.headers.get("authorization", "").removeprefix("Basic ")).decode()
        if tuple(unquote_plus(part) for part in basic.split(":", 1)) != (CLIENT, SECRET):
            return self.answer(401, {"error": "invalid_client"}, **{"www-authenticate": "Basic"})
        if self.form.get("grant_type") != "authorization_code":
            return self.answer(400, {"error": "unsupported_grant_type"})
        grant = self.grants.get(self.form.get("code", ""))
        if grant is None or grant.token or not self._fits(grant):
            if grant:  # a code that is misused is worth nothing any more, nor is what was handed out for it
                self.tokens.discard(grant.token or "")
                grant.token = "misused"
            return self.answer(400, {"error": "invalid_grant", "error_description": f"the code {self.form.get('code')}"})
        grant.token = self.issue(secrets.token_urlsafe(24) + "x" * (65_504 if self.mood["fault"] == "long-token" else 0))
        self.tokens.add(grant.token)
        said: dict[str, Any] = {"access_token": grant.token, "token_type": "Bearer", "expires_in": 300}
        said["id_token"] = self.issue(self._id_token(grant))
        if self.mood["fault"] == "no-id-token":
            del said["id_token"]
        if self.mood["fault"] == "not-bearer":
            said["token_type"] = "mac"
        return self.answer(200, said)

    def userinfo(self) -> None:
        if self.bearer() not in self.tokens:
            return self.answer(401, {"error": "invalid_token"})
        subject = "somebody-else" if self.mood["fault"] == "other-subject" else self.mood["sub"]
        return self.answer(200, {"sub": subject, "locale": "en"} | self._told())

    def _fits(self, grant: _Grant) -> bool:
        verifier = self.form.get("code_verifier", "")
        challenge = _base64(hashlib.sha256(verifier.encode()).digest())
        is_fresh = 0 <= self.mood["now"] - grant.issued_at < _CODE_SECONDS
        return is_fresh and grant.challenge == challenge and grant.redirect_uri == self.form.get("redirect_uri")

    @property
    def _kid(self) -> str:
        return str(self.mood.get("kid", "first"))

    def _told(self) -> dict[str, Any]:
        return {name: self.mood[name] for name in ("email", "email_verified", "name") if self.mood[name] is not None}

    def _id_token(self, grant: _Grant) -> str:
        fault, now = self.mood["fault"], int(self.mood["now"])
        claims = {"iss": self.server.url, "sub": self.mood["sub"], "aud": CLIENT, "nonce": grant.nonce}
        claims |= {"iat": now, "exp": now + 300, "picture": "https://other.example/ada.png"}
        claims |= {} if fault in _IN_USERINFO else self._told()
        claims |= {"auth_time": self.mood["auth_time"]} if "auth_time" in self.mood else {}
        claims |= _CLAIMS.get(fault, lambda _: {})(now)
        return _signed({name: value for name, value in claims.items() if value is not None}, fault, self._kid, self.server.url)


def _wrong_with(asked: dict[str, str]) -> str | None:
    if asked.get("response_type") != "code":
        return "unsupported_response_type"
    if "openid" not in asked.get("scope", "").split():
        return "invalid_scope"
    if asked.get("code_challenge_method") != "S256" or len(asked.get("code_challenge", "")) != 43:
        return "invalid_request"
    return None


def _signed(claims: dict[str, Any], fault: str | None, kid: str, url: str) -> str:
    """A token, signed as it should be or as the fault says."""
    payload = b'{"deep":' + b"[" * 90_000 if fault == "deep-token" else json.dumps(claims).encode()
    if fault == "alg-none":
        return _unsigned({"alg": "none", "kid": kid}, payload) + "."
    if fault in ("hs256-secret", "hs256-public"):  # by hand: no library would sign with a public key
        signed = _unsigned({"alg": "HS256", "kid": kid}, payload)
        shared = SECRET.encode() if fault == "hs256-secret" else _key(kid).as_pem(private=False)
        return f"{signed}.{_base64(hmac.digest(shared, signed.encode(), hashlib.sha256))}"
    key = _key("stranger") if fault in ("wrong-signature", "unknown-key") else _key(kid)
    if fault in ("encryption-key", "weak-key"):
        key, kid = _key(fault), fault
    kid = "nowhere" if fault == "unknown-key" else kid
    brought: dict[str, Any] = {"jwk": _key("stranger").as_dict(private=False)} if fault == "jwk" else {}
    brought = {fault: f"{url}/elsewhere"} if fault in ("jku", "x5u") else brought
    key = _key("stranger") if brought else key
    header = {"alg": "RS256"} | ({} if fault == "nameless-key" else {"kid": kid}) | brought
    return jws.serialize_compact(header, payload, key, registry=_ANY_HEADER)


def _unsigned(header: dict[str, str], payload: bytes) -> str:
    return f"{_base64(json.dumps(header).encode())}.{_base64(payload)}"


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


if __name__ == "__main__":
    _key("first")  # before anybody waits for it
    serve(_OpenId)
