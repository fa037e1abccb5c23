"""What an OpenID provider is asked, and what is believed of its answers and of what it says of a person."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from adapters.identity.discovery import SECONDS
from adapters.identity.line import Line
from adapters.identity.oidc import OpenIdConnect
from application.ports import SignInStart
from domain.errors import EmailUnverified, ProviderUnavailable, SignInDenied, SignInInvalid
from tests.openid_provider import OpenIdProvider
from tests.openid_stage import DISCOVERY, JWKS, TOKEN, USERINFO, Clock, ada, sign_in
from tests.sign_in_process import CLIENT, NOW, REDIRECT, SECRET

pytestmark = pytest.mark.anyio


# What is asked


async def test_the_provider_is_asked_for_the_code_flow_and_for_three_scopes_only(adapter: OpenIdConnect) -> None:
    start = await adapter.start(REDIRECT)
    asked = {name: values for name, [*values] in parse_qs(urlsplit(start.url).query).items()}
    assert asked.pop("code_challenge") != [start.verifier]
    assert asked == {
        "response_type": ["code"],
        "client_id": [CLIENT],
        "redirect_uri": [REDIRECT],
        "scope": ["openid email profile"],
        "state": [start.state],
        "nonce": [start.nonce],
        "code_challenge_method": ["S256"],
        "prompt": ["select_account"],
    }


def wishes(start: SignInStart) -> dict[str, str]:
    return {name: value for name, value in parse_qsl(urlsplit(start.url).query) if name in ("prompt", "max_age")}


async def test_nobody_is_signed_in_by_a_link_alone_where_the_provider_can_ask(
    adapter: OpenIdConnect, op: OpenIdProvider, trust: Line, clock: Clock
) -> None:
    assert wishes(await adapter.start(REDIRECT)) == {"prompt": "select_account"}
    for prompts, asked in ((["none", "select_account"], {"prompt": "select_account"}), (["none", "login"], {}), ([], {})):
        op.mood(prompts=prompts)
        another = OpenIdConnect("op", op.url, CLIENT, SECRET, clock, trust)
        assert wishes(await another.start(REDIRECT)) == asked


async def test_for_a_fresh_sign_in_the_provider_is_asked_to_ask_again(adapter: OpenIdConnect) -> None:
    assert wishes(await adapter.start(REDIRECT, 900)) == {"prompt": "select_account", "max_age": "900"}


@pytest.mark.parametrize(("told", "seconds"), [(NOW - 86_400.0, -86_400), (int(NOW), 0), (NOW + 59, 0), (2**70, 0), (0, -NOW)])
async def test_when_the_provider_asked_is_its_word_and_never_in_the_future(
    adapter: OpenIdConnect, op: OpenIdProvider, told: float, seconds: float
) -> None:
    op.mood(auth_time=told)
    person = await sign_in(adapter, op)
    assert person == replace(ada(adapter), authenticated_at=datetime.fromtimestamp(NOW + seconds, UTC))
    op.mood()
    assert (await sign_in(adapter, op)).authenticated_at is None, "it does not tell"


@pytest.mark.parametrize("told", ["yesterday", -1, True, [NOW]])
async def test_a_time_that_is_none_makes_the_token_none(adapter: OpenIdConnect, op: OpenIdProvider, told: object) -> None:
    op.mood(auth_time=told)
    with pytest.raises(SignInInvalid):
        await sign_in(adapter, op)


async def test_the_secret_goes_to_the_token_endpoint_and_a_token_to_nobody(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    await sign_in(adapter, op)
    asked = {said["path"]: said for said in op.requests()}
    assert set(asked) == {DISCOVERY, "/authorize", TOKEN, JWKS}
    code, *tokens = op.issued()
    assert code in asked[TOKEN]["body"]
    assert "authorization" in asked[TOKEN]["headers"]
    for path in (DISCOVERY, JWKS):
        assert not {"authorization", "cookie", "referer"} & set(asked[path]["headers"])
        assert not asked[path]["body"] + asked[path]["query"]
    everything = json.dumps(list(asked.values()))
    assert not any(token in everything for token in tokens)
    assert SECRET not in everything


async def test_the_provider_is_not_asked_twice_for_what_it_said(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    for _ in range(3):
        await sign_in(adapter, op)
    assert [said["path"] for said in op.requests() if said["path"] in (DISCOVERY, JWKS)] == [DISCOVERY, JWKS]


async def test_many_who_sign_in_at_once_ask_for_the_discovery_once(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    await asyncio.gather(*(adapter.start(REDIRECT) for _ in range(8)))
    assert len(op.requests(DISCOVERY)) == 1


@pytest.mark.parametrize("passed", [SECONDS, -1.0])
async def test_what_the_provider_said_is_asked_again_in_time(
    adapter: OpenIdConnect, op: OpenIdProvider, clock: Clock, passed: float
) -> None:
    await sign_in(adapter, op)
    clock.now += passed
    op.mood(now=clock.now)
    await sign_in(adapter, op)
    assert len(op.requests(DISCOVERY)) == len(op.requests(JWKS)) == 2


def test_a_provider_is_spoken_to_by_https_only(trust: Line, clock: Clock) -> None:
    for issuer in ("http://op.example", "ftp://127.0.0.1", "https://user@op.example", "op.example", ""):
        with pytest.raises(ValueError, match="https"):
            OpenIdConnect("op", issuer, CLIENT, SECRET, clock, trust)


# The answer


async def test_a_busy_provider_has_denied_nothing(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    op.mood(fault="busy")
    with pytest.raises(ProviderUnavailable):
        await sign_in(adapter, op)


@pytest.mark.parametrize("fault", ["wrong-answer-issuer", "no-answer-issuer"])
async def test_an_answer_that_does_not_name_its_issuer_is_refused(adapter: OpenIdConnect, op: OpenIdProvider, fault: str) -> None:
    op.mood(fault=fault)
    with pytest.raises(SignInInvalid):
        await sign_in(adapter, op)
    assert not op.requests(TOKEN)


async def test_a_provider_that_never_names_itself_is_believed(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    op.mood(names_issuer=False)
    assert await sign_in(adapter, op) == ada(adapter)


async def test_a_denial_of_another_sign_in_is_not_believed(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    op.mood(fault="denied")
    start = await adapter.start(REDIRECT)
    answer = op.visit(start.url)
    with pytest.raises(SignInInvalid):
        await adapter.finish(start, REDIRECT, answer | {"state": "another"})
    with pytest.raises(SignInInvalid):
        await adapter.finish(start, REDIRECT, answer | {"iss": "https://other.example"})
    with pytest.raises(SignInDenied):
        await adapter.finish(start, REDIRECT, answer)


async def test_answers_of_two_providers_cannot_be_mixed_up(
    adapter: OpenIdConnect, op: OpenIdProvider, another: OpenIdProvider, trust: Line, clock: Clock
) -> None:
    """A hostile provider sends a person on to the honest one, with the state that was meant for itself."""
    hostile = OpenIdConnect("another", another.url, CLIENT, SECRET, clock, trust)
    begun_there = await hostile.start(REDIRECT)
    begun_here = await adapter.start(REDIRECT)
    stolen = op.visit(begun_here.url.replace(begun_here.state, begun_there.state))
    with pytest.raises(SignInInvalid):
        await hostile.finish(begun_there, REDIRECT, stolen)
    assert not another.requests(TOKEN), "the honest provider's code is not given away"
    with pytest.raises(SignInInvalid):
        await adapter.finish(begun_here, REDIRECT, another.visit(begun_there.url))


async def test_a_code_is_worth_nothing_after_its_time(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    start = await adapter.start(REDIRECT)
    answer = op.visit(start.url)
    op.mood(now=NOW + 60)
    with pytest.raises(SignInInvalid):
        await adapter.finish(start, REDIRECT, answer)


@pytest.mark.parametrize("code", ["", "c\N{LATIN SMALL LETTER O WITH DIAERESIS}de", "c\n", "\ud800", "c" * 4097])
async def test_what_cannot_be_a_code_is_sent_nowhere(adapter: OpenIdConnect, op: OpenIdProvider, code: str) -> None:
    start = await adapter.start(REDIRECT)
    with pytest.raises(SignInInvalid):
        await adapter.finish(start, REDIRECT, op.visit(start.url) | {"code": code})
    assert not op.requests(TOKEN)


# The person


@pytest.mark.parametrize("verified", [False, "false", None, "yes", ""])
@pytest.mark.parametrize("fault", [None, "e-mail-in-userinfo"])
async def test_an_unverified_address_signs_nobody_in(
    adapter: OpenIdConnect, op: OpenIdProvider, verified: Any, fault: str | None
) -> None:
    op.mood(email_verified=verified, fault=fault)
    with pytest.raises(EmailUnverified):
        await sign_in(adapter, op)


async def test_verified_may_be_a_word(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    op.mood(email_verified="true")
    assert await sign_in(adapter, op) == ada(adapter)


@pytest.mark.parametrize(
    "email", [None, "", "ada", "ada@", "a b@example.test", "a\N{NO-BREAK SPACE}@b.test", "a" * 250 + "@b.test"]
)
async def test_who_has_no_address_cannot_sign_in(adapter: OpenIdConnect, op: OpenIdProvider, email: str | None) -> None:
    op.mood(email=email)
    with pytest.raises(EmailUnverified):
        await sign_in(adapter, op)


async def test_userinfo_is_asked_only_for_an_address_that_the_token_lacks(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    assert await sign_in(adapter, op) == ada(adapter)
    assert not op.requests(USERINFO)
    op.mood(fault="e-mail-in-userinfo")
    assert await sign_in(adapter, op) == ada(adapter)
    assert len(op.requests(USERINFO)) == 1


async def test_userinfo_of_somebody_else_is_refused(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    op.mood(fault="other-subject")
    with pytest.raises(SignInInvalid):
        await sign_in(adapter, op)


@pytest.mark.parametrize(
    ("written", "name"),
    [(None, None), ("  ", None), ("Ada\n\0 L.", "Ada L."), ("x" * 500, "x" * 100), ("\u202eada", "ada")],
)
async def test_a_name_is_plain_text_or_none(
    adapter: OpenIdConnect, op: OpenIdProvider, written: str | None, name: str | None
) -> None:
    op.mood(name=written)
    assert (await sign_in(adapter, op)).name == name
