"""With whom people can sign in: several providers at once, by name."""

from collections.abc import Mapping
from dataclasses import dataclass

from application.ports import IdentityProvider
from domain.errors import NotFound


@dataclass(frozen=True, slots=True)
class Providers:
    by_name: Mapping[str, IdentityProvider]

    @property
    def names(self) -> list[str]:
        return list(self.by_name)

    def named(self, name: str) -> IdentityProvider:
        """Raises NotFound."""
        if name not in self.by_name:
            raise NotFound(provider=name)
        return self.by_name[name]
