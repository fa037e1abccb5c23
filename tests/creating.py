"""Requests that create, one way for each route that takes the caller's own key: what the clauses about keys are tested by."""

import base64
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace

import psycopg

from adapters.payments.sandbox_file import StateFile
from domain.limits import LIMITS
from tests.creating_request import Creating, Refuse
from tests.hostile import encode
from tests.http_house import SMALL, House
from tests.kill_matrix import a_png
from tests.people import NOWHERE, resident
from tests.pictures import corners
from tests.processes import until

BOAT = SMALL | {"prompt": "a boat"}


Make = Callable[[House, ExitStack], Creating]


def _count(served: House, select: str, *values: object) -> int:
    with psycopg.connect(served.database_url) as connection:
        row = connection.execute(select.encode(), values).fetchone()
    assert row
    return int(row[0])


FREEZE = "UPDATE accounts SET frozen_at = CASE WHEN %s THEN now() END WHERE id = %s"


def _until_undone(served: House, statement: str, done: tuple[object, ...], undone: tuple[object, ...]) -> Refuse:
    def refuse() -> Callable[[], None]:
        served.execute(statement, *done)
        return lambda: served.execute(statement, *undone)

    return refuse


def generation(served: House, stack: ExitStack) -> Creating:
    who = served.customer(credits=100)

    def purge(id: str) -> None:
        served.client.get(f"/v1/generations/{id}", headers=who.headers)
        served.idle()
        answer = served.client.delete(f"/v1/generations/{id}", headers=who.headers, params={"purge": "true"})
        assert answer.status_code == 204, answer.text

    return Creating(
        client=served.client,
        account=who.account,
        headers=who.headers,
        path="/v1/generations",
        body=BOAT,
        other=BOAT | {"prompt": "a ship"},
        made=lambda: served.left(who).generations,
        locks="wallets WHERE account_id = %s",
        purge=purge,
        refused=_until_undone(served, "UPDATE wallets SET open_holds = %s WHERE id = %s", (10, who.wallet), (0, who.wallet)),
    )


def images(served: House, stack: ExitStack) -> Creating:
    return replace(
        generation(served, stack),
        path="/v1/images/generations",
        thing=lambda answer: str(answer.headers["x-generation-id"]),
        speaks_openai=True,
    )


def edit(served: House, stack: ExitStack) -> Creating:
    """As JSON; that a form is the same request: tests/unit/test_http_edits.py."""
    picture = {"image_url": f"data:image/png;base64,{base64.b64encode(a_png()).decode()}"}
    body = BOAT | {"images": [picture]}
    first = images(served, stack)
    return replace(first, path="/v1/images/edits", body=body, other=body | {"images": [picture, picture]})


def retry(served: House, stack: ExitStack) -> Creating:
    first = generation(served, stack)
    old = first(None).json()["id"]
    served.idle()

    return Creating(
        client=served.client,
        account=first.account,
        headers=first.headers,
        path=f"/v1/generations/{old}/retry",
        body={"max_credits": 90},
        other={"max_credits": 91},
        made=lambda: first.made() - 1,
        locks="wallets WHERE account_id = %s",
        purge=first.purge,
        refused=first.refused,
    )


def archive(served: House, stack: ExitStack) -> Creating:
    who = served.customer()
    one, two = [served.picture(who, a_png()) for _ in range(2)]

    def purge(id: str) -> None:
        served.execute("UPDATE archives SET created_at = '2020-01-01', expires_at = '2020-01-02' WHERE id = %s", id)

    return Creating(
        client=served.client,
        account=who.account,
        headers=who.headers,
        path="/v1/media/archive",
        body={"assets": [one]},
        other={"assets": [one, two]},
        made=lambda: _count(served, "SELECT count(*) FROM archives WHERE account_id = %s", who.account),
        purge=purge,
        refused=_until_undone(served, "UPDATE assets SET mode = %s WHERE id = %s", ("live", one), ("test", one)),
    )


def packed(served: House, stack: ExitStack) -> Creating:
    """The pictures of many generations: the only act on many that makes something."""
    painted, plain = generation(served, stack), archive(served, stack)
    one, two = [painted(None).json()["id"] for _ in range(2)]
    served.idle()
    act = {"action": "archive", "atomic": True}

    return replace(
        painted,
        path="/v1/generations/bulk",
        body=act | {"ids": [one]},
        other=act | {"ids": [one, two]},
        made=lambda: _count(served, "SELECT count(*) FROM archives WHERE account_id = %s", painted.account),
        thing=lambda answer: str(answer.json()["archive"]["id"]),
        locks="accounts WHERE id = %s",
        purge=plain.purge,
        refused=_until_undone(served, "UPDATE generations SET mode = %s WHERE id = %s", ("live", one), ("test", one)),
    )


def collection(served: House, stack: ExitStack) -> Creating:
    who = served.customer()
    mine, many = "FROM collections WHERE account_id = %s AND name", "one of many"

    def purge(id: str) -> None:
        assert served.client.delete(f"/v1/collections/{id}", headers=who.headers).status_code == 204

    def refuse() -> Callable[[], None]:
        served.execute(
            """INSERT INTO collections (id, account_id, mode, name, created_at)
            SELECT gen_random_uuid(), %s, 'test', %s, now() FROM generate_series(1, %s)""",
            who.account,
            many,
            LIMITS["collections"],
        )
        return lambda: served.execute(f"DELETE {mine} = %s", who.account, many)

    return Creating(
        client=served.client,
        account=who.account,
        headers=who.headers,
        path="/v1/collections",
        body={"name": "boats"},
        other={"name": "foxes"},
        made=lambda: _count(served, f"SELECT count(*) {mine} <> %s", who.account, many),
        purge=purge,
        refused=refuse,
    )


def upload(served: House, stack: ExitStack) -> Creating:
    who = served.customer()

    def purge(id: str) -> None:
        assert served.client.delete(f"/v1/media/{id}", headers=who.headers).status_code == 204

    def begun() -> int:
        said = {"content_type": "image/png", "bytes": 1}
        return served.client.post("/v1/media/uploads", headers=who.headers, json=said).status_code

    def refuse() -> Callable[[], None]:
        """Who calls is known for a moment without a look."""
        served.execute(FREEZE, True, who.account)
        until(lambda: begun() == 403, "the account to be frozen")

        def undo() -> None:
            served.execute(FREEZE, False, who.account)
            until(lambda: begun() == 201, "the account to be free again")

        return undo

    return Creating(
        client=served.client,
        account=who.account,
        headers=who.headers,
        path="/v1/media",
        body={"purpose": "reference", "file": a_png()},
        other={"purpose": "reference", "file": encode(corners(), "JPEG")},
        made=lambda: served.left(who).assets,
        purge=purge,
        refused=refuse,
        form=True,
        many=20,
    )


def api_key(served: House, stack: ExitStack) -> Creating:
    who = stack.enter_context(resident(str(served.client.base_url)))

    return Creating(
        client=who.http,
        account=who.account,
        path="/v1/api-keys",
        body={"mode": "test", "scopes": ["read"], "name": "ci"},
        other={"mode": "test", "scopes": ["read"], "name": "laptop"},
        made=lambda: len(who.http.get("/v1/api-keys").json()["data"]) - len(who.keys),
        secret=True,
        refused=_until_undone(served, FREEZE, (True, who.account), (False, who.account)),
    )


def webhook_endpoint(served: House, stack: ExitStack) -> Creating:
    who = stack.enter_context(resident(str(served.client.base_url)))
    mine, many = "FROM webhook_endpoints WHERE account_id = %s AND url", "http://127.0.0.1:9/one-of-many"

    def refuse() -> Callable[[], None]:
        served.execute(
            """INSERT INTO webhook_endpoints (id, account_id, mode, url, events, secret, created_at)
            SELECT gen_random_uuid(), %s, 'live', %s, '{credits.low}', '', now() FROM generate_series(1, 10)""",
            who.account,
            many,
        )
        return lambda: served.execute(f"DELETE {mine} = %s", who.account, many)

    return Creating(
        client=who.http,
        account=who.account,
        path="/v1/webhook-endpoints",
        body={"mode": "live", "url": NOWHERE, "events": ["generation.finished"]},
        other={"mode": "test", "url": NOWHERE, "events": ["generation.finished"]},
        made=lambda: _count(served, f"SELECT count(*) {mine} <> %s", who.account, many),
        secret=True,
        refused=refuse,
    )


def checkout(served: House, stack: ExitStack) -> Creating:
    who = stack.enter_context(resident(str(served.client.base_url)))
    state = StateFile(served.folder / "payments.json")

    def made() -> int:
        rows = state.read()
        mine = {id for id, customer in rows.customers.items() if customer.account == who.account}
        return sum(each.customer in mine for each in rows.checkouts.values())

    return Creating(
        client=who.http,
        account=who.account,
        path="/v1/billing/checkout",
        body={"pack": "small", "success_url": "/done"},
        other={"pack": "small", "success_url": "/elsewhere"},
        made=made,
        thing=lambda answer: str(answer.json()["url"]),
        locks="",
        refused=_until_undone(served, FREEZE, (True, who.account), (False, who.account)),
    )


CREATING: Mapping[str, Make] = {
    "requestGeneration": generation,
    "retryGeneration": retry,
    "generateImages": images,
    "editImages": edit,
    "upload": upload,
    "actOnManyGenerations": packed,
    "makeCollection": collection,
    "requestArchive": archive,
    "makeApiKey": api_key,
    "makeWebhookEndpoint": webhook_endpoint,
    "checkOut": checkout,
}
"""By operation: every route that takes a key."""
