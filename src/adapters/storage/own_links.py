"""Links that the service signs and serves itself: `/files/<key>?<what>&expires=<unix seconds>&kid=…&signature=<base64url>`.

`what` is `format=…&name=…` to read an object, and `type=…&bytes=…` to put one. The signature covers the key and the whole query,
character by character.
"""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from application.ports import Signer
from domain.errors import NotFound
from domain.limits import LIMITS
from domain.objects import ObjectKey

_END = r"&expires=(?P<expires>\d{1,12}))&kid=(?P<kid>[A-Za-z0-9_-]+)&signature=(?P<signature>[A-Za-z0-9_-]+)"
TO_READ = re.compile(r"(?P<signed>format=(?P<format>[a-z]+)&name=(?P<name>[A-Za-z0-9._-]+)" + _END, re.ASCII)
TO_PUT = re.compile(r"(?P<signed>type=(?P<type>[a-z]+/[a-z]+)&bytes=(?P<bytes>\d{1,12})" + _END, re.ASCII)


@dataclass(frozen=True, slots=True)
class Followed:
    """A link that is ours: `said` by name, and for how many seconds more it lives."""

    key: ObjectKey
    said: re.Match[str]
    seconds_left: int


@dataclass(frozen=True, slots=True)
class OwnLinks:
    signer: Signer
    clock: Callable[[], datetime]

    def to(self, key: ObjectKey, what: str, expires_at: datetime) -> str:
        assert (expires_at - self.clock()).total_seconds() <= LIMITS["link_seconds"], "a link lives ten minutes at most"
        signed = f"{'/'.join(key.plain_parts)}?{what}&expires={int(expires_at.timestamp())}"
        kid, mac = self.signer.sign(signed.encode())
        return f"/files/{signed}&kid={kid}&signature={_base64url(mac)}"

    def follow(self, form: re.Pattern[str], path: str, query: str) -> Followed:
        """`path` is what follows `/files/`, `query` all of it, both exactly as they came. Raises NotFound."""
        said = form.fullmatch(query)
        if said is None or not self._is_ours(path, said):
            raise NotFound
        left = datetime.fromtimestamp(int(said["expires"]), UTC) - self.clock()
        if left <= timedelta(0):
            raise NotFound
        try:
            return Followed(ObjectKey.parse(path), said, int(left.total_seconds()))
        except ValueError:  # of a class that there is no longer
            raise NotFound from None

    def _is_ours(self, path: str, said: re.Match[str]) -> bool:
        try:
            mac = base64.urlsafe_b64decode(said["signature"] + "=" * (-len(said["signature"]) % 4))
            message = f"{path}?{said['signed']}".encode()
        except (binascii.Error, UnicodeEncodeError):
            return False
        # Base64 has several spellings of the same bytes: only ours counts.
        return self.signer.verify(said["kid"], message, mac) and _base64url(mac) == said["signature"]


def _base64url(mac: bytes) -> str:
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
