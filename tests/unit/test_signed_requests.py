"""Links to an S3 are signed as its own library signs them."""

from datetime import UTC, datetime
from unittest import mock

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Theirs

from adapters.storage.signed_requests import Credentials, signed_url

NOON = datetime(2026, 11, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize("token", [None, "a/session+token="])
@pytest.mark.parametrize("base", ["https://pictures.s3.eu-central-1.amazonaws.com", "http://127.0.0.1:8333/pictures"])
@pytest.mark.parametrize(
    ("method", "headers", "query"),
    [
        ("GET", {}, {"response-content-type": "image/png", "response-content-disposition": 'inline; filename="a b.png"'}),
        ("PUT", {"content-type": "image/png", "content-length": "7"}, {}),
    ],
)
def test_a_link_is_what_the_library_makes_of_it(
    token: str | None, base: str, method: str, headers: dict[str, str], query: dict[str, str]
) -> None:
    key = "outputs/00000000-0000-0000-0000-000000000001/1/0"
    ours = signed_url(
        method,
        base,
        key,
        credentials=Credentials("AK", "secret", token),
        region="eu-central-1",
        at=NOON,
        seconds=600,
        query=query,
        headers=headers,
    )
    theirs = AWSRequest(method=method, url=f"{base}/{key}", params=query, headers=headers)
    with mock.patch("botocore.auth.get_current_datetime", return_value=NOON):
        S3SigV4QueryAuth(Theirs("AK", "secret", token), "s3", "eu-central-1", expires=600).add_auth(theirs)
    assert sorted(ours.partition("?")[2].split("&")) == sorted(theirs.url.partition("?")[2].split("&"))
    assert ours.partition("?")[0] == theirs.url.partition("?")[0]
    assert "secret" not in repr(Credentials("AK", "secret", token))
