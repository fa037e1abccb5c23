"""The webhook of the sandbox of payments: signed as Stripe signs, and nothing that was touched is believed."""

import hmac
import random
from datetime import datetime, timedelta

import pytest
from stripe import WebhookSignature

from adapters.payments.sandbox_hints import read_hint, write_hint
from application.payments import HintRefused
from domain.billing import Hint
from tests.sandbox_house import BEGINNING as NOW
from tests.sandbox_house import SECRETS

HINT = Hint("evt_1", "invoice.paid", NOW - timedelta(seconds=5), "invoice", "in_1")
BODY, HEADER = write_hint(HINT, NOW, SECRETS[0])


def refused(body: bytes, signature: str | None, now: datetime = NOW) -> bool:
    """Any other exception is a failure."""
    try:
        read_hint(body, signature, now, SECRETS)
    except HintRefused:
        return True
    return False


def test_the_signature_is_of_stripes_scheme() -> None:
    assert WebhookSignature.verify_header(BODY.decode(), HEADER, SECRETS[0])


@pytest.mark.parametrize("secret", SECRETS)
def test_what_was_written_with_either_secret_is_read_again(secret: str) -> None:
    assert read_hint(*write_hint(HINT, NOW, secret), NOW, SECRETS) == HINT


@pytest.mark.parametrize(("seconds", "is_read"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_a_signature_holds_five_minutes(seconds: int, is_read: bool) -> None:
    assert refused(BODY, HEADER, NOW + timedelta(seconds=seconds)) is not is_read


@pytest.mark.parametrize(
    "header", [None, "", "x", HEADER.upper(), f" {HEADER}", f"{HEADER},", HEADER.replace("v1", "v0"), "\ud800"]
)
def test_a_header_of_another_form_is_refused(header: str | None) -> None:
    assert refused(BODY, header)


STRANGE = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b"\xff",
    b"{" * 60_000,
    BODY[:-1],
    BODY + b"x",
    BODY[:-1] + b',"x":"\xff"}',
    BODY.replace(b'"in_1"', b"7"),
    b" " * 70_000,
)


@pytest.mark.parametrize("body", STRANGE, ids=lambda body: f"{len(body)}-{body[:20]!r}")
def test_what_is_signed_and_no_event_is_refused(body: bytes) -> None:
    proof = hmac.new(SECRETS[0].encode(), b"%d.%s" % (NOW.timestamp(), body), "sha256").hexdigest()
    assert refused(body, f"t={int(NOW.timestamp())},v1={proof}")


def test_without_a_secret_nothing_is_read() -> None:
    with pytest.raises(HintRefused):
        read_hint(*write_hint(HINT, NOW, ""), NOW, ())


@pytest.mark.parametrize("seed", range(4))
def test_thousands_of_mutations_are_refused(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(5_000):
        body, header = _mutated(BODY, chance), _mutated(HEADER.encode(), chance).decode("latin-1")
        assert body == BODY or refused(body, HEADER), (seed, body)
        assert header == HEADER or refused(BODY, header), (seed, header)
        assert refused(*write_hint(HINT, NOW, str(chance.random())))


def _mutated(written: bytes, chance: random.Random) -> bytes:
    """One byte other, more or fewer, or a piece of it."""
    at, byte = chance.randrange(len(written)), bytes((chance.randrange(256),))
    ways = (written[:at] + byte + written[at + 1 :], written[:at] + byte + written[at:], written[:at] + written[at + 1 :])
    return chance.choice((*ways, written[:at], written[at:], written.swapcase()))
