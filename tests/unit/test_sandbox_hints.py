"""The webhook of the sandbox of payments: signed as Stripe signs, so that whoever hears Stripe hears it."""

from datetime import timedelta

import pytest
from stripe import WebhookSignature

from adapters.payments.hints import read_hint, write_hint
from domain.billing import Hint
from tests.sandbox_house import BEGINNING as NOW
from tests.sandbox_house import SECRETS

HINT = Hint("evt_1", "invoice.paid", NOW - timedelta(seconds=5), "invoice", "in_1")


def test_the_signature_is_of_stripes_scheme() -> None:
    body, signature = write_hint(HINT, NOW, SECRETS[0])
    assert WebhookSignature.verify_header(body.decode(), signature, SECRETS[0])


@pytest.mark.parametrize("secret", SECRETS)
def test_what_was_written_with_either_secret_is_read_again(secret: str) -> None:
    assert read_hint(*write_hint(HINT, NOW, secret), NOW, SECRETS) == HINT
