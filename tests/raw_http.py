"""What no HTTP library would send: noise, halves, giants and contradictions, over a plain socket."""

import asyncio
import json
import random
import re
from collections.abc import Callable, Iterator
from contextlib import suppress

Sent = tuple[str, bytes]

PATHS = ("/v1/generations", "/v1/media", "/v1/quotes", "/v1/credits", "/v1/models", "/health/live", "/openapi.json", "/files/x")
ODD_PATHS = (
    *("*", "/", "//", "/v1//generations", "/v1/generations/", "/../../etc/passwd", "/v1/%2e%2e/x", "/%00", "/%ff%fe", "/;/"),
    *("http://elsewhere/v1/models", "elsewhere:443", "/v1/generations?limit=%00", "/v1/models?" + "a=1&" * 2_000, "/\\..\\x"),
    *("/files/outputs/../../keyring?format=png", "/v1/media/" + "9" * 40, "/v1/generations?after=" + "%c3%28" * 30),
    *("/" + "x" * 9_000, "/v1/media/%2f", "/files/" + "a/" * 3_000 + "?format=png"),
)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "BREW", "get", "M-SEARCH", "\x00GET")
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
FIRST_WORD, NEXT_WORD = 1.0, 0.02
"""Seconds to wait for an answer that may never come (half a request has none), and for more of one."""


def nonsense(seed: int, key: str) -> Iterator[Sent]:
    """What it is and the bytes, for ever; equal seeds make equal streams. `key` is good, so that some of it gets far."""
    draw = random.Random(seed)
    kinds: list[Callable[[random.Random, str], Sent]] = [_noise, _odd_line, _flipped, _half, _giant, _contradiction, _chunks]
    kinds += [_pipeline, _other_protocol, _odd_headers, _odd_body, _sign_in, _preflight]
    while True:
        yield draw.choice(kinds)(draw, key)


async def answers(host: str, port: int, sent: bytes, *, hang_up: bool) -> list[int]:
    """The statuses of what came back; none if the connection was just closed. `hang_up`: without waiting for an answer."""
    reader, writer = await asyncio.open_connection(host, port)
    came, patience = bytearray(), NEXT_WORD if hang_up else FIRST_WORD
    with suppress(ConnectionError, TimeoutError):
        writer.write(sent)
        await writer.drain()
        while more := await asyncio.wait_for(reader.read(65_536), patience):
            came += more
            patience = NEXT_WORD
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return [int(status) for status in STATUS.findall(bytes(came))]


def request(method: str, path: str, key: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {key}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def _ask(draw: random.Random, key: str) -> bytes:
    body = json.dumps({"prompt": "a dot", "size": "16x16", "quality": "low", "n": draw.randint(1, 2)}).encode()
    path = draw.choice(("/v1/generations", "/v1/quotes"))
    return request("POST", path, key, "Content-Type: application/json", f"Content-Length: {len(body)}", body=body)


def _noise(draw: random.Random, key: str) -> Sent:
    return "noise", draw.randbytes(draw.choice((1, 10, 300, 5_000))) + b"\r\n\r\n" * draw.randint(0, 2)


def _odd_line(draw: random.Random, key: str) -> Sent:
    return "an odd line", request(draw.choice(METHODS), draw.choice((*PATHS, *ODD_PATHS)), key, "Content-Length: 0")


def _flipped(draw: random.Random, key: str) -> Sent:
    changed = bytearray(_ask(draw, key))
    for _ in range(draw.choice((1, 2, 5, 20))):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return "a request with flipped bits", bytes(changed)


def _half(draw: random.Random, key: str) -> Sent:
    whole = _ask(draw, key)
    return "half a request", whole[: draw.randrange(1, len(whole))]


def _giant(draw: random.Random, key: str) -> Sent:
    big = draw.choice((9_000, 70_000, 300_000))
    header = draw.choice(
        (f"X-Big: {'x' * big}", f"Cookie: {'a=b; ' * (big // 5)}", "\r\n".join(f"X-{n}: y" for n in range(big // 9)))
    )
    return "giant headers", request("GET", draw.choice(PATHS), key, header)


def _contradiction(draw: random.Random, key: str) -> Sent:
    """Two ways to tell where a body ends, and another request hidden behind it."""
    hidden = request("DELETE", "/v1/generations", key, "Content-Length: 0")
    said = draw.choice(
        (
            ("Content-Length: 4", "Transfer-Encoding: chunked"),
            ("Transfer-Encoding: chunked", "Content-Length: 0"),
            ("Content-Length: 0", f"Content-Length: {len(hidden)}"),
            ("Content-Length: -1",),
            ("Content-Length: 99999999999999999999",),
            ("Content-Length: 1e3",),
            ("Content-Length: +5",),
            ("Transfer-Encoding: xchunked",),
            ("Transfer-Encoding: chunked, identity",),
            ("Transfer-Encoding : chunked",),
            ("Transfer-Encoding:\x0bchunked",),
            ("Content-Length: 5, 5",),
        )
    )
    return "contradictions", request(
        "POST", draw.choice(PATHS), key, "Content-Type: application/json", *said, body=b"0\r\n\r\n" + hidden
    )


def _chunks(draw: random.Random, key: str) -> Sent:
    size = draw.choice((b"5", b"-1", b"ffffffffffffffff", b"5;x=" + b"y" * 5_000, b"", b"g", b"00000000005", b"5 "))
    said = ("Content-Type: application/json", "Transfer-Encoding: chunked")
    return "broken chunks", request("POST", draw.choice(PATHS), key, *said, body=size + b"\r\n{}   \r\n0\r\nX: y\r\n\r\n")


def _pipeline(draw: random.Random, key: str) -> Sent:
    return "a pipeline", b"".join(draw.choice((_ask, _get))(draw, key) for _ in range(draw.randint(2, 20)))


def _get(draw: random.Random, key: str) -> bytes:
    return request("GET", draw.choice(PATHS), key)


def _other_protocol(draw: random.Random, key: str) -> Sent:
    said = (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /v1/models\r\n",
        b"GET /v1/models HTTP/0.9\r\n\r\n",
        b"GET /v1/models HTTP/3.0\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + draw.randbytes(200),
        b"*1\r\n$4\r\nPING\r\n",
        request(
            "GET",
            "/v1/models",
            key,
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AA==",
        ),
        request("GET", "/v1/models", key, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"),
        request("GET", "/v1/models", key, "Expect: 100-continue", "Content-Length: 5"),
    )
    return "another protocol", draw.choice(said)


def _odd_headers(draw: random.Random, key: str) -> Sent:
    odd = (
        *(
            "Host: a\r\nHost: b",
            "X: a\x00b",
            " X: folded",
            "X y: z",
            ": nothing",
            "X-Request-Id: 4242424242424242",
            "Prefer: wait=1",
        ),
        *("Idempotency-Key: \xff\xfe", "Authorization: Bearer x", "Authorization: \xff", "Cookie: \x7f", "Range: bytes=0-0,1-1"),
        *("Accept: " + "a/b," * 900, "Content-Encoding: gzip", "Content-Type: \xe9", "Forwarded: for=1", "X-Forwarded-For: x"),
        *(
            "X-HTTP-Method-Override: DELETE",
            "If-None-Match: *",
            "Content-Type: application/json; charset=utf-7",
            "Traceparent: 0",
        ),
    )
    body = b'{"prompt": "a dot"}'
    headers = [*draw.sample(odd, draw.randint(1, 5)), f"Content-Length: {len(body)}"]
    return "odd headers", request(draw.choice(METHODS[:7]), draw.choice(PATHS), key, *headers, body=body)


def _odd_body(draw: random.Random, key: str) -> Sent:
    boundary = draw.choice(("x", "", "y" * 80, "\xff", '"x', "x; boundary=y"))
    kind = draw.choice((f"multipart/form-data; boundary={boundary}",) * 2 + ("application/json",))
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n'
    part += draw.choice((b"\r\n", b"", b"X: y\r\n" * 900))
    words = b'{"prompt":"' + draw.randbytes(200) + b'"}'
    body = draw.choice((part + draw.randbytes(300) + b"\r\n--x--", part * 3, b"--x--", b"[" * 20_000, words, b"\xef\xbb\xbf{}"))
    headers = (f"Content-Type: {kind}", f"Content-Length: {len(body) + draw.choice((0, 0, 0, 5, -5))}")
    return "odd bodies", request("POST", draw.choice(("/v1/media", "/v1/media", "/v1/quotes")), key, *headers, body=body)


def _sign_in(draw: random.Random, key: str) -> Sent:
    """What browsers are led to, and so stands in no document."""
    odd = (
        "",
        "/",
        "//x",
        "/\\x",
        "%00",
        "%ff",
        "/" + "a" * 300,
        "https://evil.example",
        "sandbox",
        "a.b.c",
        "%0d%0aX:%20y",
        "1" * 64,
    )
    names = draw.choices(("return_to", "invitation", "code", "state", "error", "iss", "x"), k=draw.randint(0, 4))
    query = "&".join(f"{name}={draw.choice(odd)}" for name in names)
    path = draw.choice(
        ("sandbox/start", "sandbox/callback", "sandbox/page", "x/start", "%2e%2e/callback", "callback", "sandbox/link")
    )
    cookie = draw.choice(("a.b.c", "", "....", "a" * 5_000, ".".join(("k1", "gA", "\xff")), "=", '"'))
    headers = [
        f"Cookie: sign-in={cookie}; session={draw.choice((cookie, 'x' * 43))}",
        f"Accept: {draw.choice(('text/html', '*/*', ''))}",
    ]
    body = query.encode()
    headers += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}", "Origin: http://127.0.0.1"]
    return "sign-ins", request(draw.choice(("GET", "GET", "POST")), f"/auth/{path}?{query}", key, *headers, body=body)


def _preflight(draw: random.Random, key: str) -> Sent:
    origin = draw.choice(
        ("https://studio.example", "https://evil.example", "null", "", "\xff", "https://studio.example.evil.example")
    )
    method, header = (
        draw.choice((*METHODS[:8], "", "x" * 300)),
        draw.choice(("authorization", "cookie", "*", "", ", " * 500, "\xe9")),
    )
    asked = (f"Origin: {origin}", f"Access-Control-Request-Method: {method}", f"Access-Control-Request-Headers: {header}")
    return "preflights", request("OPTIONS", draw.choice(PATHS), key, *asked)
