"""API keys as texts: any slip of the finger is noticed before anything is looked up."""

import string
from collections import Counter
from collections.abc import Callable, Set
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.accounts import Account, AccountId, Caller, KeyId, Mode, Role, Scope
from domain.api_keys import check_key, write_key
from domain.errors import AccountFrozen, MissingScope, Unauthenticated
from domain.ledger import WalletId

PROPERTY = settings(deadline=None, print_blob=True)
ALPHABET = string.digits + string.ascii_letters

entropies = st.binary(min_size=24, max_size=32)
keys = st.builds(write_key, st.sampled_from(Mode), entropies)


@PROPERTY
@given(st.sampled_from(Mode), entropies)
def test_a_key_says_its_mode_and_has_one_form(mode: Mode, entropy: bytes) -> None:
    key = write_key(mode, entropy)
    assert check_key(key) is mode
    assert key.startswith(f"gi2_{mode}_")
    assert len(key) == len("gi2_live_") + 32 + 6
    assert write_key(mode, entropy) == key


@pytest.mark.parametrize("mode", Mode)
def test_any_single_character_changed_is_refused(mode: Mode) -> None:
    key = write_key(mode, bytes(range(24)))
    for place in range(len(key)):
        for character in {*ALPHABET, "_", "-", " ", "\n", "é", "\uff10"} - {key[place]}:
            with pytest.raises(Unauthenticated):
                check_key(key[:place] + character + key[place + 1 :])


@PROPERTY
@given(keys, st.data())
def test_any_single_slip_is_refused(key: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(key) - 1))
    character = data.draw(st.sampled_from(ALPHABET))
    slips = (
        {
            key[:place] + character + key[place + 1 :],  # another character
            key[:place] + key[place + 1 :],  # one left out
            key[:place] + character + key[place:],  # one too many
            key[:place] + key[place : place + 2][::-1] + key[place + 2 :],  # two swapped
        }
        - {key}
    )
    for slip in slips:
        with pytest.raises(Unauthenticated):
            check_key(slip)


CHANGES: dict[str, Callable[[str], str]] = {
    "capitals": str.upper,
    "small letters": str.lower,
    "a space before": " {}".format,
    "a line's end": "{}\n".format,
    "twice": "{0}{0}".format,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_key_that_is_written_otherwise_is_refused(change: Callable[[str], str]) -> None:
    with pytest.raises(Unauthenticated):
        check_key(change(write_key(Mode.LIVE, bytes(range(24)))))


def test_a_test_key_cannot_be_made_a_live_one_by_its_prefix() -> None:
    with pytest.raises(Unauthenticated):
        check_key(write_key(Mode.TEST, bytes(24)).replace("test", "live"))


@pytest.mark.parametrize("text", ["", "gi2_live_", "sk-proj-abc", "gi2_live_" + "0" * 38, "x" * 10_000, "\0", "\ud800" * 47])
def test_what_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(Unauthenticated) as refusal:
        check_key(text)
    assert str(refusal.value) == "this is not an API key of ours"
    assert refusal.value.facts == {}


def test_a_key_needs_its_entropy_and_uses_all_of_it() -> None:
    with pytest.raises(ValueError, match="24 bytes"):
        write_key(Mode.LIVE, bytes(23))
    keys = {write_key(Mode.LIVE, bytes([1 if place == bit else 0 for place in range(24)])) for bit in range(24)}
    assert len(keys) == 24


def test_no_character_of_a_key_is_much_likelier_than_another() -> None:
    seen = Counter("".join(write_key(Mode.LIVE, number.to_bytes(32, "big") * 1)[9:41] for number in _spread(2_000)))
    assert set(seen) == set(ALPHABET)
    assert max(seen.values()) < 1.3 * min(seen.values())


def _spread(count: int) -> list[int]:
    """Numbers all over 256 bits, the same in every run."""
    number, found = 1, []
    for _ in range(count):
        number = pow(3, number % (2**61 - 1), 2**256 - 189)
        found.append(number)
    return found


def caller_with(scopes: Set[Scope]) -> Caller:
    return Caller(
        account_id=AccountId(UUID(int=1)),
        key_id=KeyId(UUID(int=2)),
        mode=Mode.LIVE,
        scopes=frozenset(scopes),
        plan="free",
        wallet_id=WalletId(UUID(int=3)),
    )


def test_a_caller_may_do_what_its_key_has_scopes_for() -> None:
    reader = caller_with({Scope.READ})
    reader.must_have(Scope.READ)
    with pytest.raises(MissingScope) as refusal:
        reader.must_have(Scope.GENERATE)
    assert refusal.value.facts == {"scope": "generate"}
    everything = caller_with(frozenset(Scope))
    for scope in Scope:
        everything.must_have(scope)


def test_staff_are_those_with_a_role_above_user() -> None:
    assert [role for role in Role if role.is_staff] == [Role.SUPPORT, Role.ADMIN]


def test_a_frozen_account_may_not_spend_until_it_is_unfrozen() -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    account = Account(AccountId(UUID(int=1)), Role.USER, "free", at)
    account.may_spend()
    frozen = account.freeze(at)
    with pytest.raises(AccountFrozen):
        frozen.may_spend()
    assert frozen.freeze(at + timedelta(days=1)) == frozen, "it was frozen before"
    frozen.unfreeze().may_spend()
    assert frozen.unfreeze() == account


def test_who_calls_for_a_frozen_account_may_not_spend_whatever_the_scopes() -> None:
    caller = caller_with(frozenset(Scope))
    caller.may_spend()
    frozen = replace(caller, frozen=True)
    with pytest.raises(AccountFrozen):
        frozen.may_spend()
    for scope in Scope:
        frozen.must_have(scope)
