"""Signing in on a store, as the service does it but for its tokens."""

from adapters.keyring import PurposeKeys
from application.access import AccessStore
from application.registration import PersonDigests, Register
from application.sessions import SignIn
from domain.registration import RegistrationRules
from tests.offer import CATALOGUE
from tests.world import new_id

OPEN, KEYS = RegistrationRules(), PurposeKeys({"a": b"a" * 32})


def sign_in_on(store: AccessStore, rules: RegistrationRules = OPEN, keys: PersonDigests = KEYS) -> SignIn:
    return SignIn(store, Register(CATALOGUE, rules, keys, new_id), new_id, lambda: f"token-{new_id().hex}")
