"""Where webhooks connect to: to public addresses alone, whatever names lead to, with a line that only writes down whither."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from typing import Any

import httpcore2
import pytest

from adapters.webhook_post import ADDRESSES_TRIED, CheckedLine, HttpWebhookPost, system_names
from domain.public_addresses import is_public
from domain.webhook_deliveries import Reason
from tests.private_addresses import BAD_URLS, GOOD_URLS, PRIVATE, PUBLIC

pytestmark = pytest.mark.anyio
TRUST = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
Names = Callable[[str], Sequence[str]]


class Recorder(httpcore2.AsyncNetworkBackend):
    """Connects nowhere, and remembers where it should have."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> httpcore2.AsyncNetworkStream:
        self.asked.append(host)
        raise httpcore2.ConnectError


class Stage:
    """`names`: what a name leads to, at each look-up anew."""

    def __init__(self, names: Names, *, allow_private: bool = False) -> None:
        self.line, self.looked = Recorder(), 0
        self._names = names
        self.checked = CheckedLine(self.look_up, self.line, 5, allow_private=allow_private)
        self.post = HttpWebhookPost(5, self.look_up, allow_private=allow_private, trust=TRUST, line=self.line)

    async def look_up(self, host: str, port: int) -> Sequence[str]:
        self.looked += 1
        return self._names(host)

    async def reason(self, url: str) -> Reason:
        return (await self.post.post(url, {}, b"{}")).reason


async def test_no_connection_is_made_to_any_of_the_addresses_that_are_not_public() -> None:
    for address in PRIVATE:
        for answers in ([address], ["8.8.8.8", address], [address, "2606:4700:4700::1111"]):
            stage = Stage(lambda _, answers=answers: answers)  # type: ignore[misc]  # bound now
            assert await stage.reason("https://hooks.example/") is Reason.ADDRESS_NOT_PUBLIC, answers
            assert stage.line.asked == [], answers


async def test_no_connection_is_made_for_any_bad_url_even_if_it_is_registered() -> None:
    for url in BAD_URLS:
        stage = Stage(lambda _: ["8.8.8.8"])
        assert await stage.reason(url) is Reason.ADDRESS_NOT_PUBLIC, url
        assert (stage.line.asked, stage.looked) == ([], 0), url


async def test_hosts_that_the_system_reads_as_addresses_are_judged_as_these() -> None:
    """Whatever gets past the form of a URL: decimal, octal, hexadecimal, short."""

    def names(host: str) -> Sequence[str]:
        try:
            return [
                str(each[4][0]) for each in socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
            ]
        except (OSError, UnicodeError):
            return ["10.0.0.1"]

    hosts = dict.fromkeys(url.partition("://")[2].partition("/")[0].strip("[]") for url in BAD_URLS)
    stage = Stage(names)
    for host in hosts:
        with pytest.raises(Exception):  # noqa: B017 - of whichever kind: what counts is where it leads
            await stage.checked.connect_tcp(host, 443)
    assert [address for address in stage.line.asked if not is_public(address)] == []
    assert len(hosts) > 100


async def test_each_try_looks_anew_and_goes_to_what_was_looked_at() -> None:
    """A name that leads to a public address first and elsewhere then gets in nowhere."""
    answers = [["8.8.8.8"], ["127.0.0.1"], ["1.1.1.1"], ["169.254.169.254", "8.8.8.8"]]
    stage = Stage(lambda _: answers.pop(0))
    said = [await stage.reason("https://hooks.example/") for _ in range(4)]
    assert said == [Reason.UNREACHABLE, Reason.ADDRESS_NOT_PUBLIC] * 2
    assert (stage.line.asked, stage.looked) == (["8.8.8.8", "1.1.1.1"], 4)


async def test_of_several_public_addresses_each_is_tried_but_nobody_is_sent_to_thousands() -> None:
    for many in (PUBLIC[:ADDRESSES_TRIED], PUBLIC, PUBLIC * 100):
        stage = Stage(lambda _, many=many: many)  # type: ignore[misc]  # bound now
        assert await stage.reason(GOOD_URLS[0]) is Reason.UNREACHABLE
        assert stage.line.asked == PUBLIC[:ADDRESSES_TRIED]


async def test_an_address_where_nobody_answers_leaves_time_for_the_next() -> None:
    class Silent(Recorder):
        """Nobody is at home at the first address, and nobody says so."""

        async def connect_tcp(self, host: str, port: int, timeout: float | None = None, *_: Any) -> httpcore2.AsyncNetworkStream:
            self.asked.append(host)
            if host != PUBLIC[0]:
                raise httpcore2.ConnectError
            await asyncio.sleep(timeout or 60)
            raise httpcore2.ConnectTimeout

    async def look_up(host: str, port: int) -> Sequence[str]:
        return PUBLIC[:2]

    line = Silent()
    post = HttpWebhookPost(0.4, look_up, trust=TRUST, line=line)
    assert (await post.post(GOOD_URLS[0], {}, b"{}")).reason is Reason.UNREACHABLE
    assert line.asked == PUBLIC[:2]


async def test_behind_the_addresses_that_are_tried_none_may_hide() -> None:
    stage = Stage(lambda _: [*PUBLIC, "10.0.0.1"])
    assert await stage.reason(GOOD_URLS[0]) is Reason.ADDRESS_NOT_PUBLIC
    assert stage.line.asked == []


async def test_names_mean_what_they_mean_to_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """`payments.prod` is not to be looked up as `payments.prod.svc.cluster.local`: the answer would tell whether it is there."""
    asked = list[str]()

    def look(name: str, port: int, **_: Any) -> list[Any]:
        asked.append(name)
        return [(0, 0, 0, "", ("8.8.8.8", port))] * 2

    monkeypatch.setattr(socket, "getaddrinfo", look)
    assert await system_names(whole=True)("payments.prod", 443) == ["8.8.8.8"]
    assert await system_names(whole=False)("localhost", 443) == ["8.8.8.8"]
    assert asked == ["payments.prod.", "localhost"]


async def test_name_servers_that_hang_delay_nobody_else_and_keep_no_process_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    hangs, hanging = threading.Event(), list[threading.Thread]()

    def look(name: str, port: int, **_: Any) -> list[Any]:
        if name != "good.example.":
            hanging.append(threading.current_thread())
            hangs.wait(60)
            raise socket.gaierror
        return [(0, 0, 0, "", ("8.8.8.8", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look)
    names = system_names(whole=True)
    waiting = [asyncio.ensure_future(names("bad.example", 443)) for _ in range(100)]
    try:
        async with asyncio.timeout(10):
            while len(hanging) < len(waiting):
                await asyncio.sleep(0.001)
            for each in waiting[:50]:
                each.cancel()
            assert await names("good.example", 443) == ["8.8.8.8"]
        assert all(thread.daemon for thread in hanging)
    finally:
        hangs.set()
        ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(end) for end in ends[50:]} == {socket.gaierror}


async def test_a_name_that_leads_nowhere_says_so() -> None:
    def unknown(_: str) -> Sequence[str]:
        raise socket.gaierror

    assert await Stage(unknown).reason("https://hooks.example/") is Reason.NAME_UNKNOWN
    assert await Stage(lambda _: []).reason("https://hooks.example/") is Reason.NAME_UNKNOWN


async def test_for_development_this_machine_is_reached_if_that_is_said() -> None:
    stage = Stage(lambda _: ["127.0.0.1"], allow_private=True)
    assert await stage.reason("http://localhost:8080/") is Reason.UNREACHABLE
    assert stage.line.asked == ["127.0.0.1"]
