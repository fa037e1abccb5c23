"""A whole service in one process, on a real database and real files, for tests that drive it through its use cases."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import uuid_utils.compat
from dishka import AsyncContainer, Provider

from application.accounts import OpenAccount
from application.credits import GrantCredits
from application.queries import Queries
from domain.accounts import Account, AccountId, Caller, KeyId, Mode, Role, Scope, Staff
from domain.rate_limits import LARGEST_QUOTA, Policy
from entrypoints.settings import Settings
from entrypoints.wiring import container

REASON = "a test"
UNHURRIED = {f"{policy}_requests_per_minute": LARGEST_QUOTA for policy in Policy}


def new_id() -> UUID:
    return uuid_utils.compat.uuid7()


@dataclass
class World:
    parts: AsyncContainer

    async def caller(self, *, credits: int = 0, mode: Mode = Mode.TEST, plan: str = "free") -> Caller:
        """A new account with this many credits, calling in this mode."""
        account = Account(AccountId(new_id()), Role.USER, plan, datetime.now(UTC))
        await (await self.parts.get(OpenAccount))(account)
        wallet = await (await self.parts.get(Queries)).wallet(account.id, mode)
        if credits:
            await (await self.parts.get(GrantCredits))(Staff(account.id, REASON), wallet, credits)
        return Caller(account.id, KeyId(new_id()), mode, frozenset(Scope), plan, wallet)


@asynccontextmanager
async def world(database_url: str, folder: Path, *overrides: Provider, **settings: object) -> AsyncIterator[World]:
    said: dict[str, Any] = {**UNHURRIED, **settings}
    async with container(Settings(database_url=database_url, data_dir=folder, **said), *overrides) as parts:
        yield World(parts)
