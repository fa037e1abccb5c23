"""What comes to a webhook: now and then an event as its provider signs it, mostly one that somebody touched, and what is signed
and makes no sense. Endless, every one made from its seed alone."""

import gzip
import hmac
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

AT = 1_800_000_000
"""When all of it comes, in Unix seconds."""
PATH = "/webhooks/stripe"
TOLERANCE = 300
MOST_BYTES = 1 << 20
SIGNATURE = b"stripe-signature"
Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Target:
    """A reader by the secrets that it believes, the newest first; `foreign`: those of the other one."""

    name: str
    secrets: tuple[str, ...]
    foreign: tuple[str, ...]


STRIPE_SECRETS, SANDBOX_SECRETS = ("whsec_new", "whsec_old"), ("the newest secret", "the one before")
STRIPE = Target("stripe", STRIPE_SECRETS, SANDBOX_SECRETS)
SANDBOX = Target("sandbox", SANDBOX_SECRETS, STRIPE_SECRETS)
TARGETS = (STRIPE, SANDBOX)


@dataclass(frozen=True, slots=True)
class Post:
    """A request. `is_genuine`: a provider may send it so, and it must be taken. `kind` says what was done to it."""

    kind: str
    headers: Headers
    body: bytes
    method: str = "POST"
    path: str = PATH
    query: bytes = b""
    is_genuine: bool = False


@dataclass(frozen=True, slots=True)
class Draw:
    """One request in the making: chance, whom it goes to, and an event id of its own."""

    chance: random.Random
    target: Target
    id: str

    def event(self, **changed: Any) -> dict[str, Any]:
        about = {"id": f"in_{self.id}", "object": self.chance.choice(("invoice", "charge", "checkout.session"))}
        created, type_ = AT - self.chance.randrange(10**6), self.chance.choice(("invoice.paid", "charge.refunded", "x.y_z"))
        return {"id": self.id, "object": "event", "type": type_, "created": created, "data": {"object": about}} | changed

    def body(self, **changed: Any) -> bytes:
        return json.dumps(self.event(**changed)).encode()

    def proof(self, body: bytes, at: object = AT, secret: str | None = None) -> str:
        said = self.chance.choice(self.target.secrets) if secret is None else secret
        return hmac.new(said.encode(), f"{at}.".encode() + body, "sha256").hexdigest()

    def header(self, body: bytes, at: object = AT, secret: str | None = None) -> str:
        return f"t={at},v1={self.proof(body, at, secret)}"

    def post(self, kind: str, body: bytes, signature: str | bytes | None, **more: Any) -> Post:
        raw = signature.encode("latin-1", "replace") if isinstance(signature, str) else signature
        signed = ((SIGNATURE, raw),) if raw is not None else ()
        return Post(kind, ((b"content-type", b"application/json; charset=utf-8"), *signed), body, **more)


def attacks(seed: int, mark: str = "") -> Iterator[tuple[Target, Post]]:
    """To whom, and what; equal seeds make equal streams. `mark` stands in every event's id."""
    chance, number = random.Random(seed), 0
    while True:
        number += 1
        draw = Draw(chance, chance.choice(TARGETS), f"evt_{mark}{seed}_{number}")
        yield draw.target, chance.choices(MAKERS, WEIGHTS)[0](draw)


# As the provider sends it


def genuine(draw: Draw) -> Post:
    at = AT + draw.chance.randint(-TOLERANCE, TOLERANCE)
    extra = draw.chance.choice(({}, {"livemode": False}, {"pad": "ü" * 900}, {"previous": {"a": [1, None, 2.5]}}))
    body = json.dumps(draw.event(**extra), indent=draw.chance.choice((None, 2))).encode()
    query = draw.chance.choice((b"", b"", b"a=1&a=2&c"))
    return draw.post("as its provider sends it", body, draw.header(body, at), query=query, is_genuine=True)


# Touched


def other_body(draw: Draw) -> Post:
    """The signature is that of the body before."""
    body = draw.body()
    return draw.post("another body", _mutated(draw, body), draw.header(body))


def other_signature(draw: Draw) -> Post:
    body = draw.body()
    header = draw.header(body).encode()
    return draw.post("another signature", body, _mutated(draw, header))


def other_scheme(draw: Draw) -> Post:
    body = draw.body()
    proof, wrong, chance = draw.proof(body), "0" * 64, draw.chance
    forms = (
        *(f"t={AT},v0={proof}", f"t={AT},V1={proof}", f"t={AT},v1={proof.upper()}", f"t={AT},v1={proof[:63]}", f"t={AT}"),
        *(f"v1={proof}", f"t={AT},t={AT - 1},v1={proof}", f"t={AT - 1},t={AT},v1={proof}", f"t={AT};v1={proof}", f"t={AT},v1="),
        *(f"t={AT},v1={wrong}", f"t={AT},v1={wrong},v1={wrong}", f"t={AT},v1={proof}=", f"{{'t':{AT},'v1':'{proof}'}}"),
        *(f"t={AT},v1={wrong},v0={proof}", f"t = {AT}, v1 = {proof}", f"t={AT},v1=%{proof}", f"t={AT},v1={proof}{proof}"),
        *(f"t={AT},v1={'٣' * 64}", f"t={AT},v1={'é' * 64}", f"t={AT},v1=" + "\x00" * 64, f"t={AT},v1={proof}\x00", "\ud800"),
        *("", " ", ",", "=", "t", "t=,v1=", "t=1,v1=1,", ",,,=,=,", f"t={AT}," + "v1=" + wrong + "," * 3_000, "t" * 70_000),
        *(f"t={AT}," + ",".join([f"v1={wrong}"] * 500), f"Bearer {proof}", f"sha256={proof}", f"v1={wrong},t={AT}"),
    )
    return draw.post("a signature of another form", body, chance.choice(forms).encode("utf-8", "surrogatepass"))


def several(draw: Draw) -> Post:
    """The right one among wrong ones: Stripe may send so."""
    body = draw.body()
    right, wrong = f"v1={draw.proof(body)}", "v1=" + "0" * 64
    parts = draw.chance.choice(([right, wrong], [wrong, right], ["v0=" + "1" * 64, right], [wrong] * 20 + [right]))
    return draw.post("several signatures", body, f"t={AT}," + ",".join(parts), is_genuine=True)


def other_secret(draw: Draw) -> Post:
    body = draw.body()
    near = draw.target.secrets[0]
    said = (*draw.target.foreign, "", " ", "\n", near[:-1], near + " ", near.upper(), near.removeprefix("whsec_"), str(draw.id))
    secret = draw.chance.choice(said)
    return draw.post("another secret", body, draw.header(body, AT, secret))


def other_time(draw: Draw) -> Post:
    """Rightly signed for that time, or told to be of it; some of these are no times."""
    far = draw.chance.choice((TOLERANCE + 1, TOLERANCE + 2, 3_600, 86_400, 10**8, 10**9))
    times = (AT - far, AT + far, AT - far, AT + far, -AT, 0, -1, AT * 1_000, 10**11, 10**12, 10**18, 10**400, f"0{AT}", f"+{AT}")
    odd = (f"{AT}.0", f" {AT}", f"{AT} ", f"{AT:_}", f"{AT:x}", "nan", "inf", "1e9", "", "now", f"{AT}\n", "١٨٠٠٠٠٠٠٠٠", "9" * 12)
    at, body = draw.chance.choice((*times, *odd)), draw.body()
    header = draw.header(body, at) if draw.chance.random() < 0.7 else f"t={at},v1={draw.proof(body)}"
    return draw.post("another time", body, header.encode())


def other_header(draw: Draw) -> Post:
    """No signature, two, or one under another name."""
    body = draw.body()
    right, chance = draw.header(body).encode(), draw.chance
    wrong = draw.header(body, AT, "wrong").encode()
    said: tuple[Headers, ...] = (
        (),
        ((SIGNATURE, right), (SIGNATURE, right)),
        ((SIGNATURE, wrong), (SIGNATURE, right)),
        ((SIGNATURE, right), (SIGNATURE, b"")),
        ((b"stripe_signature", right),),
        ((b"x-stripe-signature", right),),
        ((b"signature", right),),
        ((b"webhook-signature", right),),
        ((b"authorization", b"Bearer " + right),),
        ((b"cookie", b"stripe-signature=" + right),),
        ((b"stripe-signature ", right),),
    )
    post = draw.post("other headers", body, None, query=chance.choice((b"", b"stripe-signature=" + right)))
    return replace(post, headers=post.headers + chance.choice(said))


def other_door(draw: Draw) -> Post:
    body = draw.body()
    post = draw.post("another door", body, draw.header(body))
    method = draw.chance.choice(("GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "BREW", "post", ""))
    near = ("/webhooks", "/webhooks/", "/webhooks/Stripe", "/webhooks//stripe", "//webhooks/stripe", "/webhooks/stripe/x", "/x")
    odd = (
        "/webhooks/stripe\x00",
        "/webhooks/stripe%00",
        "/webhooks/./stripe",
        "/webhooks/stripe?x",
        "/webhooks/stripe;x",
        "",
        "*",
    )
    if draw.chance.random() < 0.5:
        return replace(post, method=method)
    return replace(post, path=draw.chance.choice((*near, *odd, "/webhooks/sandbox", "/webhooks/stripe" + "/.." * 2_000)))


def coded(draw: Draw) -> Post:
    """The signature is of what was written, and the body comes packed, or of what is packed, which is no JSON."""
    body = draw.body()
    way = draw.chance.choice(
        (gzip.compress(body, mtime=0), body.decode().encode("utf-16"), b"\xef\xbb\xbf" + body, body.hex().encode())
    )
    packed = draw.post("packed", way, draw.header(draw.chance.choice((body, way))))
    coding = draw.chance.choice((b"gzip", b"deflate", b"br", b"identity", b"gzip, gzip", b"\xff"))
    return replace(packed, headers=(*packed.headers, (b"content-encoding", coding)))


def odd_type(draw: Draw) -> Post:
    """What the body is said to be does not matter: its signature says what it is. Its length must be its length."""
    body = draw.body()
    good = draw.post("of any type", body, draw.header(body), is_genuine=True)
    kinds = (
        b"text/plain",
        b"",
        b"\xff",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data",
        b"multipart/form-data; boundary=x",
    )
    headers = ((b"content-type", draw.chance.choice(kinds)), *good.headers[1:])
    more = draw.chance.choice(((b"x-y", b"z"), (b"accept", b"\xff"), (b"cookie", b"a=b"), (b"authorization", b"Bearer x")))
    return replace(good, headers=(*headers, more, (b"content-length", b"%d" % len(body))))


# Signed, and no event


def signed_nonsense(draw: Draw) -> Post:
    """By whoever knows the secret: taken only if it is a whole hint all the same."""
    whole = draw.body()
    deep = draw.chance.choice((10, 100, 20_000))
    raw = (
        *(b"", b"null", b"[]", b"7", b'"event"', b"{}", b"\xff\xfe", b"[" * deep, b'{"a":' * deep, b"nan", b"-", b"\x00"),
        *(whole[:-1], whole + b"x", whole + whole, whole + b"\n\n", b" " + whole, whole.replace(b'"', b"'"), whole.upper()),
        *(whole[:-1] + b', "deep": ' + b"[" * deep + b"]" * deep + b"}", whole[:-1] + b', "n": ' + b"9" * deep + b"}"),
        *(whole[:-1] + b', "x": "\xff"}', whole[:-1] + b', "x": "\\ud800"}', whole[:-1] + b', "x": "\x00"}', whole[:-1] + b",}"),
        whole[:-1] + b', "id": 7}',
        whole[:-1] + b', "pad": "' + b"x" * (MOST_BYTES - draw.chance.randrange(600)) + b'"}',
    )
    body = draw.chance.choice(raw)
    return draw.post("signed, and odd", body, draw.header(body))


ODD: tuple[Any, ...] = (
    *(None, 7, -1, 1.5, True, "", " ", "x" * 256, "x" * 255, "a\x00b", "é", "\ud800", "a b", "a\n", [], {}, ["x"], {"id": "x"}),
    *(10**10, 10**11, 10**30, 2**63, 2**36, 2**36 - 1, "0", "event", "in_1", {"object": {"id": "x", "object": "y"}}, "\x7f"),
    *(
        {"object": {"object": "invoice"}},
        {"object": {"id": None, "object": "invoice"}},
        {"object": {"id": 7, "object": "invoice"}},
    ),
)


def signed_odd_field(draw: Draw) -> Post:
    event = draw.event()
    for _ in range(draw.chance.choice((1, 1, 2))):
        name = draw.chance.choice(("id", "object", "type", "created", "data"))
        if draw.chance.random() < 0.2:
            event.pop(name, None)
        else:
            event[name] = draw.chance.choice(ODD)
    if isinstance(event.get("id"), str) and event["id"] in ("x" * 255, "0", "event", "in_1"):
        event["id"] = draw.id  # ids that are good are told apart
    body = json.dumps(event).encode()
    return draw.post("signed, with an odd field", body, draw.header(body))


MAKERS: tuple[Callable[[Draw], Post], ...] = (
    *(genuine, other_body, other_signature, other_scheme, several, other_secret, other_time, other_header, other_door),
    *(coded, odd_type, signed_nonsense, signed_odd_field),
)
WEIGHTS = (1, 6, 6, 4, 1, 3, 5, 3, 3, 2, 1, 2, 3)


def _mutated(draw: Draw, written: bytes) -> bytes:
    """A bit other, a byte more or fewer, two pieces exchanged, a piece of it, it twice, or the same JSON written another way."""
    chance = draw.chance
    at, byte = chance.randrange(len(written)), bytes((chance.randrange(256),))
    end = chance.randint(at, len(written))
    flipped = bytearray(written)
    flipped[at] ^= 1 << chance.randrange(8)
    ways = [bytes(flipped)] * 4
    ways += [written[:at] + byte + written[at:], written[:at] + written[at + 1 :], written[:at], written[at:], b""]
    ways += [written[:at] + written[end:], written[:end] + written[at:], written + written, written.swapcase(), written + b" "]
    if written.startswith(b"{"):
        event = json.loads(written)
        ways += [json.dumps(said, separators=(",", ":")).encode() for said in (event, dict(reversed(event.items())))]
        ways += [json.dumps(event | {name: f"evt_{chance.random()}"}).encode() for name in ("id", "type", "livemode")]
    return chance.choice(ways)
