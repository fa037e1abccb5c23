"""The embedded provider: anybody may say who they are, and nothing else is weaker than at a real one."""

from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlsplit

import pytest

from adapters.identity.sandbox import ASK_SECONDS, CODE_SECONDS, PAGE, SandboxIdentity
from adapters.keyring import Keyring
from application.ports import SignInStart
from domain.errors import EmailUnverified, SignInInvalid
from domain.identities import Person
from tests.programs import KEYRING
from tests.sign_in_process import ADA, NOW, OTHER_REDIRECT, REDIRECT

pytestmark = pytest.mark.anyio


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> SandboxIdentity:
    return SandboxIdentity(Keyring.parse(KEYRING).purpose("sandbox"), clock)


def query(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def says(sandbox: SandboxIdentity, start: SignInStart, name: str = ADA["name"], email: str = ADA["email"]) -> dict[str, str]:
    return query(sandbox.granted(sandbox.asked(query(start.url)), name, email))


async def signs_in(sandbox: SandboxIdentity, name: str = ADA["name"], email: str = ADA["email"]) -> Person:
    start = await sandbox.start(REDIRECT)
    return await sandbox.finish(start, REDIRECT, says(sandbox, start, name, email))


async def test_the_page_is_our_own(sandbox: SandboxIdentity) -> None:
    assert (await sandbox.start(REDIRECT)).url.startswith(f"{PAGE}?")


async def test_capitals_make_nobody_else(sandbox: SandboxIdentity) -> None:
    people = [await signs_in(sandbox, email=email) for email in ("ada@example.test", "Ada@Example.TEST", "eve@example.test")]
    assert people[0].subject == people[1].subject != people[2].subject
    assert "ada" not in people[0].subject


@pytest.mark.parametrize("email", ["", "ada", "ada@", "a b@example.test", "\ud800@b.test", "a" * 250 + "@b.test"])
async def test_what_is_no_address_signs_nobody_in(sandbox: SandboxIdentity, email: str) -> None:
    with pytest.raises(EmailUnverified):
        await signs_in(sandbox, email=email)


@pytest.mark.parametrize(("written", "name"), [("", None), ("\ud800", None), (" Ada\n L. ", "Ada L."), ("x" * 999, "x" * 100)])
async def test_a_name_is_plain_text_or_none(sandbox: SandboxIdentity, written: str, name: str | None) -> None:
    assert (await signs_in(sandbox, name=written)).name == name


@pytest.mark.parametrize(("passed", "is_good"), [(CODE_SECONDS - 1, True), (CODE_SECONDS, False), (-ASK_SECONDS, False)])
async def test_a_code_is_good_for_two_minutes(sandbox: SandboxIdentity, clock: Clock, passed: float, is_good: bool) -> None:
    start = await sandbox.start(REDIRECT)
    answer = says(sandbox, start)
    clock.now += passed
    if is_good:
        await sandbox.finish(start, REDIRECT, answer)
    else:
        with pytest.raises(SignInInvalid):
            await sandbox.finish(start, REDIRECT, answer)


async def test_a_page_is_open_for_ten_minutes(sandbox: SandboxIdentity, clock: Clock) -> None:
    start = await sandbox.start(REDIRECT)
    clock.now += ASK_SECONDS - 1
    says(sandbox, start)
    clock.now += 1
    with pytest.raises(SignInInvalid):
        says(sandbox, start)


@pytest.mark.parametrize("name", ["redirect_uri", "state", "nonce", "code_challenge", "request"])
async def test_an_altered_page_sends_nobody_anywhere(sandbox: SandboxIdentity, name: str) -> None:
    asked = query((await sandbox.start(REDIRECT)).url)
    other = query((await sandbox.start(OTHER_REDIRECT)).url)
    for altered in (asked | {name: other[name]}, {key: value for key, value in asked.items() if key != name}):
        with pytest.raises(SignInInvalid):
            sandbox.asked(altered)


async def test_another_nonce_is_another_sign_in(sandbox: SandboxIdentity) -> None:
    start = await sandbox.start(REDIRECT)
    with pytest.raises(SignInInvalid):
        await sandbox.finish(replace(start, nonce=start.nonce[::-1]), REDIRECT, says(sandbox, start))


async def test_a_page_is_no_code_and_a_code_is_no_page(sandbox: SandboxIdentity) -> None:
    start = await sandbox.start(REDIRECT)
    asked, answer = query(start.url), says(sandbox, start)
    with pytest.raises(SignInInvalid):
        await sandbox.finish(start, REDIRECT, answer | {"code": asked["request"]})
    with pytest.raises(SignInInvalid):
        sandbox.asked(asked | {"request": answer["code"]})


async def test_another_house_is_not_believed(sandbox: SandboxIdentity, clock: Clock) -> None:
    stranger = SandboxIdentity(Keyring.parse(Keyring.generate()).purpose("sandbox"), clock)
    start = await sandbox.start(REDIRECT)
    foreign = await stranger.start(REDIRECT)
    with pytest.raises(SignInInvalid):
        sandbox.asked(query(foreign.url))
    with pytest.raises(SignInInvalid):
        await sandbox.finish(foreign, REDIRECT, says(stranger, foreign))
    await sandbox.finish(start, REDIRECT, says(sandbox, start))


async def test_a_redirect_keeps_its_own_query(sandbox: SandboxIdentity) -> None:
    redirect = f"{REDIRECT}?next=%2Flibrary&empty="
    start = await sandbox.start(redirect)
    back = sandbox.granted(sandbox.asked(query(start.url)), "Ada", ADA["email"])
    assert back.startswith(f"{redirect}&code=")


async def test_spent_codes_are_forgotten_in_time(sandbox: SandboxIdentity, clock: Clock) -> None:
    for _ in range(3):
        await signs_in(sandbox)
        clock.now += CODE_SECONDS
    assert len(sandbox._spent) == 1
