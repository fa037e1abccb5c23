"""Who GitHub says somebody is, and what becomes of a GitHub that says nothing sensible."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from adapters.identity.github import GitHub
from adapters.identity.line import Line
from domain.errors import EmailUnverified, ProviderUnavailable, SignInInvalid
from domain.identities import Person
from tests.github_provider import GitHubProvider, address, github_provider
from tests.sign_in_process import ADA, CLIENT, NOW, PATIENT, REDIRECT, SECRET

pytestmark = pytest.mark.anyio
TOKEN, USER, EMAILS = "/login/oauth/access_token", "/api/v3/user", "/api/v3/user/emails"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHubProvider]:
    with github_provider(tmp_path_factory.mktemp("github")) as running:
        yield running
        assert not running.complaints()


@pytest.fixture(scope="module")
def trust() -> Line:
    return Line(PATIENT)


@pytest.fixture
def github(running: GitHubProvider) -> GitHubProvider:
    running.mood()
    running.forget()
    return running


@pytest.fixture
def adapter(github: GitHubProvider, trust: Line) -> GitHub:
    return GitHub("github", CLIENT, SECRET, github.url, github.api, trust)


def ada(adapter: GitHub) -> Person:
    return Person("github", f"{adapter.site} {ADA['sub']}", ADA["email"], ADA["name"])


async def sign_in(adapter: GitHub, github: GitHubProvider) -> Person:
    start = await adapter.start(REDIRECT)
    return await adapter.finish(start, REDIRECT, github.visit(start.url))


async def test_github_is_asked_for_what_a_sign_in_needs_and_no_more(adapter: GitHub, github: GitHubProvider) -> None:
    start = await adapter.start(REDIRECT)
    asked = parse_qs(urlsplit(start.url).query)
    assert asked["scope"] == ["read:user user:email"]
    assert asked["prompt"] == ["select_account"], "nobody is signed in by a link alone"
    assert SECRET not in start.url + repr(adapter)
    assert not github.requests(), "beginning needs nothing of GitHub"


async def test_the_token_goes_to_the_api_only_and_the_secret_nowhere_else(adapter: GitHub, github: GitHubProvider) -> None:
    assert await sign_in(adapter, github) == ada(adapter)
    asked = {said["path"]: said for said in github.requests()}
    assert set(asked) == {"/login/oauth/authorize", TOKEN, USER, EMAILS}
    code, token = github.issued()
    exchange = asked.pop(TOKEN)
    assert "authorization" not in exchange["headers"]
    assert exchange["query"] == ""
    everything = json.dumps(list(asked.values()))
    assert code not in everything
    assert SECRET not in everything
    assert "client_secret" not in everything
    for path in (USER, EMAILS):
        assert asked[path]["headers"].pop("authorization") == f"Bearer {token}"
    assert token not in json.dumps(list(asked.values()))


@pytest.mark.parametrize(
    ("emails", "email"),
    [
        ([address("a@b.test"), address("main@b.test", primary=True)], "main@b.test"),
        ([address("main@b.test", primary=True, verified=False), address("c@b.test"), address("d@b.test")], "c@b.test"),
    ],
)
async def test_the_primary_address_counts_or_another_verified_one(
    adapter: GitHub, github: GitHubProvider, emails: list[dict[str, Any]], email: str
) -> None:
    github.mood(emails=emails)
    assert (await sign_in(adapter, github)).email == email


@pytest.mark.parametrize("emails", [[], [address("main@b.test", primary=True, verified=False)]])
async def test_no_verified_address_signs_nobody_in(adapter: GitHub, github: GitHubProvider, emails: list[dict[str, Any]]) -> None:
    github.mood(emails=emails)
    with pytest.raises(EmailUnverified):
        await sign_in(adapter, github)


async def test_another_login_is_the_same_person(adapter: GitHub, github: GitHubProvider) -> None:
    github.mood(login="lovelace")
    assert await sign_in(adapter, github) == ada(adapter)


@pytest.mark.parametrize("name", [None, ""])
async def test_who_has_no_name_is_called_by_their_login(adapter: GitHub, github: GitHubProvider, name: str | None) -> None:
    github.mood(name=name)
    assert (await sign_in(adapter, github)).name == "ada"


async def test_a_code_is_worth_nothing_after_its_time(adapter: GitHub, github: GitHubProvider) -> None:
    start = await adapter.start(REDIRECT)
    answer = github.visit(start.url)
    github.mood(now=NOW + 600)
    with pytest.raises(SignInInvalid):
        await adapter.finish(start, REDIRECT, answer)


async def test_a_github_that_does_not_know_us_is_not_the_persons_fault(adapter: GitHub, github: GitHubProvider) -> None:
    with pytest.raises(ProviderUnavailable):
        await sign_in(replace(adapter, client_secret="another"), github)


@pytest.mark.parametrize("place", [TOKEN, USER, EMAILS])
@pytest.mark.parametrize("fault", ["500", "rate-limited", "redirects", "endless", "packed", "not-json", "deep-json", "list-json"])
async def test_an_answer_of_no_sense_is_none(adapter: GitHub, github: GitHubProvider, place: str, fault: str) -> None:
    start = await adapter.start(REDIRECT)
    answer = github.visit(start.url)
    github.mood(fault=fault, at=place)
    with pytest.raises(EmailUnverified if (place, fault) == (EMAILS, "list-json") else ProviderUnavailable):
        await adapter.finish(start, REDIRECT, answer)
    assert len(github.requests(place)) == 1


def test_github_is_spoken_to_by_https_only() -> None:
    for site, api in (("http://github.example", "https://api.github.com"), ("https://github.com", "http://api.example")):
        with pytest.raises(ValueError, match="https"):
            GitHub("github", CLIENT, SECRET, site, api)
