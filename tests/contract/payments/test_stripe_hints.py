"""The webhook of Stripe: what was signed by it within minutes is read, as far as we need it, and nothing else ever is."""

import hmac
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from stripe import StripeClient, WebhookSignature

from adapters.payments.stripe_payments import StripePayments
from application.payments import HintRefused
from domain.billing import Hint
from tests.stripe_delivery import signed
from tests.stripe_shapes import Obj
from tests.stripe_timelines import TIMELINES, play
from tests.stripe_world import World

AT = 1_800_000_000
NOW = datetime.fromtimestamp(AT, UTC)
OLD, NEW = "whsec_old", "whsec_new"
PAYMENTS = StripePayments(StripeClient("sk_test_x"), (OLD, NEW))


def an_event(**changed: Any) -> Obj:
    about = {"id": "in_1", "object": "invoice", "customer_email": "ada@mail.example", "lines": {"data": []}}
    event = {"id": "evt_1", "object": "event", "type": "invoice.paid", "created": AT - 5, "data": {"object": about}}
    return event | {"api_version": "2026-10-28.endive", "livemode": False} | changed


def read(body: bytes, signature: str | None, now: datetime = NOW) -> Hint:
    return PAYMENTS.read_hint(body, signature, now)


def refused(body: bytes, signature: str | None, now: datetime = NOW) -> bool:
    """Any other exception than ours is a failure."""
    try:
        read(body, signature, now)
    except HintRefused:
        return True
    return False


def sign(body: bytes, secret: str = NEW, at: int = AT) -> str:
    """By the SDK, for bodies that are text, and by hand for others."""
    return f"t={at},v1={hmac.new(secret.encode(), b'%d.%s' % (at, body), 'sha256').hexdigest()}"


def test_our_way_of_signing_is_that_of_the_sdk() -> None:
    body, signature = signed(an_event(), NEW, at=AT)
    assert sign(body) == signature
    assert WebhookSignature.verify_header(body, signature, NEW)


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_what_stripe_signed_with_either_secret_is_read_no_further_than_needed(secret: str) -> None:
    hint = read(*signed(an_event(), secret, at=AT))
    assert hint == Hint("evt_1", "invoice.paid", NOW - timedelta(seconds=5), "invoice", "in_1")
    assert "ada" not in repr(hint)


@pytest.mark.parametrize("name", sorted(TIMELINES))
def test_every_event_of_every_timeline_is_read(name: str) -> None:
    world = World(AT)
    play(name, world)
    for event in world.events:
        about = event["data"]["object"]
        said = read(*signed(event, NEW, at=AT))
        assert said == Hint(event["id"], event["type"], _at(event["created"]), about["object"], about["id"])


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(("seconds", "is_read"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
def test_a_signature_holds_five_minutes_before_and_after(seconds: int, is_read: bool) -> None:
    body, signature = signed(an_event(), NEW, at=AT)
    assert refused(body, signature, NOW + timedelta(seconds=seconds)) is not is_read


def test_one_good_signature_among_several_is_enough() -> None:
    body, good = signed(an_event(), NEW, at=AT)
    time, right = good.split(",")
    wrong = "v1=" + "0" * 64
    for header in (f"{time},{wrong},{right}", f"{time},{right},{wrong}", f"{time},v0={'1' * 64},{right}", f"{right},{time}"):
        assert not refused(body, header), header


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "x",
        "t=1",
        f"t={AT}",
        f"t={AT},v1=",
        f"t={AT},v1={'0' * 64}",
        f"t={AT},v1={'é' * 64}",
        f"t={AT},v1={'٣' * 64}",
        "v1=RIGHT",
        f"t={AT},v0=RIGHT",
        f"t={AT},v1=RIGHT,",
        f"t={AT},v1=RIGHT,v2",
        f"t={AT},t={AT},v1=RIGHT",
        f"t={AT},v1=RIGHT,v1=x",
        f" t={AT},v1=RIGHT",
        f"t= {AT},v1=RIGHT",
        f"t=+{AT},v1=RIGHT",
        f"t=0{AT},v1=RIGHT",
        f"t={AT}.0,v1=RIGHT",
        "t=٣٣٣٣,v1=RIGHT",
        "t=nan,v1=RIGHT",
        f"t=-{AT},v1=RIGHT",
        f"t={'9' * 5000},v1=RIGHT",
        f"t={'9' * 12},v1=RIGHT",
        f"t={AT},v1=RIGHT," + ",".join(["v1=" + "0" * 64] * 100),
        "\ud800",
    ],
)
def test_a_header_of_another_form_is_refused(header: str | None) -> None:
    body, good = signed(an_event(), NEW, at=AT)
    right = good.split("v1=")[1]
    assert refused(body, header.replace("RIGHT", right) if header else header)


STRANGE: tuple[dict[str, Any], ...] = (
    {"object": "v2.core.event"},
    {"object": None},
    {"id": None},
    {"id": 7},
    {"id": ""},
    {"id": "evt\u0000"},
    {"id": "evt\n"},
    {"id": "é"},
    {"id": "x" * 256},
    {"type": ["invoice.paid"]},
    {"created": "1800000000"},
    {"created": 1.5},
    {"created": -1},
    {"created": 10**30},
    {"created": True},
    {"data": None},
    {"data": []},
    {"data": {"object": "in_1"}},
    {"data": {"object": {"id": "in_1"}}},
    {"data": {"object": {"id": 7, "object": "invoice"}}},
    {"data": {"object": {"id": "in\ud8001", "object": "invoice"}}},
)
"""Fields of an event, in their place."""


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b'"event"',
        b"{}",
        b'{"object":"event"}',
        b"\xff\xfe",
        b'{"id":"\xff"}',
        b"{" * 200_000,
        b"[" * 200_000,
        b'{"object":"event","id":"evt_1","type":"x","created":1,"data":{"object":' + b'{"a":' * 100_000,
        json.dumps(an_event()).encode()[:-1],
        json.dumps(an_event()).encode() + b"x",
        json.dumps(an_event()).encode()[:-1] + b', "x": "\xff"}',
        json.dumps(an_event(pad="x" * (1 << 20))).encode(),
        *[json.dumps(an_event(**changed)).encode() for changed in STRANGE],
    ],
    ids=lambda body: f"{len(body)}-{body[:20]!r}",
)
def test_what_is_signed_and_no_event_is_refused(body: bytes) -> None:
    assert refused(body, sign(body))


def test_an_event_about_something_without_an_id_is_one() -> None:
    """An invoice that is only foreseen; refusing it would have it sent for three days."""
    for about in ({"object": "invoice", "id": None}, {"object": "balance"}):
        hint = read(*signed(an_event(data={"object": about}), NEW, at=AT))
        assert (hint.object_kind, hint.object_id) == (about["object"], "")


def test_a_time_is_written_in_one_way() -> None:
    """The SDK reads a number, and signs what it would write itself."""
    body, message = signed(an_event(), NEW, at=AT)[0], b"0%d." % AT
    proof = hmac.new(NEW.encode(), message + body, "sha256").hexdigest()
    assert refused(body, f"t=0{AT},v1={proof}")


@pytest.mark.parametrize("secrets", [("",), (OLD, " "), ("\n",)])
def test_an_empty_secret_is_none(secrets: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="empty"):
        StripePayments(StripeClient("sk_test_x"), secrets)


def test_without_a_secret_nothing_is_read() -> None:
    body, _ = signed(an_event(), NEW, at=AT)
    with pytest.raises(HintRefused):
        StripePayments(StripeClient("sk_test_x"), ()).read_hint(body, sign(body, ""), NOW)


@pytest.mark.parametrize("seed", range(8))
def test_thousands_of_mutations_are_refused(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(1_000):
        body, header = signed(an_event(), chance.choice((OLD, NEW)), at=AT + chance.randint(-300, 300))
        way = chance.choice(("body", "header", "time", "secret"))
        if way == "body":
            mutated = _mutated(body, chance)
            assert mutated == body or refused(mutated, header), (seed, mutated)
        elif way == "header":
            changed = _mutated(header.encode(), chance).decode("latin-1")
            still = set(header.split(",")) <= set(changed.split(","))  # a piece of it stands there twice
            assert still or refused(body, changed), (seed, changed)
        elif way == "time":
            other = chance.choice((AT + chance.randint(301, 10**8), AT - chance.randint(301, 10**8)))
            assert refused(body, sign(body, at=other)), (seed, other)
            assert refused(body, header.replace(header.split(",")[0], f"t={AT + 301 + seed}"))
        else:
            assert refused(body, sign(body, f"whsec_{chance.random()}"))


def _mutated(written: bytes, chance: random.Random) -> bytes:
    """One byte other, more or fewer, two exchanged, or a piece of it."""
    at, byte = chance.randrange(len(written)), bytes((chance.randrange(256),))
    end = chance.randint(at, len(written))
    return chance.choice(
        (
            written[:at] + byte + written[at + 1 :],
            written[:at] + byte + written[at:],
            written[:at] + written[at + 1 :],
            written[:at],
            written[at:],
            written[:at] + written[end:],
            written[:end] + written[at:],
            written.swapcase(),
        )
    )
