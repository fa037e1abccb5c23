"""Which requests take the caller's own key: every POST that creates, and every other one says why it needs none."""

import pytest

from entrypoints.http.auth import takes_key
from tests.creating import CREATING
from tests.http_routes import HANDLERS, method_of

POSTS = {str(handler.operation_id or path): handler for path, handler in HANDLERS if method_of(handler) == "POST"}
KEYED = {operation for operation, handler in POSTS.items() if takes_key(handler)}
NEEDS_NONE = {
    "quote": "holds and keeps nothing",
    "verify": "keeps nothing",
    "cancelGeneration": "what is cancelled stays so, and is answered as it stands",
    "restoreGeneration": "what is out of the trash stays so, and is answered as it stands",
    "redeemPromotion": "a person redeems a code once, and is answered what it came to the first time",
    "openPortal": "a link to a page, which is good for minutes",
    "changeSubscription": "asks the provider under a key of our own, made of what was known and wanted",
    "cancelSubscription": "asks the provider under a key of our own; what is cancelled stays so",
    "resumeSubscription": "asks the provider under a key of our own; what goes on is refused as already so",
    "linkIdentity": "begins a sign-in in this browser; nothing is kept until it has come back",
    "signOut": "ends the session that it comes with",
    "/webhooks/stripe": "the provider's own id of the event says whether it is known",
    "rotateWebhookSecret": "within a day the secret in between is replaced, and the one before it goes on signing",
    "testWebhookEndpoint": "a message of no meaning",
    "redeliverWebhook": "the same message again, which its receiver knows by its id",
    "beginUpload": "a link that makes nothing until it is completed",
    "completeUpload": "the upload's own id is the key: asked again, it answers the same picture",
}
"""By operation: why asking twice does no harm."""


def test_every_post_takes_a_key_or_says_why_it_needs_none() -> None:
    assert POSTS.keys() - KEYED == NEEDS_NONE.keys()


def test_the_clauses_about_keys_are_tested_for_every_route_that_takes_one() -> None:
    assert CREATING.keys() == KEYED


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_what_is_the_same_when_it_is_said_twice_takes_none(method: str) -> None:
    assert not [path for path, handler in HANDLERS if method_of(handler) == method and takes_key(handler)]
