"""GitHub, which speaks OAuth and no OpenID: who signed in is what its API says to the one who holds the token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from adapters.identity import answers
from adapters.identity.line import Line, fetch_token, read, safe
from application.ports import IdentityProvider, SignInStart
from domain.errors import EmailUnverified
from domain.identities import Person

SCOPE = "read:user user:email"
_INVALID = frozenset(("bad_verification_code", "redirect_uri_mismatch", "incorrect_code_verifier", "invalid_grant"))
"""The person's answer is wrong, not our registration; GitHub has words of its own."""


class _User(msgspec.Struct, frozen=True):
    id: int
    login: str
    name: str | None = None


class _Email(msgspec.Struct, frozen=True):
    email: str
    primary: bool
    verified: bool


@dataclass(frozen=True, slots=True)
class GitHub(IdentityProvider):
    """`site` and `api`: addresses; of GitHub Enterprise https://HOST and https://HOST/api/v3.

    Raises ValueError if one of them is spoken to neither by https nor on this machine. GitHub knows no nonce: the state and PKCE
    bind an answer to its beginning, and the redirect's address, which is this provider's alone, to GitHub.
    """

    name: str
    client_id: str
    client_secret: str = field(repr=False)
    site: str
    api: str
    line: Line = field(default_factory=Line)

    def __post_init__(self) -> None:
        for url in (self.site, self.api):
            safe(url)

    async def start(self, redirect_uri: str, max_age: int | None = None) -> SignInStart:
        """GitHub cannot be asked to ask again."""
        begun = answers.Beginning.new()
        async with self.line.opened(self.site, client_id=self.client_id, redirect_uri=redirect_uri, scope=SCOPE) as session:
            url, _ = session.create_authorization_url(
                f"{self.site}/login/oauth/authorize",
                state=begun.state,
                code_verifier=begun.verifier,
                prompt=answers.SELECT_ACCOUNT,
            )
        return begun.at(url)

    async def finish(self, start: SignInStart, redirect_uri: str, answer: Mapping[str, str]) -> Person:
        answers.belongs(start, answer)
        code = answers.code(answer)
        async with self.line.opened(self.site, client_id=self.client_id) as session:
            answered = await fetch_token(
                session,
                f"{self.site}/login/oauth/access_token",
                _INVALID,
                code=code,
                redirect_uri=redirect_uri,
                code_verifier=start.verifier,
                client_secret=self.client_secret,  # in the body, beside the client's id: GitHub documents no other place
            )
            token = answered["access_token"]
            user = await read(session, f"{self.api}/user", _User, token)
            emails = await read(session, f"{self.api}/user/emails?per_page=100", list[_Email], token)
        # the number stays when the person takes another login, which somebody else may then take
        return answers.person(self.name, self.site, str(user.id), _best(emails), user.name or user.login)


def _best(emails: Sequence[_Email]) -> str:
    """The primary address, if it is verified, or else any that is. Raises EmailUnverified."""
    verified = sorted((email for email in emails if email.verified), key=lambda email: not email.primary)
    if not verified:
        raise EmailUnverified
    return verified[0].email
