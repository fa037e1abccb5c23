"""The promises of the port, kept by every provider: real protocols against processes of their own, and the embedded one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from adapters.identity.github import GitHub
from adapters.identity.line import Line
from adapters.identity.oidc import OpenIdConnect
from adapters.identity.sandbox import SandboxIdentity
from adapters.keyring import Keyring
from application.ports import IdentityProvider, SignInStart
from domain.errors import SignInDenied, SignInInvalid
from domain.identities import Person
from tests.github_provider import github_provider
from tests.openid_provider import openid_provider
from tests.programs import KEYRING
from tests.sign_in_process import ADA, CLIENT, NOW, OTHER_REDIRECT, PATIENT, REDIRECT, SECRET, Process

pytestmark = pytest.mark.anyio
Answer = dict[str, str]


@dataclass(frozen=True)
class House:
    """`visit`: what Ada is sent back with, or (False) does who says no; `another`: an adapter of another process of ours."""

    provider: IdentityProvider
    another: IdentityProvider
    visit: Callable[[str, bool], Answer]


@pytest.fixture(scope="module", params=["openid", "github", "sandbox"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from _HOUSES[request.param](tmp_path_factory.mktemp(request.param))


def _openid(folder: Path) -> Iterator[House]:
    with openid_provider(folder) as op:
        one = OpenIdConnect("the-provider", op.url, CLIENT, SECRET, lambda: NOW, Line(PATIENT))
        yield House(one, replace(one), _visit(op))
        assert not op.complaints()


def _github(folder: Path) -> Iterator[House]:
    with github_provider(folder) as github:
        one = GitHub("the-provider", CLIENT, SECRET, github.url, github.api, Line(PATIENT))
        yield House(one, replace(one), _visit(github))
        assert not github.complaints()


def _sandbox(folder: Path) -> Iterator[House]:
    one, another = (SandboxIdentity(Keyring.parse(KEYRING).purpose("sandbox"), lambda: NOW, "the-provider") for _ in range(2))

    def visit(url: str, signs_in: bool) -> Answer:
        asked = another.asked(dict(parse_qsl(urlsplit(url).query)))
        back = another.granted(asked, ADA["name"], ADA["email"]) if signs_in else another.denied(asked)
        assert back.startswith(f"{REDIRECT}?")
        return dict(parse_qsl(urlsplit(back).query))

    yield House(one, another, visit)


_HOUSES = {"openid": _openid, "github": _github, "sandbox": _sandbox}


def _visit(process: Process) -> Callable[[str, bool], Answer]:
    def visit(url: str, signs_in: bool) -> Answer:
        process.mood(fault=None if signs_in else "denied")
        return process.visit(url)

    return visit


async def begin(house: House) -> tuple[SignInStart, Answer]:
    start = await house.provider.start(REDIRECT)
    return start, house.visit(start.url, True)


async def test_a_person_signs_in(house: House) -> None:
    start, answer = await begin(house)
    person = await house.provider.finish(start, REDIRECT, answer)
    assert person == Person("the-provider", person.subject, ADA["email"], ADA["name"])


async def test_a_person_keeps_their_subject(house: House) -> None:
    people = [await house.provider.finish(start, REDIRECT, answer) for start, answer in [await begin(house), await begin(house)]]
    assert people[0].subject == people[1].subject


async def test_another_process_finishes_what_one_began(house: House) -> None:
    start, answer = await begin(house)
    assert (await house.another.finish(start, REDIRECT, answer)).email == ADA["email"]


async def test_who_says_no_is_not_signed_in(house: House) -> None:
    start = await house.provider.start(REDIRECT)
    with pytest.raises(SignInDenied):
        await house.provider.finish(start, REDIRECT, house.visit(start.url, False))


async def test_no_two_sign_ins_begin_alike(house: House) -> None:
    one, other = await house.provider.start(REDIRECT), await house.provider.start(REDIRECT)
    secrets = {one.state, one.nonce, one.verifier, other.state, other.nonce, other.verifier}
    assert len(secrets) == 6
    assert all(len(secret) >= 43 for secret in secrets)


async def test_the_verifier_stays_here(house: House) -> None:
    start, answer = await begin(house)
    assert start.verifier not in start.url
    assert start.verifier not in str(answer)
    asked = parse_qs(urlsplit(start.url).query)
    assert asked["redirect_uri"] == [REDIRECT]
    assert asked["code_challenge_method"] == ["S256"]


async def test_an_answer_is_good_once(house: House) -> None:
    start, answer = await begin(house)
    await house.provider.finish(start, REDIRECT, answer)
    with pytest.raises(SignInInvalid):
        await house.provider.finish(start, REDIRECT, answer)


@pytest.mark.parametrize("state", [None, "", "another", "\N{SNOWMAN}", "\ud800"])
async def test_an_altered_state_is_refused(house: House, state: str | None) -> None:
    start, answer = await begin(house)
    del answer["state"]
    with pytest.raises(SignInInvalid):
        await house.provider.finish(start, REDIRECT, answer if state is None else answer | {"state": state})


async def test_a_beginning_without_a_state_has_no_end(house: House) -> None:
    start, answer = await begin(house)
    with pytest.raises(SignInInvalid):
        await house.provider.finish(replace(start, state=""), REDIRECT, answer | {"state": ""})


async def test_an_altered_verifier_is_refused(house: House) -> None:
    start, answer = await begin(house)
    with pytest.raises(SignInInvalid):
        await house.provider.finish(replace(start, verifier=start.verifier[::-1]), REDIRECT, answer)


async def test_another_redirect_is_refused(house: House) -> None:
    start, answer = await begin(house)
    with pytest.raises(SignInInvalid):
        await house.provider.finish(start, OTHER_REDIRECT, answer)


async def test_an_answer_of_another_sign_in_is_refused(house: House) -> None:
    start, answer = await begin(house)
    _, other_answer = await begin(house)
    with pytest.raises(SignInInvalid):
        await house.provider.finish(start, REDIRECT, other_answer)
    with pytest.raises(SignInInvalid):
        await house.provider.finish(start, REDIRECT, answer | {"code": other_answer["code"]})


async def test_an_altered_code_is_refused(house: House) -> None:
    start, answer = await begin(house)
    for code in (answer["code"][:-4], "x" + answer["code"], answer["code"][::-1], "", "...", "\N{SNOWMAN}"):
        with pytest.raises(SignInInvalid):
            await house.provider.finish(start, REDIRECT, answer | {"code": code})


async def test_an_answer_with_nothing_in_it_is_refused(house: House) -> None:
    start, answer = await begin(house)
    del answer["code"]
    for empty in ({}, answer):
        with pytest.raises(SignInInvalid):
            await house.provider.finish(start, REDIRECT, empty)
