"""Whose call it is: the peer, or whom our own proxies name; nobody's invention."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from entrypoints.http.addresses import UNKNOWN, Proxies
from entrypoints.settings import Settings, SettingsInvalid

PROXIES = Proxies((ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48")))
PROXY = "10.1.2.3"


def caller(peer: str | None, *forwarded: str, proxies: Proxies = PROXIES) -> bytes:
    headers = [(b"x-forwarded-for", each.encode("latin-1")) for each in forwarded]
    scope: dict[str, Any] = {"client": peer and (peer, 4321), "headers": [(b"host", b"x"), *headers]}
    return proxies.caller(scope)


def v4(address: str) -> bytes:
    return ip_address(address).packed


def v6(network: str) -> bytes:
    return ip_address(network).packed[:8]


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("203.0.113.7", v4("203.0.113.7")),
        ("127.0.0.1", v4("127.0.0.1")),
        ("::ffff:203.0.113.7", v4("203.0.113.7")),
        ("::FFFF:cb00:7107", v4("203.0.113.7")),
        ("2001:db8::1", v6("2001:db8::")),
        ("2001:db8:0:0:ffff:ffff:ffff:ffff", v6("2001:db8::")),
        ("2001:db8:0:1::1", v6("2001:db8:0:1::")),
        ("fe80::1%eth0", v6("fe80::")),
        ("testclient", UNKNOWN),
        ("", UNKNOWN),
        (None, UNKNOWN),
    ],
)
@pytest.mark.parametrize("proxies", [Proxies(), PROXIES])
def test_a_peer_is_its_ipv4_address_or_its_ipv6_network(peer: str | None, expected: bytes, proxies: Proxies) -> None:
    assert caller(peer, proxies=proxies) == expected


def test_neighbours_in_one_ipv6_network_are_one_caller_and_those_of_another_are_not() -> None:
    assert caller("2001:db8::1") == caller("2001:db8::2") != caller("2001:db8:0:1::1")


@pytest.mark.parametrize("peer", ["203.0.113.7", "11.0.0.1", "2001:db8:2::1", "testclient", None])
def test_a_header_from_anybody_else_is_not_read(peer: str | None) -> None:
    assert caller(peer, "198.51.100.1") == caller(peer)


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        (["198.51.100.1"], v4("198.51.100.1")),
        ([" 198.51.100.1 "], v4("198.51.100.1")),
        (["198.51.100.1:5555"], v4("198.51.100.1")),
        (["[2001:db8::1]:443"], v6("2001:db8::")),
        (["[2001:db8::1]"], v6("2001:db8::")),
        (["2001:db8::1"], v6("2001:db8::")),
        (["::ffff:198.51.100.1"], v4("198.51.100.1")),
        (["6.6.6.6, 198.51.100.1"], v4("198.51.100.1")),
        (["6.6.6.6", "198.51.100.1"], v4("198.51.100.1")),
        (["10.0.0.9, 198.51.100.1"], v4("198.51.100.1")),
        (["6.6.6.6, 198.51.100.1, 10.0.0.9"], v4("198.51.100.1")),
        (["6.6.6.6, 198.51.100.1", "10.0.0.9, 10.0.0.8"], v4("198.51.100.1")),
        (["198.51.100.1, ::ffff:10.0.0.9"], v4("198.51.100.1")),
        (["198.51.100.1, 2001:db8:1::9"], v4("198.51.100.1")),
        (["garbage, 198.51.100.1"], v4("198.51.100.1")),
    ],
)
def test_a_proxy_of_ours_names_the_nearest_that_is_none_of_ours(forwarded: list[str], expected: bytes) -> None:
    assert caller(PROXY, *forwarded) == caller("::ffff:10.1.2.3", *forwarded) == expected


@pytest.mark.parametrize(
    "forwarded",
    [
        "",
        ",",
        "unknown",
        "198.51.100.1, ",
        "198.51.100.1, x",
        "198.51.100.1.5",
        "1.2.3",
        "198.51.100.01",
        "[::1",
        "[",
        "é",
        "1:2",
        "_h:1",
    ],
)
def test_what_is_no_address_counts_for_the_proxy(forwarded: str) -> None:
    assert caller(PROXY, forwarded) in (v4(PROXY), v6("::"))
    assert caller(PROXY, f"6.6.6.6, {forwarded}") != v4("6.6.6.6")


def test_a_proxy_that_says_nothing_is_the_caller_itself_and_of_our_own_the_farthest_is() -> None:
    assert caller(PROXY) == v4(PROXY)
    assert caller(PROXY, "10.9.9.9, 10.0.0.8") == v4("10.9.9.9")


def test_whoever_comes_through_a_unix_socket_is_believed_only_if_the_setting_says_so() -> None:
    assert caller(None, "198.51.100.1") == UNKNOWN
    sockets = Proxies(PROXIES.networks, sockets=True)
    assert caller(None, "198.51.100.1", proxies=sockets) == v4("198.51.100.1")
    assert caller(None, "198.51.100.1, 10.0.0.1", proxies=sockets) == v4("198.51.100.1")
    assert caller(None, "x", proxies=sockets) == caller(None, proxies=sockets) == UNKNOWN
    assert caller("203.0.113.7", "198.51.100.1", proxies=sockets) == v4("203.0.113.7")


def test_proxies_and_rates_are_settings() -> None:
    read = Settings.read({"TRUSTED_PROXIES": "10.0.0.0/8, 2001:db8::1,unix", "KEY_REQUESTS_PER_MINUTE": "0"})
    assert read.proxies == ((ip_network("10.0.0.0/8"), ip_network("2001:db8::1/128")), True)
    assert {policy.value: rate.quota for policy, rate in read.rates.items()} == {"account": 1200, "address": 3000}


@pytest.mark.parametrize(
    "said",
    [
        {"TRUSTED_PROXIES": "10.0.0.1/8"},
        {"TRUSTED_PROXIES": "proxy.internal"},
        {"KEY_REQUESTS_PER_MINUTE": "-1"},
        {"ADDRESS_REQUESTS_PER_MINUTE": "1000000001"},
        {"ACCOUNT_REQUESTS_PER_MINUTE": "many"},
    ],
)
def test_settings_that_make_no_sense_stop_the_start(said: dict[str, str]) -> None:
    with pytest.raises(SettingsInvalid, match=next(iter(said)).partition("_")[2]):
        Settings.read(said)
