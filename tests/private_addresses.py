"""Addresses and URLs that nobody may make us connect to, made by rule, and some that they may."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

_NETS_4 = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
    *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    *("224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32"),
)
_NETS_6 = (
    *("::/128", "::1/128", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32"),
    *("2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fd00:ec2::/32", "fe80::/10", "fec0::/10", "ff00::/8", "::/96"),
    *("::ffff:0:0:0/96", "2001:10::/28", "2001:20::/28", "2001:2::/48", "4000::/3", "e000::/4"),
)
METADATA = ("169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254")
_HOSTS = ("127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.1.1", "172.31.255.255", "0.0.0.0", "100.64.0.1")


def _ends(net: IPv4Network | IPv6Network) -> list[str]:
    return [str(net.network_address), str(net[net.num_addresses // 2]), str(net.broadcast_address)]


def _wrapped(four: str) -> list[str]:
    """The IPv4 address in every form of IPv6 that holds one."""
    number = int(IPv4Address(four))
    teredo = int(IPv6Address("2001::")) | (number ^ 0xFFFFFFFF)
    forms = [
        int(IPv6Address("::ffff:0:0")) | number,  # mapped
        number,  # compatible
        int(IPv6Address("::ffff:0:0:0")) | number,  # translated
        int(IPv6Address("64:ff9b::")) | number,  # NAT64
        int(IPv6Address("64:ff9b:1::")) | number,
        int(IPv6Address("2002::")) | number << 80,  # 6to4
        teredo,
    ]
    return [str(IPv6Address(form)) for form in forms]


PRIVATE = list(
    dict.fromkeys(
        [
            *(address for net in _NETS_4 for address in _ends(IPv4Network(net))),
            *(address for net in _NETS_6 for address in _ends(IPv6Network(net))),
            *METADATA,
            *(form for host in (*_HOSTS, "8.8.8.8") for form in _wrapped(host)),
            *(
                "fe80::1%eth0",
                "2606:4700::1111%1",
                "",
                "localhost",
                "1",
                "0x7f.0.0.1",
                "0177.0.0.1",
                "127.1",
                "8.8.8.8.",
                " 8.8.8.8",
            ),
        ]
    )
)
PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.215.14", "52.0.0.1", "172.15.255.255", "172.32.0.1", "100.128.0.1", "169.253.1.1"]
PUBLIC += ["2606:4700:4700::1111", "2a00:1450:4001:831::200e", "2001:4860:4860::8888", "2400:cb00::1"]


def _numbers(four: str) -> list[str]:
    """The ways in which C libraries and browsers have read an IPv4 address."""
    parts, number = [int(part) for part in four.split(".")], int(IPv4Address(four))
    return [
        four,
        str(number),
        hex(number),
        "0" + oct(number)[2:],
        ".".join(hex(part) for part in parts),
        ".".join(f"0{part:o}" for part in parts),
        f"{parts[0]}.{int.from_bytes(bytes(parts[1:]), 'big')}",
        f"{parts[0]}.{parts[1]}.{parts[2] * 256 + parts[3]}",
        f"{four}.",
        ".".join(f"{part:03d}" for part in parts),
        f"[::ffff:{four}]",
        f"[{IPv6Address(int(IPv6Address('64:ff9b::')) | number)}]",
    ]


_LOCAL: tuple[str, ...] = (
    "localhost",
    "LOCALHOST",
    "localhost.",
    "a.localhost",
    "printer.local",
    "db.internal",
    "metadata.google.internal.",
)
_LOCAL += (
    "metadata.google.internal",
    "intranet",
    "a.lan",
    "nas.home",
    "x.corp",
    "x.private",
    "1.0.0.127.in-addr.arpa",
    "x.onion",
)
_NAMES: tuple[str, ...] = (
    "hooks",
    "hooks..example",
    "-a.example",
    "a-.example",
    "a_b.example",
    "hooks.example.",
    ".example",
    "exa mple.com",
)
_NAMES += (
    f"{'a' * 64}.example",
    ".".join(["a" * 60] * 5),
    "bücher.example",
    "\uff11\uff12\uff17.0.0.1",
    "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
    "127\u30020\u30020\u30021",
)
_NAMES += (
    "hooks.example%00.internal",
    "hooks.example%2f@x",
    "hooks.example\\@127.0.0.1",
    "[::1]",
    "[fe80::1%25eth0]",
    "[::]",
    "[",
)
_NAMES += ("127.0.0.1.example.1", "a.0x7f", "*.example.com", "hooks.example,127.0.0.1", "hooks.example;x", "{a}.example")
_WHOLE = (
    *("", " ", "hooks.example/in", "//hooks.example/in", "/in", "https:", "https://", "https:///in", "https:/hooks.example"),
    *("http://hooks.example/in", "HTTP://hooks.example/", "HTTPS://hooks.example/", "ftp://hooks.example/", "file:///etc/passwd"),
    *(
        "gopher://hooks.example/",
        "javascript:alert(1)",
        "data:text/plain,x",
        "ws://hooks.example/",
        "https+unix://x/",
        "jar:https://x.y/",
    ),
    *("https://user@hooks.example/", "https://user:secret@hooks.example/", "https://@hooks.example/", "https://:@hooks.example/"),
    *("https://hooks.example@127.0.0.1/", "https://127.0.0.1#@hooks.example/", "https://hooks.example#@127.0.0.1/"),
    *("https://hooks.example/#part", "https://hooks.example/in#", "https://hooks.example/a b", "https://hooks.example/\t"),
    *(
        "https://hooks.example/\n",
        "\nhttps://hooks.example/",
        " https://hooks.example/",
        "https://hooks.example/ ",
        "https://hooks.example/é",
    ),
    *(
        "https://hooks.example/\r\nHost: x",
        "https://hooks.example\\in",
        "https://hooks.example/\x00",
        "https://hooks.example/\x7f",
    ),
    *("https://hooks.example/4111111111111111", f"https://hooks.example/{'a' * 2000}", "https://hooks.example/\ud800"),
    *(
        f"https://hooks.example:{port}/"
        for port in ("", "0", "0443", "00008443", "22", "25", "80", "8080", "6379", "65536", "-1", "x", "443x", "1e3")
    ),
)
BAD_URLS = list(
    dict.fromkeys(
        [
            *(f"https://{form}/in" for host in _HOSTS for form in _numbers(host)),
            *(f"https://{name}/in" for name in (*_LOCAL, *_NAMES)),
            *(f"https://[{_ends(IPv6Network(net))[0]}]/" for net in _NETS_6),
            *_WHOLE,
        ]
    )
)
GOOD_URLS = [
    "https://hooks.example/in",
    "https://hooks.example",
    "https://a-b.c.example:443/x?y=z&q=%20",
    "https://x.example:8443/",
]
GOOD_URLS += ["https://xn--bcher-kva.example/", "https://1password.example/", "https://hooks.example/@/a:b", "https://4.example/"]
