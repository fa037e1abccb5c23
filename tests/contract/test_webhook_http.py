"""Webhook endpoints as their owner meets them, on a running service whose worker sends to a receiver on this machine."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks import Webhook

from domain.accounts import Mode
from domain.webhook_endpoints import CHOSEN
from tests.http_house import House, check_problem
from tests.people import NOWHERE, Resident, resident
from tests.processes import until

PATH = "/v1/webhook-endpoints"


class Inbox:
    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                inbox.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(inbox.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/in"


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    inbox = Inbox()
    with inbox.server:
        threading.Thread(target=inbox.server.serve_forever, daemon=True).start()
        yield inbox
        inbox.server.shutdown()


@pytest.fixture(scope="module")
def who(served: House) -> Iterator[Resident]:
    with resident(str(served.client.base_url)) as somebody:
        yield somebody


@contextmanager
def hooked(who: Resident, url: str, **body: Any) -> Iterator[Any]:
    answer = who.http.post(PATH, json={"mode": "test", "url": url, "events": list(CHOSEN)} | body)
    assert answer.status_code == 201, answer.text
    yield answer.json()
    assert who.http.delete(f"{PATH}/{answer.json()['id']}").status_code == 204


def log(who: Resident, endpoint: Any, **page: Any) -> Any:
    answer = who.http.get(f"{PATH}/{endpoint['id']}/deliveries", params=page)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_finished_picture_is_told_and_verified_by_the_library_of_standard_webhooks(who: Resident, inbox: Inbox) -> None:
    with hooked(who, inbox.url) as endpoint:
        picture = who.picture(Mode.TEST)
        until(lambda: inbox.got, "the webhook")
        headers, body = inbox.got[0]
        event = Webhook(endpoint["secret"]).verify(body, headers)
        assert (event["type"], event["data"]) == (
            "generation.finished",
            {"id": picture["id"], "mode": "test", "state": "succeeded"},
        )
        row = until(lambda: next((each for each in log(who, endpoint)["data"] if each["tries"]), None), "its log")
        assert (row["id"], row["about"], row["outcome"], row["next_try_at"]) == (
            *(headers["webhook-id"], picture["id"]),
            *("delivered", None),
        )
        assert [(made["reason"], made["status"]) for made in row["tries"]] == [("delivered", 200)]


def test_the_secret_is_told_once_and_a_rotated_one_signs_beside_it(who: Resident, inbox: Inbox) -> None:
    with hooked(who, inbox.url) as endpoint:
        (listed,) = [each for each in who.http.get(PATH).json()["data"] if each["id"] == endpoint["id"]]
        assert listed == {name: value for name, value in endpoint.items() if name != "secret"}
        rotated = who.http.post(f"{PATH}/{endpoint['id']}/rotate")
        assert rotated.status_code == 200, rotated.text
        assert rotated.json()["old_until"] > endpoint["created_at"]
        assert who.http.post(f"{PATH}/{endpoint['id']}/test").status_code == 202
        until(lambda: inbox.got, "the webhook")
        headers, body = inbox.got[0]
        for secret in (endpoint["secret"], rotated.json()["secret"]):
            assert Webhook(secret).verify(body, headers)["type"] == "endpoint.test"


def test_a_failed_try_says_when_the_next_one_is_and_a_redelivery_comes_at_once(who: Resident, inbox: Inbox) -> None:
    inbox.status = 503
    with hooked(who, inbox.url) as endpoint:
        who.http.post(f"{PATH}/{endpoint['id']}/test")
        row = until(lambda: next((each for each in log(who, endpoint)["data"] if each["tries"]), None), "a failed try")
        assert (row["outcome"], row["tries"][0]["reason"], row["tries"][0]["status"]) == ("waiting", "status", 503)
        assert row["next_try_at"] > row["tries"][0]["at"]
        inbox.status = 200
        again = who.http.post(f"{PATH}/{endpoint['id']}/deliveries/{row['id']}/redeliver")
        assert (again.status_code, again.json()["id"]) == (202, row["id"])
        until(lambda: log(who, endpoint)["data"][0]["outcome"] == "delivered", "the redelivery")
        assert {headers["webhook-id"] for headers, _ in inbox.got} == {row["id"]}


def test_who_says_gone_is_disabled_and_enabled_again_by_its_owner(who: Resident, inbox: Inbox) -> None:
    inbox.status = 410
    with hooked(who, inbox.url) as endpoint:
        who.http.post(f"{PATH}/{endpoint['id']}/test")
        gone = until(
            lambda: next((each for each in who.http.get(PATH).json()["data"] if not each["enabled"]), None), "it to be disabled"
        )
        assert (gone["id"], gone["disabled_for"]) == (endpoint["id"], "gone")
        check_problem(who.http.post(f"{PATH}/{endpoint['id']}/test"), 409, "endpoint-disabled")
        back = who.http.patch(f"{PATH}/{endpoint['id']}", json={"enabled": True, "events": ["credits.low"]})
        assert (back.json()["enabled"], back.json()["disabled_for"], back.json()["events"]) == (True, None, ["credits.low"])


def test_the_log_has_pages(who: Resident) -> None:
    with hooked(who, NOWHERE) as endpoint:
        sent = [who.http.post(f"{PATH}/{endpoint['id']}/test").json()["id"] for _ in range(5)]
        first = log(who, endpoint, limit=3)
        second = log(who, endpoint, limit=3, after=first["next"])
        assert [each["id"] for each in first["data"] + second["data"]] == sent[::-1]
        assert second["next"] is None
        other = who.http.get(f"{PATH}/{endpoint['id']}/deliveries", params={"after": "x"})
        check_problem(other, 400, "invalid-cursor")


@pytest.mark.parametrize(
    "body",
    [
        {"url": "ftp://hooks.example/"},
        {"url": "https://user:secret@hooks.example/"},
        {"url": ""},
        {"url": "https://hooks.example/" + "a" * 2000},
        {"events": []},
        {"events": ["endpoint.test"]},
        {"events": ["credits.low", "credits.low"]},
        {"mode": "both"},
        {"secret": "whsec_mine"},
    ],
    ids=str,
)
def test_what_makes_no_endpoint_is_refused(who: Resident, body: dict[str, Any]) -> None:
    answer = who.http.post(PATH, json={"mode": "test", "url": NOWHERE, "events": ["credits.low"]} | body)
    assert answer.status_code == 400, answer.text
    assert "secret@" not in answer.text
