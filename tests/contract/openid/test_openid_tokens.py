"""An id token is believed if the provider signed it, now, for us, and for this sign-in."""

import pytest

from adapters.identity.discovery import NEW_KEYS_SECONDS
from adapters.identity.oidc import OpenIdConnect
from domain.errors import ProviderUnavailable, SignInInvalid
from tests.openid_provider import OpenIdProvider
from tests.openid_stage import DISCOVERY, JWKS, TOKEN, Clock, ada, sign_in

pytestmark = pytest.mark.anyio


async def _refused(adapter: OpenIdConnect, op: OpenIdProvider, fault: str) -> None:
    op.mood(fault=fault)
    with pytest.raises(SignInInvalid):
        await sign_in(adapter, op)
    assert op.requests(TOKEN), "it was the token that was refused"


async def test_a_token_of_another_issuer_is_refused(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    await _refused(adapter, op, "wrong-issuer")


async def test_a_token_with_an_altered_nonce_is_refused(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    await _refused(adapter, op, "altered-nonce")


async def test_a_token_without_a_nonce_is_refused(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    await _refused(adapter, op, "no-nonce")


async def test_a_token_signed_by_somebody_else_is_refused(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    await _refused(adapter, op, "wrong-signature")


async def test_a_token_signed_by_an_unknown_key_is_refused(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    await _refused(adapter, op, "unknown-key")


@pytest.mark.parametrize("fault", ["jwk", "jku", "x5u"])
async def test_a_token_that_brings_its_own_key_is_refused_and_nobody_asked_for_it(
    adapter: OpenIdConnect, op: OpenIdProvider, fault: str
) -> None:
    await _refused(adapter, op, fault)
    assert {asked["path"] for asked in op.requests()} <= {DISCOVERY, JWKS, "/authorize", TOKEN}


async def test_a_token_signed_with_no_algorithm_is_refused(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    await _refused(adapter, op, "alg-none")


async def test_a_token_signed_with_our_own_secret_is_refused(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    await _refused(adapter, op, "hs256-secret")


async def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    await _refused(adapter, op, "hs256-public")


async def test_an_expired_token_is_refused(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    await _refused(adapter, op, "expired")


@pytest.mark.parametrize("fault", ["never-expires", "expires-in-words"])
async def test_a_token_must_expire(adapter: OpenIdConnect, op: OpenIdProvider, fault: str) -> None:
    await _refused(adapter, op, fault)


async def test_a_token_from_the_future_is_refused(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    await _refused(adapter, op, "from-the-future")


@pytest.mark.parametrize("fault", ["no-time", "not-yet"])
async def test_a_token_must_be_of_now(adapter: OpenIdConnect, op: OpenIdProvider, fault: str) -> None:
    await _refused(adapter, op, fault)


@pytest.mark.parametrize("fault", ["clock-ahead", "just-expired"])
async def test_clocks_may_differ_by_a_minute(adapter: OpenIdConnect, op: OpenIdProvider, fault: str) -> None:
    op.mood(fault=fault)
    assert await sign_in(adapter, op) == ada(adapter)


async def test_a_token_for_another_audience_is_refused(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    await _refused(adapter, op, "wrong-audience")


async def test_a_token_for_many_must_name_us(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    await _refused(adapter, op, "among-audiences")
    op.mood(fault="first-of-audiences")
    assert await sign_in(adapter, op) == ada(adapter)


async def test_a_token_given_to_another_party_is_refused(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    await _refused(adapter, op, "other-party")


@pytest.mark.parametrize("fault", ["no-subject", "subject-is-a-number", "subject-of-halves", "subject-too-long"])
async def test_a_token_must_name_somebody(adapter: OpenIdConnect, op: OpenIdProvider, fault: str) -> None:
    await _refused(adapter, op, fault)


async def test_a_token_that_would_exhaust_the_reader_is_refused(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    await _refused(adapter, op, "deep-token")


async def test_an_access_token_alone_says_nothing(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    await _refused(adapter, op, "no-id-token")


async def test_a_token_of_a_kind_we_cannot_use_is_no_answer(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    op.mood(fault="not-bearer")
    with pytest.raises(ProviderUnavailable):
        await sign_in(adapter, op)


# The keys


async def test_a_new_key_is_found_when_it_is_first_used(adapter: OpenIdConnect, op: OpenIdProvider, clock: Clock) -> None:
    await sign_in(adapter, op)
    clock.now += NEW_KEYS_SECONDS
    op.mood(kid="second", now=clock.now)
    assert await sign_in(adapter, op) == ada(adapter)
    assert await sign_in(adapter, op) == ada(adapter)
    assert len(op.requests(JWKS)) == 2


async def test_unknown_keys_are_looked_for_once_a_minute(adapter: OpenIdConnect, op: OpenIdProvider, clock: Clock) -> None:
    await sign_in(adapter, op)
    asked = []
    for seconds in (0.0, NEW_KEYS_SECONDS - 1, 1.0, 1.0):
        clock.now += seconds
        op.mood(fault="unknown-key", now=clock.now)
        with pytest.raises(SignInInvalid):
            await sign_in(adapter, op)
        asked.append(len(op.requests(JWKS)))
    assert asked == [1, 1, 2, 2]


async def test_keys_of_other_kinds_are_left_alone(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    op.mood(fault="odd-keys")
    assert await sign_in(adapter, op) == ada(adapter)


@pytest.mark.parametrize("fault", ["encryption-key", "weak-key"])
async def test_a_key_for_something_else_or_too_short_signs_nothing(
    adapter: OpenIdConnect, op: OpenIdProvider, fault: str
) -> None:
    await _refused(adapter, op, fault)


async def test_a_token_that_names_no_key_may_be_signed_by_any_of_the_provider(adapter: OpenIdConnect, op: OpenIdProvider) -> None:
    op.mood(fault="nameless-key")
    assert await sign_in(adapter, op) == ada(adapter)
