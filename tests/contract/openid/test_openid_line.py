"""A provider that says nothing sensible, or nothing at all; and what of a sign-in is seen in errors and logs."""

import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from adapters.identity.line import ANSWER_BYTES, Line, NotAnAnswer, bounded
from adapters.identity.oidc import OpenIdConnect
from application.ports import SignInStart
from domain.errors import DomainError, ProviderUnavailable
from tests.openid_provider import OpenIdProvider
from tests.openid_stage import DISCOVERY, JWKS, TOKEN, USERINFO, Clock, ada, sign_in
from tests.sign_in_process import ADA, CLIENT, NOW, PATIENT, REDIRECT, SECRET

pytestmark = pytest.mark.anyio
PLACES = (DISCOVERY, JWKS, TOKEN, USERINFO)
SHORT = 0.3
"""Seconds, where a test waits for a limit."""


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("fault", ["500", "rate-limited", "redirects", "endless", "packed", "not-json", "deep-json", "list-json"])
async def test_an_answer_of_no_sense_is_none(adapter: OpenIdConnect, op: OpenIdProvider, place: str, fault: str) -> None:
    await _fails_at(adapter, op, place, fault)
    assert len(op.requests(place)) == 1, "it is not asked again, and nobody is followed elsewhere"


def test_certificates_are_read_once_for_all_providers() -> None:
    assert Line()._trust is Line()._trust


@pytest.mark.parametrize("place", PLACES)
async def test_a_provider_that_never_answers_is_not_waited_for(
    adapter: OpenIdConnect, op: OpenIdProvider, trust: Line, place: str
) -> None:
    adapter.line = replace(trust, seconds=(SHORT, 60.0))
    await _fails_at(adapter, op, place, "hanging")


@pytest.mark.parametrize("place", PLACES)
async def test_an_answer_in_drops_is_not_waited_for(adapter: OpenIdConnect, op: OpenIdProvider, trust: Line, place: str) -> None:
    adapter.line = replace(trust, seconds=(60.0, SHORT))
    await _fails_at(adapter, op, place, "dripping")


async def _fails_at(adapter: OpenIdConnect, op: OpenIdProvider, place: str, fault: str) -> None:
    limited, adapter.line = adapter.line, replace(adapter.line, seconds=PATIENT)
    if place == DISCOVERY:
        op.mood(fault=fault, at=place)
        adapter.line = limited
        with pytest.raises(ProviderUnavailable):
            await adapter.start(REDIRECT)
        return
    op.mood(email=None)
    start = await adapter.start(REDIRECT)
    answer = op.visit(start.url)
    op.mood(fault=fault, at=place, email=None)
    adapter.line = limited
    with pytest.raises(ProviderUnavailable):
        await adapter.finish(start, REDIRECT, answer)


async def test_no_more_of_an_answer_is_read_than_it_may_have() -> None:
    class Endless(httpx2.AsyncByteStream):
        sent = 0

        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                self.sent += 1024
                yield b" " * 1024

    endless = Endless()
    response = httpx2.Response(200, stream=endless)
    await bounded(response)
    with pytest.raises(NotAnAnswer):
        await response.aread()
    assert endless.sent == ANSWER_BYTES + 1024


@pytest.mark.parametrize(("status", "header"), [(302, "location"), (200, "content-encoding")])
async def test_what_is_elsewhere_or_packed_is_not_read_at_all(status: int, header: str) -> None:
    with pytest.raises(NotAnAnswer):
        await bounded(httpx2.Response(status, headers={header: "gzip"}))


async def test_a_discovery_of_another_issuer_is_refused(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    op.mood(fault="other-issuer")
    with pytest.raises(ProviderUnavailable):
        await adapter.start(REDIRECT)


async def test_a_token_too_long_for_a_header_is_one_refusal(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    op.mood(fault="long-token")
    with pytest.raises(ProviderUnavailable):
        await sign_in(adapter, op)
    assert not op.requests(USERINFO), "the server there has not taken it"


async def test_a_provider_that_is_away_can_come_back(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    op.mood(fault="500", at=DISCOVERY)
    with pytest.raises(ProviderUnavailable):
        await adapter.start(REDIRECT)
    op.mood()
    assert await sign_in(adapter, op) == ada(adapter)


async def test_a_provider_that_does_not_know_us_is_not_the_persons_fault(op: OpenIdProvider, trust: Line, clock: Clock) -> None:
    adapter = OpenIdConnect("op", op.url, CLIENT, "another secret", clock, trust)
    with pytest.raises(ProviderUnavailable):
        await sign_in(adapter, op)


async def test_nobody_at_the_address_is_an_unavailable_provider(trust: Line, clock: Clock) -> None:
    with pytest.raises(ProviderUnavailable):
        await OpenIdConnect("op", "http://127.0.0.1:1", CLIENT, SECRET, clock, trust).start(REDIRECT)


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"fault": "expired"},
        {"fault": "wrong-signature"},
        {"fault": "alg-none"},
        {"fault": "deep-token"},
        {"email_verified": False},
        {"email": None, "fault": "not-json", "at": USERINFO},
        {"fault": "redirects", "at": TOKEN},
        {"fault": "500", "at": TOKEN},
        {"now": NOW + 100},
    ],
)
async def test_no_secret_reaches_an_error_or_a_log(
    adapter: OpenIdConnect, op: OpenIdProvider, caplog: pytest.LogCaptureFixture, told: dict[str, Any]
) -> None:
    start = await adapter.start(REDIRECT)
    answer = op.visit(start.url)
    op.mood(**told)
    said = ""
    caplog.clear()  # what the browser logged of its own visit
    with caplog.at_level(logging.DEBUG), suppress(DomainError):
        try:
            await adapter.finish(start, REDIRECT, answer)
        except DomainError as error:
            said = "".join(traceback.format_exception(error)) + str(error.facts)
            raise
    said += caplog.text + repr(adapter)
    assert bool(told) == ("Traceback" in said)
    for secret in (*op.issued(), *_secrets(start)):
        assert secret not in said


def _secrets(start: SignInStart) -> tuple[str, ...]:
    return start.state, start.nonce, start.verifier, SECRET, ADA["email"], ADA["name"]
