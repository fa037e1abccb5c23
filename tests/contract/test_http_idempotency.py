"""The caller's own key for a request that creates, clause by clause, on each route that takes one."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import psycopg
import pytest

from application.credits import GrantCredits
from domain.accounts import Mode, Staff
from domain.limits import LIMITS
from tests.creating import BOAT, CREATING, generation
from tests.creating_request import Creating
from tests.http_house import House, check_problem
from tests.people import resident
from tests.processes import until
from tests.world import REASON

LONGEST = LIMITS["idempotency_key_characters"]
EVERY_ONE = "".join(map(chr, range(0x20, 0x7F))).strip()
"""Every printable character of ASCII; spaces at its ends are not part of a header."""


@pytest.fixture(params=CREATING)
def creating(request: pytest.FixtureRequest, served: House) -> Iterator[Creating]:
    with ExitStack() as stack:
        yield CREATING[request.param](served, stack)


def same(creating: Creating, key: str | bytes, thing: str, status: int, body: bytes | None = None) -> None:
    """Asked again, it answers the same thing; or, if that has a secret, which it is."""
    again = creating(key, body)
    if creating.secret:
        creating.check_refused(again, 409, "already-created", id=thing)
        assert "secret" not in again.json()
    else:
        assert (again.status_code, creating.thing(again)) == (status, thing), again.text


def test_the_same_key_with_the_same_body_answers_the_same_thing_rendered_anew(creating: Creating) -> None:
    first = creating("again")
    assert first.status_code in (200, 201, 202), first.text
    same(creating, "again", creating.thing(first), first.status_code)
    assert creating.made() == 1


def test_neither_spaces_nor_the_order_of_fields_make_another_body(creating: Creating) -> None:
    first = creating("spaces")
    same(creating, "spaces", creating.thing(first), first.status_code, creating.written(otherwise=True))
    assert creating.made() == 1


def test_another_body_under_the_key_is_refused_and_the_first_still_answered(creating: Creating) -> None:
    first = creating("other")
    creating.check_refused(creating("other", creating.other), 422, "idempotency-mismatch")
    same(creating, "other", creating.thing(first), first.status_code)
    assert creating.made() == 1


@pytest.mark.parametrize("keys", [("a", "A"), (None, None)], ids=["another", "none"])
def test_another_key_or_none_makes_another_thing(creating: Creating, keys: tuple[str | None, ...]) -> None:
    things = {creating.thing(creating(key)) for key in keys}
    assert (len(things), creating.made()) == (2, 2)


@pytest.mark.parametrize("key", ["!", "~" * LONGEST, EVERY_ONE], ids=["shortest", "longest", "every character"])
def test_a_key_is_of_1_to_255_printable_characters_of_ascii(creating: Creating, key: str) -> None:
    first = creating(key)
    assert first.status_code in (200, 201, 202), first.text
    same(creating, key, creating.thing(first), first.status_code)


GARBAGE: dict[str, str | bytes] = {
    "empty": "",
    "too long": "x" * (LONGEST + 1),
    "far too long": "x" * 8_000,
    "not ASCII": "clé".encode("latin-1"),
    "in UTF-8": "鍵".encode(),
    "a tab": b"a\tb",
    "an escape": b"a\x1b[2Jb",
    "a delete": b"a\x7fb",
    "a card number": "4242 4242 4242 4242",
}


def test_any_other_key_is_refused_and_makes_nothing(creating: Creating) -> None:
    for case, key in GARBAGE.items():
        answer = creating(key)
        problem = "card-number-refused" if case == "a card number" else "invalid-text"
        if answer.headers.get("content-type", "").startswith("text/plain"):  # what no HTTP server lets through
            assert (case, answer.status_code) in (("an escape", 400), ("a delete", 400))
            continue
        creating.check_refused(answer, 400, problem, field="Idempotency-Key")
        assert "4242" not in answer.text
    assert creating.made() == 0


def test_a_key_that_comes_twice_is_refused(creating: Creating) -> None:
    answer = creating.client.post(creating.path, headers=creating.sent("one", "two"), content=creating.written())
    creating.check_refused(answer, 400, "invalid-request", field="Idempotency-Key")
    assert creating.made() == 0


def test_what_was_refused_is_not_stored(creating: Creating) -> None:
    """Neither the refusal nor the body."""
    make_possible = creating.refused()
    for body in (None, creating.other):
        assert creating("refused", body).status_code in (400, 403, 404, 409, 429)
    make_possible()
    first = creating("refused")
    assert first.status_code in (200, 201, 202), first.text
    same(creating, "refused", creating.thing(first), first.status_code)
    assert creating.made() == 1


def test_whoever_had_too_few_credits_tops_up_and_asks_again_with_the_same_key(served: House) -> None:
    poor = served.customer(credits=1)
    headers, body = poor.headers | {"Idempotency-Key": "k"}, BOAT | {"n": 10}
    check_problem(served.client.post("/v1/generations", headers=headers, json=body), 402, "insufficient-credits")

    async def top_up() -> None:
        await (await served.service.parts.get(GrantCredits))(Staff(poor.account, REASON), poor.wallet, 500)

    served.portal.call(top_up)
    assert served.client.post("/v1/generations", headers=headers, json=body).status_code == 202


def test_a_thing_that_was_deleted_for_good_is_gone(creating: Creating) -> None:
    if creating.purge is None:
        assert creating.secret or not creating.locks, "how is it deleted?"
        return
    first = creating("purged")
    creating.purge(creating.thing(first))
    creating.check_refused(creating("purged"), 410, "gone")
    creating.check_refused(creating("purged", creating.other), 422, "idempotency-mismatch")
    assert creating.thing(creating("another")) != creating.thing(first)


def test_equal_requests_at_once_make_one_thing(creating: Creating) -> None:
    """Whoever comes while the first is at work waits for it, and is answered the same."""
    with ThreadPoolExecutor(creating.many) as pool:
        answers = list(pool.map(lambda _: creating("at once"), range(creating.many)))
    made = [answer for answer in answers if answer.status_code < 300]
    assert creating.made() == 1
    if creating.secret:
        assert len(made) == 1
        for answer in (answer for answer in answers if answer is not made[0]):
            creating.check_refused(answer, 409, "already-created", id=creating.thing(made[0]))
    else:
        assert {(answer.status_code, creating.thing(answer)) for answer in answers} == {
            (made[0].status_code, creating.thing(made[0]))
        }


WAITING = b"""SELECT count(*) FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND datname = current_database() AND query LIKE '%%FOR %%UPDATE%%'"""


def test_whoever_comes_while_the_first_is_at_work_waits_for_it(served: House, creating: Creating) -> None:
    """The first is held up in the middle of its transaction, by a lock that it needs."""
    if not creating.locks:
        return  # at a provider's: tests/contract/payments/test_buying_at_stripe.py
    served.idle()
    hold, asked = f"SELECT 1 FROM {creating.locks} FOR UPDATE", list[Future[httpx.Response]]()
    with psycopg.connect(served.database_url, autocommit=True) as watch, ThreadPoolExecutor(3) as pool:
        with psycopg.connect(served.database_url) as holder:
            holder.execute(hold.encode(), (creating.account,))
            for body in (None, None, creating.other):
                asked.append(pool.submit(creating, "held", body))
                until(lambda: watch.execute(WAITING).fetchone() == (len(asked),), "the request to wait")
            assert not any(each.done() for each in asked)
        first, second, other = [each.result() for each in asked]
    assert creating.made() == 1
    assert first.status_code in (200, 201, 202), first.text
    creating.check_refused(other, 422, "idempotency-mismatch")
    if creating.secret:
        creating.check_refused(second, 409, "already-created", id=creating.thing(first))
    else:
        assert (second.status_code, creating.thing(second)) == (first.status_code, creating.thing(first))


def test_a_key_is_kept_for_24_hours(served: House, creating: Creating) -> None:
    if not creating.locks:
        return  # a provider keeps it, for at least as long
    first = creating("old")
    kept = "SELECT count(*) FROM idempotency_keys WHERE thing = %s"
    age = "UPDATE idempotency_keys SET created_at = created_at - %s::interval WHERE thing = %s"
    thing = creating.thing(first)
    served.execute(age, "23 hours 59 minutes", thing)
    same(creating, "old", thing, first.status_code)
    served.execute(age, "1 minute", thing)
    with psycopg.connect(served.database_url, autocommit=True) as connection:
        until(lambda: connection.execute(kept.encode(), (thing,)).fetchone() == (0,), "the key to be forgotten")
    assert creating.thing(creating("old", creating.other)) != thing


def test_a_key_is_one_accounts_own(served: House) -> None:
    for make in CREATING.values():
        with ExitStack() as stack:
            one, other = make(served, stack), make(served, stack)
            assert one.thing(one("shared")) != other.thing(other("shared"))
            assert (one.made(), other.made()) == (1, 1)


def test_a_key_is_one_modes_and_one_routes_own(served: House) -> None:
    body = {"prompt": "a boat", "size": "1024x1024", "quality": "low"}
    with resident(str(served.client.base_url)) as who:
        ids = set()
        for mode in Mode:
            headers = who.bearer(mode) | {"Idempotency-Key": "shared", "Prefer": "wait=60"}
            made = served.client.post("/v1/generations", headers=headers, json=body).json()
            again = served.client.post(f"/v1/generations/{made['id']}/retry", headers=headers).json()
            packed = served.client.post("/v1/media/archive", headers=headers, json={"assets": [made["assets"][0]["id"]]}).json()
            ids |= {made["id"], again["id"], packed["id"]}
    assert len(ids) == 6


def test_what_a_key_says_is_kept_nowhere(served: House) -> None:
    """Callers put their own words into keys."""
    with ExitStack() as stack:
        generation(served, stack)("order-of-ada-lovelace")
    with psycopg.connect(served.database_url) as connection:
        rows = connection.execute("SELECT k::text FROM idempotency_keys k").fetchall()
    assert rows
    assert "lovelace" not in f"{rows}{served.logs}"
