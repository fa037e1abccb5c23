"""The service as its callers meet it: real API processes, reached over HTTP with a real key."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from application.accounts import OpenAccount
from application.api_keys import AddKey, hash_key
from application.credits import GrantCredits
from application.queries import Queries
from domain.accounts import Account, AccountId, KeyId, Mode, Role, Scope, Staff
from domain.api_keys import ApiKey, write_key
from domain.ledger import WalletId
from tests import plain_http
from tests.forks import Fork
from tests.processes import part, until
from tests.world import REASON, World, new_id


@dataclass(frozen=True, slots=True)
class Customer:
    account: AccountId
    wallet: WalletId
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


async def customer(
    service: World, credits: int, mode: Mode = Mode.TEST, *, role: Role = Role.USER, scopes: frozenset[Scope] = frozenset(Scope)
) -> Customer:
    """An account with credits and a key."""
    account = Account(AccountId(new_id()), role, "free", datetime.now(UTC))
    await (await service.parts.get(OpenAccount))(account)
    wallet = await (await service.parts.get(Queries)).wallet(account.id, mode)
    if credits:
        await (await service.parts.get(GrantCredits))(Staff(account.id, REASON), wallet, credits)
    secret = write_key(mode, os.urandom(24))
    key = ApiKey(KeyId(new_id()), account.id, mode, scopes, hash_key(secret), secret[-4:], account.created_at)
    await (await service.parts.get(AddKey))(key)
    return Customer(account.id, wallet, secret)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def serving(database_url: str, folder: Path, *, processes: int = 1, **environment: str) -> Iterator[list[str]]:
    """So many API processes over one database; their addresses."""
    with ExitStack() as stack:
        addresses, running = [], list[Fork]()
        for _ in range(processes):
            port = free_port()
            said = {"DATABASE_URL": database_url, "PORT": str(port), **environment}
            running.append(stack.enter_context(part("api", folder, **said)))
            addresses.append(f"http://127.0.0.1:{port}")
        for address in addresses:
            until(lambda address=address: _is_ready(address, running), f"{address} to be ready")  # type: ignore[misc]  # mypy cannot type this lambda
        yield addresses


def _is_ready(address: str, running: list[Fork]) -> bool:
    for api in running:
        assert not api.has_ended, api.log.read_text()
    try:
        return plain_http.get(f"{address}/health/ready", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
