"""Following a generation over HTTP: every event once and in order, from wherever one left, for as long as one may."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.event_streams import Stream, Told, followed
from tests.http_house import SMALL, House, check_problem
from tests.service import Customer


@contextmanager
def stream(served: House, who: dict[str, str], generation: str, last: object = None) -> Iterator[Stream]:
    with followed(str(served.client.base_url), generation, who, last) as opened:
        assert opened.answer.status_code == 200, opened.answer.read()
        yield opened


def asked(served: House, who: Customer, **body: Any) -> str:
    """A generation that nobody has waited for."""
    answer = served.client.post("/v1/generations", headers=who.headers, json=SMALL | {"prompt": "a boat"} | body)
    assert answer.status_code == 202, answer.text
    found: str = answer.json()["id"]
    return found


def kinds(told: list[Told]) -> list[str]:
    return [f"{each.event} {each.data.get('state', each.data.get('index'))}" for each in told]


DELIVERED = ["state queued", "state running", "asset 0", "asset 1", "state succeeded", "done succeeded"]


def test_a_generation_is_followed_from_its_beginning_to_its_end(served: House, buyer: Customer) -> None:
    generation = asked(served, buyer, n=2, sandbox={"latency_ms": 600})
    with stream(served, buyer.headers, generation) as opened:
        headers = opened.answer.headers
        assert headers["content-type"] == "text/event-stream; charset=utf-8"
        assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store", "no")
        assert "content-length" not in headers
        told = opened.rest()
        assert opened.ended
    assert kinds(told) == DELIVERED
    assert [each.id for each in told] == sorted({each.id for each in told})
    shown = served.get(buyer, f"/v1/generations/{generation}")
    assert [each.data["at"] for each in told if each.event in ("state", "done")] == [
        shown["created_at"],
        shown["started_at"],
        *[shown["finished_at"]] * 2,
    ]
    for asset, said in zip(shown["assets"], told[2:4], strict=True):
        assert said.data.keys() == asset.keys()
        assert (said.data["id"], said.data["sha256"]) == (asset["id"], asset["sha256"])
        assert len(served.client.get(said.data["url"]).content) == asset["bytes"]


def test_a_stream_goes_on_after_the_last_event_that_came(served: House, buyer: Customer) -> None:
    generation = served.made(buyer, n=2)["id"]
    with stream(served, buyer.headers, generation) as opened:
        every = opened.rest()
    assert kinds(every) == DELIVERED
    for seen, each in enumerate(every, 1):
        with stream(served, buyer.headers, generation, last=each.id) as opened:
            rest = opened.rest()
        assert [(one.id, one.event) for one in rest] == [(one.id, one.event) for one in every[seen:]]


def test_what_failed_says_why_and_what_was_deleted_is_left_out(served: House, buyer: Customer) -> None:
    generation = served.made(buyer, sandbox={"fault": "fail"})
    with stream(served, buyer.headers, generation["id"]) as opened:
        told = opened.rest()
    assert told[-1].event == "done"
    assert told[-1].data["failure"] == generation["failure"]
    made = served.made(buyer, n=2)
    with stream(served, buyer.headers, made["id"]) as opened:
        before = opened.rest()
    served.client.delete(f"/v1/media/{made['assets'][0]['id']}", headers=buyer.headers)
    with stream(served, buyer.headers, made["id"]) as opened:
        assert [(each.id, each.event) for each in opened.rest()] == [(e.id, e.event) for e in before if e is not before[2]]


@pytest.mark.parametrize("last", ["", "x", "-1", "+1", "1.0", "1 1", "1,1", "٣", "99", "9" * 10, "1" * 256, "0x1", "1e3"])
def test_an_id_that_no_event_had_is_refused(served: House, buyer: Customer, last: str) -> None:
    generation = served.made(buyer)["id"]
    headers = {name.encode(): value.encode() for name, value in {**buyer.headers, "Last-Event-ID": last}.items()}
    answer = served.client.get(f"/v1/generations/{generation}/events", headers=headers)
    check_problem(answer, 400, "invalid-request", field="Last-Event-ID")


def test_what_is_not_there_and_what_was_erased_have_no_stream(served: House, buyer: Customer) -> None:
    generation = served.made(buyer)["id"]
    for other in (str(uuid4()), served.made(served.customer())["id"]):
        check_problem(served.client.get(f"/v1/generations/{other}/events", headers=buyer.headers), 404, "not-found")
    served.client.delete(f"/v1/generations/{generation}", headers=buyer.headers, params={"purge": True})
    check_problem(served.client.get(f"/v1/generations/{generation}/events", headers=buyer.headers), 410, "gone")
    with psycopg.connect(served.database_url) as connection:
        left = connection.execute("SELECT 1 FROM generation_events WHERE generation_id = %s", (generation,)).fetchall()
    assert left == []


def test_signs_of_life_come_while_there_is_nothing_to_tell(served: House, buyer: Customer) -> None:
    generation = asked(served, buyer, sandbox={"latency_ms": 1_500})
    with stream(served, buyer.headers, generation) as opened:
        opened.rest()
        assert opened.signs >= 2
