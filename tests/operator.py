"""An operator at the keyboard: runs `gpt-image admin …` or `doctor` on a database, and reads what comes back."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner

from entrypoints.admin import admin
from entrypoints.doctor import doctor
from entrypoints.settings import Settings


@dataclass(frozen=True, slots=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Operator:
    """`folder` is the data folder; of the environment nothing counts but `settings`."""

    database_url: str
    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    async def __call__(self, *words: object) -> Answer:
        return await self._run(admin, *words)

    async def doctor(self, *words: object) -> Answer:
        return await self._run(doctor, *words)

    async def _run(self, command: click.Command, *words: object) -> Answer:
        environment: dict[str, str | None] = {known.name.upper(): None for known in fields(Settings)}
        environment |= {"DATABASE_URL": self.database_url or None, "DATA_DIR": str(self.folder), **self.settings}
        # In a thread: a command runs a loop of its own.
        result = await asyncio.to_thread(CliRunner(env=environment).invoke, command, [str(word) for word in words])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)
