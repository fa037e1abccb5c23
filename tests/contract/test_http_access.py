"""Who may call, by way of HTTP: every route, by what it declares in code, against every credential and every kind of id.

A new route is covered by itself; one that names things of a new kind fails until there are such things here.
"""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler

from domain.accounts import Mode, Scope
from domain.api_keys import write_key
from entrypoints.http.auth import Person, access_of
from entrypoints.http.cookies import SAFE
from tests.http_house import House, check_problem
from tests.http_routes import GUARDED, at, method_of, parameter_of
from tests.kill_matrix import a_png
from tests.people import Resident, resident, signed_in
from tests.world import new_id

BODIES: dict[str, dict[str, Any]] = {
    "changeWebhookEndpoint": {"json": {"enabled": True}},
    "changeGeneration": {"json": {"favourite": True}},
    "changeCollection": {"json": {"name": "ships"}},
    "putCollectionItem": {"json": {}},
}
"""Of routes that name a thing and read what is to become of it."""
WITH_ID = [(path, handler) for path, handler in GUARDED if "_id}" in path]


def named(cases: list[tuple[str, HTTPRouteHandler]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("path", "handler"), cases, ids=[str(handler.operation_id) for _, handler in cases])


@dataclass(frozen=True, slots=True)
class Owned:
    """What an account owns, by the name of the parameter that names it and by mode; None: things that stand in no mode."""

    owner: Resident
    things: dict[tuple[str, Mode | None], list[str]]

    def ids(self, path: str, mode: Mode | None = None) -> list[str]:
        """Of the kind that this path names. A new kind of id needs things of its own here."""
        parameter = parameter_of(path)
        found = self.things.get((parameter, mode), []) + (self.things.get((parameter, None), []) if mode else [])
        assert any(known == parameter for known, _ in self.things), f"nothing here is named by {parameter}"
        return found


@pytest.fixture(scope="module")
def owned(served: House) -> Iterator[Owned]:
    with resident(str(served.client.base_url)) as owner:
        things: dict[tuple[str, Mode | None], list[str]] = {}
        for mode in Mode:
            made, upload = owner.picture(mode), owner.upload(mode, a_png())
            things["generation_id", mode] = [made["id"]]
            things["upload_id", mode] = [owner.send(mode, a_png())]
            things["asset_id", mode] = [upload, made["assets"][0]["id"]]
            things["collection_id", mode] = [owner.collection(mode, made["id"])]
            things["archive_id", mode] = [owner.archive(mode, upload)]
        hooks = [owner.hook(mode) for mode in Mode]
        things["endpoint_id", None] = [endpoint for endpoint, _ in hooks]
        things["delivery_id", None] = [delivery for _, delivery in hooks]
        things["key_id", None] = [key["id"] for key in owner.http.get("/v1/api-keys").json()["data"]]
        things["session_id", None] = [session["id"] for session in owner.http.get("/v1/sessions").json()["data"]]
        things["identity_id", None] = [identity["id"] for identity in owner.http.get("/v1/me").json()["identities"]]
        yield Owned(owner, things)


@pytest.fixture(scope="module")
def stranger(served: House) -> Iterator[Resident]:
    with resident(str(served.client.base_url)) as other:
        yield other


@pytest.fixture
def browser(served: House) -> Iterator[httpx.Client]:
    with signed_in(str(served.client.base_url)) as other:
        yield other


def alike(one: httpx.Response, other: httpx.Response, ids: tuple[str, str]) -> bool:
    """Byte for byte, but for what each call has of its own: the request's id, the date, and the id that was asked for."""
    own = {"x-request-id", "date", "content-length", "ratelimit"}
    headers = [{name: value for name, value in answer.headers.items() if name not in own} for answer in (one, other)]
    return headers[0] == headers[1] and one.content.replace(ids[0].encode(), ids[1].encode()) == other.content


BAD: dict[str, Callable[[Owned], list[tuple[str, str]]]] = {
    "no key": lambda owned: [],
    "an empty one": lambda owned: [("Authorization", "")],
    "a garbled one": lambda owned: [("Authorization", f"Bearer {garbled(owned.owner.keys[Mode.TEST])}")],
    "one nobody has": lambda owned: [("Authorization", f"Bearer {write_key(Mode.TEST, bytes(24))}")],
    "another scheme": lambda owned: [("Authorization", f"Basic {owned.owner.keys[Mode.TEST]}")],
    "the key twice": lambda owned: [("Authorization", f"Bearer {owned.owner.keys[Mode.TEST]}")] * 2,
    "the key alone": lambda owned: [("Authorization", owned.owner.keys[Mode.TEST])],
    "a key in a cookie": lambda owned: [("Cookie", f"session={owned.owner.keys[Mode.TEST]}")],
    "a session nobody has": lambda owned: [("Cookie", f"session={'a' * 43}")],
    "an empty session": lambda owned: [("Cookie", "session=")],
    "a session as a key": lambda owned: [("Authorization", f"Bearer {owned.owner.http.cookies['session']}")],
    "a session under the other name": lambda owned: [("Cookie", f"__Host-session={owned.owner.http.cookies['session']}")],
}


def garbled(key: str) -> str:
    return key[:-1] + ("A" if key[-1] != "A" else "B")


def test_every_kind_of_id_has_things_of_its_own(owned: Owned) -> None:
    for path, _ in WITH_ID:
        assert any(owned.ids(path, mode) for mode in (None, *Mode)), path


@pytest.mark.parametrize("case", BAD)
def test_without_a_good_credential_nobody_is_served(served: House, owned: Owned, case: str) -> None:
    for path, handler in GUARDED:
        there = next((ids[0] for mode in (Mode.TEST, None) if "_id}" in path and (ids := owned.ids(path, mode))), None)
        answer = served.client.request(method_of(handler), at(path, there), headers=BAD[case](owned))
        check_problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert owned.owner.keys[Mode.TEST] not in answer.text


@pytest.mark.parametrize("scope", Scope)
def test_a_key_opens_what_its_scope_covers_and_nothing_else(served: House, owned: Owned, scope: Scope) -> None:
    key = owned.owner.make_key(Mode.TEST, [scope])
    headers, opened = {"Authorization": f"Bearer {key['secret']}"}, 0
    for path, handler in GUARDED:
        answer, needed = served.client.request(method_of(handler), at(path), headers=headers), access_of(handler)
        if isinstance(needed, Person):
            check_problem(answer, 403, "session-needed")
        elif needed is scope:
            assert answer.status_code not in (401, 403)
            opened += 1
        else:
            check_problem(answer, 403, "missing-scope", scope=needed)
    assert opened


@named(WITH_ID)
def test_somebody_elses_thing_looks_like_a_missing_one(
    owned: Owned, stranger: Resident, served: House, path: str, handler: HTTPRouteHandler
) -> None:
    """To a stranger by every credential, and to the owner's own key of the other mode."""
    tried = 0
    for mode, client, headers in credentials(owned, stranger, served, handler):
        for there in owned.ids(path, mode):
            missing = str(new_id())
            second = {
                "delivery_id": owned.things["delivery_id", None][0],
                "generation_id": owned.things["generation_id", Mode.TEST][0],
            }
            body = BODIES.get(str(handler.operation_id), {})
            said = [client.request(method_of(handler), at(path, id, second), headers=headers, **body) for id in (there, missing)]
            check_problem(said[0], 404, "not-found")
            assert alike(said[0], said[1], (there, missing))
            tried += 1
    assert tried >= 1


def credentials(
    owned: Owned, stranger: Resident, served: House, handler: HTTPRouteHandler
) -> Iterator[tuple[Mode, httpx.Client, dict[str, str]]]:
    """Of which mode the things are that must not be found, and who looks for them."""
    for mode in Mode:
        yield mode, stranger.http, {}
        if not isinstance(access_of(handler), Person):
            for other in Mode:
                yield mode, served.client, stranger.bearer(other)
            yield mode, served.client, owned.owner.bearer(Mode.LIVE if mode is Mode.TEST else Mode.TEST)
    if not isinstance(access_of(handler), Person):
        yield Mode.TEST, owned.owner.http, {}  # a session acts live


ELSEWHERE: dict[str, Callable[[str, str], tuple[str, dict[str, Any]]]] = {
    "images": lambda mine, id: ("/v1/generations", {"images": [id]}),
    "later images": lambda mine, id: ("/v1/generations", {"images": [mine, id]}),
    "quoted images": lambda mine, id: ("/v1/quotes", {"images": [id]}),
    "mask": lambda mine, id: ("/v1/generations", {"images": [mine], "mask": id}),
    "parent": lambda mine, id: ("/v1/generations", {"parent": id}),
}
"""Ids that are named in a body, beside a picture of one's own."""


@pytest.mark.parametrize("where", ELSEWHERE)
def test_somebody_elses_thing_cannot_be_used(served: House, owned: Owned, stranger: Resident, where: str) -> None:
    parameter = "generation_id" if where == "parent" else "asset_id"
    for mode, things in itertools.product(Mode, Mode):
        for who in (stranger, *([owned.owner] if mode is not things else [])):
            mine, missing = who.upload(mode, a_png()), str(new_id())
            there, before = owned.things[parameter, things][0], who.http.get("/v1/credits").json()
            said = []
            for id in (there, missing):
                route, body = ELSEWHERE[where](mine, id)
                said.append(served.client.post(route, headers=who.bearer(mode), json={"prompt": "a boat"} | body))
            check_problem(said[0], 404, "not-found")
            assert alike(said[0], said[1], (there, missing))
            assert who.http.get("/v1/credits").json() == before


def test_lists_hold_only_what_is_mine(served: House, owned: Owned, stranger: Resident) -> None:
    theirs = {id for ids in owned.things.values() for id in ids}
    clients = [(stranger.http, {}), *((served.client, stranger.bearer(mode)) for mode in Mode)]
    of_keys = ("/v1/generations", "/v1/media", "/v1/collections")
    for path in (*of_keys, "/v1/api-keys", "/v1/sessions", "/v1/webhook-endpoints"):
        for client, headers in clients if path in of_keys else clients[:1]:
            answer = client.get(path, headers=headers)
            assert answer.status_code == 200, answer.text
            assert theirs.isdisjoint(row["id"] for row in answer.json()["data"])
    for mode in Mode:
        moved = served.client.get(
            "/v1/credits/transfers",
            headers=stranger.bearer(mode),
            params={"generation": owned.things["generation_id", Mode.TEST][0]},
        )
        assert moved.json()["data"] == []


def test_what_cannot_be_undone_wants_a_fresh_sign_in(served: House, browser: httpx.Client) -> None:
    account = browser.get("/v1/me").json()["id"]
    served.execute("UPDATE sessions SET signed_in_at = signed_in_at - interval '16 minutes' WHERE account_id = %s", account)
    signs_out = ("signOut", "endEverySession")
    for path, handler in sorted(GUARDED, key=lambda route: route[1].operation_id in signs_out):
        answer = browser.request(method_of(handler), at(path))
        if access_of(handler) is Person.FRESH:
            check_problem(answer, 403, "fresh-sign-in-needed")
        else:
            assert handler.operation_id == signs_out[1] or answer.status_code not in (401, 403), path


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}], ids=str
)
def test_another_sites_page_changes_nothing(browser: httpx.Client, headers: dict[str, str]) -> None:
    for path, handler in GUARDED:
        if method_of(handler) not in SAFE:
            check_problem(browser.request(method_of(handler), at(path), headers=headers), 403, "cross-origin")
    assert browser.get("/v1/me").status_code == 200


def test_a_revoked_key_is_refused_within_two_seconds(served: House) -> None:
    who = served.customer()
    assert served.client.get("/v1/credits", headers=who.headers).status_code == 200
    served.execute("UPDATE api_keys SET revoked_at = now() WHERE account_id = %s", who.account)
    until = time.monotonic() + 2
    while (answer := served.client.get("/v1/credits", headers=who.headers)).status_code == 200:
        assert time.monotonic() < until, "a revoked key is still good"
    check_problem(answer, 401, "unauthenticated")
