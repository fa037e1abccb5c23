"""A GitHub that is none: OAuth with PKCE as GitHub does it, and the two API calls that say who somebody is.

    with github_provider(folder) as github:     # started, and gone when the block ends
        GitHub("github", CLIENT, SECRET, site=github.url, api=github.url + "/api/v3")
        answer = github.visit(start.url)
        github.mood(emails=[...], fault="denied")

By hand: `python -m tests.github_provider --record FILE --mood FILE`. `mood` holds `id`, `login`, `name` and `emails`, as the API
says them. Errors of the token endpoint come with status 200, as GitHub's do. Faults, besides those of sign_in_process: denied.
"""

import base64
import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from tests.sign_in_process import ADA, CLIENT, OTHER_REDIRECT, REDIRECT, SECRET, Handler, Process, serve

_CODE_SECONDS = 600.0
_USER: dict[str, Any] = {"id": int(ADA["sub"]), "login": "ada", "name": ADA["name"], "type": "User", "site_admin": False}


def address(email: str, *, primary: bool = False, verified: bool = True) -> dict[str, Any]:
    """One of a person's e-mail addresses, as the API says it."""
    return {"email": email, "primary": primary, "verified": verified, "visibility": "private" if primary else None}


class GitHubProvider(Process):
    """`url` is the site; the API is at `/api/v3`, as of GitHub Enterprise."""

    def __init__(self, folder: Path) -> None:
        super().__init__("tests.github_provider", folder)

    @property
    def api(self) -> str:
        return f"{self.url}/api/v3"


@contextmanager
def github_provider(folder: Path) -> Iterator[GitHubProvider]:
    running = GitHubProvider(folder)
    try:
        yield running
    finally:
        running.kill()


class _GitHub(Handler):
    routes: ClassVar = {
        "GET /login/oauth/authorize": "authorize",
        "POST /login/oauth/access_token": "access_token",
        "GET /api/v3/user": "user",
        "GET /api/v3/user/emails": "emails",
    }
    grants: ClassVar[dict[str, tuple[str, str, str, float]]] = {}
    """By code: redirect, challenge, scope, and when it was made."""
    scopes: ClassVar[dict[str, str]] = {}
    """By token."""

    def authorize(self) -> None:
        asked = self.query
        redirect, challenge = asked.get("redirect_uri", ""), asked.get("code_challenge", "")
        if asked.get("client_id") != CLIENT or redirect not in (REDIRECT, OTHER_REDIRECT):
            return self.answer(404, {"message": "Not Found"})
        if asked.get("code_challenge_method") != "S256" or len(challenge) != 43:
            return self.answer(400, {"message": "no PKCE"})
        answer = {"state": asked["state"]} if "state" in asked else {}
        if self.mood["fault"] == "denied":
            return self.send_away(redirect, answer | {"error": "access_denied", "error_description": "The user has denied"})
        code = self.issue(secrets.token_hex(10))
        self.grants[code] = (redirect, challenge, asked.get("scope", ""), self.mood["now"])
        return self.send_away(redirect, answer | {"code": code})

    def access_token(self) -> None:
        if (self.form.get("client_id"), self.form.get("client_secret")) != (CLIENT, SECRET):
            return self.answer(200, {"error": "incorrect_client_credentials"})
        redirect, challenge, scope, made_at = self.grants.pop(self.form.get("code", ""), ("", "", "", -_CODE_SECONDS))
        hashed = hashlib.sha256(self.form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(hashed).rstrip(b"=").decode() != challenge:
            return self.answer(200, {"error": "bad_verification_code", "error_description": f"of {self.form.get('code')}"})
        if self.mood["now"] - made_at >= _CODE_SECONDS:
            return self.answer(200, {"error": "bad_verification_code"})
        if redirect != self.form.get("redirect_uri"):
            return self.answer(200, {"error": "redirect_uri_mismatch"})
        token = self.issue(f"gho_{secrets.token_hex(18)}")
        self.scopes[token] = scope
        return self.answer(200, {"access_token": token, "token_type": "bearer", "scope": scope.replace(" ", ",")})

    def user(self) -> None:
        if self.bearer() not in self.scopes:
            return self.answer(401, {"message": "Bad credentials"})
        return self.answer(200, {name: self.mood.get(name, value) for name, value in _USER.items()} | {"email": None})

    def emails(self) -> None:
        if "user:email" not in self.scopes.get(self.bearer(), "").split():
            return self.answer(404, {"message": "Not Found"})
        mine = [address("ada@old.example", verified=False), address(ADA["email"], primary=True)]
        return self.answer(200, self.mood.get("emails", mine))


if __name__ == "__main__":
    serve(_GitHub)
