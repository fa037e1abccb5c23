"""Whose call it is, as far as the network tells: the peer, or whom our own proxies name.

A header that anybody can send is believed only as far as proxies of ours wrote it. Each appends the address it was called from,
so the list is read from its right end, and the first address that is none of ours is the caller's. What stands left of it may be
made up.
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
UNKNOWN = b""
_HEADER = b"x-forwarded-for"


@dataclass(frozen=True, slots=True)
class Proxies:
    """Ours: those in `networks`, and with `sockets` whoever comes through a Unix socket, who has no address."""

    networks: tuple[Network, ...] = ()
    sockets: bool = False

    def caller(self, scope: Any) -> bytes:
        """What stands for the caller of an ASGI scope: the 4 bytes of an IPv4 address, or the first 8 of an IPv6 address, since
        whoever has one has the whole network of 64 bits. UNKNOWN where nothing is known."""
        peer = scope.get("client")
        host = peer[0] if peer else ""
        if not self.networks and not self.sockets:
            return _known(host)
        address = _read(host)
        trusted = self.sockets if not host else address is not None and self._is_ours(address)
        return _network(self._forwarded(scope, address) if trusted else address)

    def _forwarded(self, scope: Any, peer: Address | None) -> Address | None:
        """The nearest that is none of ours; the farthest of ours, if all are; the peer, if what a proxy wrote is no address."""
        farthest = peer
        for written in _from_the_right(scope["headers"]):
            address = _read(written)
            if address is None:
                return peer
            if not self._is_ours(address):
                return address
            farthest = address
        return farthest

    def _is_ours(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


def _from_the_right(headers: list[tuple[bytes, bytes]]) -> Iterator[str]:
    for name, value in reversed(headers):
        if name == _HEADER:
            yield from (entry.strip() for entry in reversed(value.decode("latin-1").split(",")))


@lru_cache(maxsize=4096)
def _known(host: str) -> bytes:
    return _network(_read(host))


def _read(written: str) -> Address | None:
    """An address as proxies write it, with or without a port; an IPv4 address in IPv6's clothes is IPv4."""
    if written.startswith("["):
        written = written[1:].partition("]")[0]
    elif written.count(":") == 1:
        written = written.partition(":")[0]
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _network(address: Address | None) -> bytes:
    return address.packed[:8] if address else UNKNOWN
