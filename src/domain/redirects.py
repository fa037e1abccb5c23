"""Where people may be led back to: a page that sends them to any address would be of use to others."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from domain.buying_errors import ForeignAddress

_PRINTABLE = re.compile(r"[\x21-\x7e]{1,2000}", re.ASCII)


def is_ours(address: str, *origins: str) -> bool:
    """Whether an address is a path, or has one of these origins (without a slash at their end), in the eyes of any browser."""
    if not _PRINTABLE.fullmatch(address) or "\\" in address:
        return False
    if any(address == origin or address.startswith((f"{origin}/", f"{origin}?")) for origin in origins):
        return True
    return bool(re.match("/(?!/)", address))


@dataclass(frozen=True, slots=True)
class OwnPages:
    """`url`: where people find the service, without a slash at its end; `origins`: of other pages that are ours."""

    url: str
    origins: Sequence[str] = ()

    def whole(self, field: str, address: str) -> str:
        """The address with its scheme and host. Raises ForeignAddress."""
        allowed = [self.url, *self.origins]
        if not is_ours(address, *allowed):
            raise ForeignAddress(f"{field} is a path, or below one of the allowed origins", field=field, allowed=["/", *allowed])
        return f"{self.url}{address}" if address.startswith("/") else address
