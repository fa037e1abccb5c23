"""Which addresses on the internet are everybody's, and which URLs we may be told to call.

Whoever gives us a URL decides where our own machines connect to. So a name is looked up anew each time, every address that it
leads to must be public, and the connection goes to the address that was looked at, never to a name.
"""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from domain.errors import InvalidRequest
from domain.limits import LIMITS, text

HTTPS_PORTS = (443, 8443)
"""A port of the caller's choice would make us a scanner of other people's networks."""
_LOCAL_ENDS = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "private", "localdomain", "arpa", "onion")

# What `is_global` of some Python version would let through, or has no word for.
_CLOSED_4 = tuple(
    map(
        IPv4Network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
            *("192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24"),
            *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
            "168.63.129.16/32",  # a cloud's own services, at an address that looks public
        ),
    )
)
_OPEN_6 = IPv6Network("2000::/3")
"""All of IPv6 that was ever given out to the public; what lies outside has a meaning of its own."""
_CLOSED_6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")))
"""Within it: protocols (Teredo, ORCHID, benchmarks), documentation, and 6to4, which wraps any IPv4 address."""

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})+", re.ASCII)
_URL = re.compile(r"[\x21-\x7e]+", re.ASCII)


def is_public(address: str) -> bool:
    """Whether this IP address, as a look-up tells it, is everybody's: neither of a private network, this machine, a link, many
    machines, documentation or a protocol, nor one that wraps such another."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv4Address):
        return found.is_global and not any(found in closed for closed in _CLOSED_4)
    return _is_public_6(found)


def _is_public_6(found: IPv6Address) -> bool:
    """Forms that wrap an IPv4 address lie outside of what is open here: mapped, translated (NAT64), compatible, 6to4, Teredo."""
    if found.scope_id is not None or found not in _OPEN_6:
        return False
    return found.is_global and not found.is_multicast and not any(found in closed for closed in _CLOSED_6)


def check_url(field: str, url: str, *, allow_private: bool = False) -> str:
    """The URL itself, if we may be told to call it: https to a public-looking name. Raises InvalidText, CardNumberRefused or
    InvalidRequest, which never repeat it.

    `allow_private`, for development and tests: http, ports and addresses as one likes.
    """
    text(field, url, LIMITS["url_characters"], least=1)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _refused(field, "this is no URL") from None
    if not _URL.fullmatch(url) or "\\" in url:
        raise _refused(field, "write it in printable ASCII: other characters as %XX, names in their xn-- form")
    if "@" in parts.netloc or parts.fragment or url.endswith("#"):
        raise _refused(field, "it has neither a user nor a fragment")
    if allow_private and url.startswith(("http://", "https://")) and host and "%" not in host:
        return url
    if not url.startswith("https://"):
        raise _refused(field, "it begins with https://")
    if port not in (None, *HTTPS_PORTS) or parts.netloc.rpartition(":")[2] not in (parts.netloc, str(port)):
        raise _refused(field, f"its port is one of {', '.join(map(str, HTTPS_PORTS))}")
    if not _NAME.fullmatch(host) or host.rpartition(".")[2].isdigit() or re.fullmatch("0x[0-9a-f]*", host.rpartition(".")[2]):
        raise _refused(field, "its host is a whole name, not an address")
    if host.rpartition(".")[2] in _LOCAL_ENDS:
        raise _refused(field, "its host is a name that everybody can look up")
    return url


def _refused(field: str, detail: str) -> InvalidRequest:
    return InvalidRequest(f"{field} is not acceptable: {detail}", field=field)
