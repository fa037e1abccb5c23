"""With whom people may sign in here: the operator's own short list, as TOML.

[google]
issuer = "https://accounts.google.com"
client_id = "…"
client_secret_file = "/run/secrets/google"

[github]
kind = "github"
client_id = "…"
client_secret = "…"
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from adapters.identity.github import GitHub
from adapters.identity.oidc import OpenIdConnect
from application.ports import IdentityProvider
from domain.strict_toml import Table

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
"""It stands in addresses."""
_KINDS = ("openid", "github")
_GITHUB = {"site": "https://github.com", "api": "https://api.github.com"}


def read_providers(path: Path, clock: Callable[[], float]) -> Mapping[str, IdentityProvider]:
    """By name, in the order written; `clock`: Unix seconds. Raises CatalogueInvalid, or OSError for what cannot be read."""
    whole = Table.parse(path.name, path.read_text())
    found = {name: _provider(name, whole.table(name), clock) for name in whole.content}
    whole.finish()
    return found


def _provider(name: str, table: Table, clock: Callable[[], float]) -> IdentityProvider:
    if not _NAME.fullmatch(name) or name in ("providers", "sandbox", "sign-out"):
        raise table.wrong("", "is no name: small letters, digits and dashes, and not one of our own addresses")
    kind = table.one_of("kind", _KINDS) if "kind" in table else "openid"
    client_id, secret = table.text("client_id"), _secret(table)
    try:
        if kind == "openid":
            return OpenIdConnect(name, table.text("issuer"), client_id, secret, clock)
        site, api = (table.text(place) if place in table else known for place, known in _GITHUB.items())
        return GitHub(name, client_id, secret, site, api)
    except ValueError as error:
        raise table.wrong("issuer" if kind == "openid" else "site", str(error)) from None


def _secret(table: Table) -> str:
    """In the file, or better in one of its own."""
    if "client_secret_file" in table:
        return Path(table.text("client_secret_file")).read_text().strip()
    return table.text("client_secret")
