"""Addresses of an S3 that carry their own signature (AWS Signature Version 4, in the query). Made by hand: a page of a hundred
pictures needs hundreds of them at once, and the library takes ten times as long over each."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Credentials:
    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


def signed_url(
    method: str,
    base: str,
    key: str,
    *,
    credentials: Credentials,
    region: str,
    at: datetime,
    seconds: int,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> str:
    """Good for `seconds` from `at`. `base`: scheme, host and path of the bucket; `headers`, named in small letters: with these
    exactly the request must come."""
    scheme, _, where = base.partition("://")
    host, slash, path = where.partition("/")
    path = quote(f"{slash}{path}/{key}", safe="/-_.~")
    day = f"{at:%Y%m%d}"
    scope = f"{day}/{region}/s3/aws4_request"
    signed = dict(sorted({"host": host, **(headers or {})}.items()))
    asked = {
        "X-Amz-Algorithm": ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key}/{scope}",
        "X-Amz-Date": f"{day}T{at:%H%M%S}Z",
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": ";".join(signed),
        **({"X-Amz-Security-Token": credentials.token} if credentials.token else {}),
        **(query or {}),
    }
    parameters = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in sorted(asked.items()))
    lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
    request = "\n".join((method, path, parameters, lines, ";".join(signed), "UNSIGNED-PAYLOAD"))
    digest = hashlib.sha256(request.encode()).hexdigest()
    message = "\n".join((ALGORITHM, asked["X-Amz-Date"], scope, digest))
    signature = hmac.digest(_day_key(credentials.secret_key, day, region), message.encode(), "sha256").hex()
    return f"{scheme}://{host}{path}?{parameters}&X-Amz-Signature={signature}"


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")


@lru_cache(maxsize=4)
def _day_key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
