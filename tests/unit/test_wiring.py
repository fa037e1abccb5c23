"""Everything that a process asks its wiring for is there, once, and can be made: found without a database, in seconds."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

import pytest
from dishka import AsyncContainer, FromComponent, Provider, Scope, provide

import entrypoints
from adapters.picture_pool import PicturePool
from application.events import Changes, LocalChanges
from entrypoints.http.app import ROUTES
from entrypoints.loops import loops
from entrypoints.settings import Settings
from entrypoints.wiring import Bell, Owner, Pool, container

pytestmark = pytest.mark.anyio
URL = "postgresql://nobody@127.0.0.1:1/none"
REAL = {"s3_bucket": "pictures", "openai_api_key": "sk-any", "stripe_secret_key": "sk_live_any", "smtp_url": "smtp://127.0.0.1:1"}
_GET = re.compile(r"parts\.get\(([A-Z]\w+)\)")


class Still(Provider):
    """What connects, or starts processes, as soon as it is made."""

    scope = Scope.APP

    @provide(override=True)
    def pool(self) -> Pool:
        return cast(Pool, object())

    @provide(override=True)
    def bell(self) -> Bell:
        return Bell(URL)

    @provide(override=True)
    def changes(self) -> Changes:
        return LocalChanges()

    @provide(override=True)
    def owner(self) -> Owner:
        return Owner(URL, patience=1)

    @provide(override=True)
    def picture_workers(self) -> PicturePool:
        return cast(PicturePool, object())


@asynccontextmanager
async def wired(settings: Settings) -> AsyncIterator[AsyncContainer]:
    """The wiring itself, in which dishka finds what is provided twice, or needs what nobody provides."""
    async with container(settings), container(settings, Still()) as parts:
        yield parts


@pytest.mark.parametrize("said", [{}, REAL], ids=["a service out of the box", "one with everything real"])
async def test_every_part_can_be_made(said: dict[str, Any], tmp_path: Path) -> None:
    settings = Settings(database_url=URL, data_dir=tmp_path, **said)
    async with wired(settings) as parts:
        for key in parts.registry.factories:
            await parts.get(key.type_hint, component=key.component)
        assert await loops(parts, settings), "and all that goes on by itself in a worker finds its parts"


async def test_what_routes_and_processes_ask_for_is_provided(tmp_path: Path) -> None:
    async with wired(Settings(database_url=URL, data_dir=tmp_path)) as parts:
        provided = {key.type_hint for key in parts.registry.factories}
    given = {part for route in ROUTES for part in _parts(route)}
    got = {part for file in Path(entrypoints.__file__).parent.rglob("*.py") for part in _got(file)}
    assert len(given) > 50
    assert len(got) > 50
    assert given | got <= provided


def _got(file: Path) -> Iterator[Any]:
    """What is written there as `parts.get(…)`."""
    if names := _GET.findall(file.read_text()):
        module = import_module(".".join(file.relative_to(Path(entrypoints.__file__).parents[1]).with_suffix("").parts))
        yield from (getattr(module, name) for name in names)


def _parts(route: Any) -> Iterator[Any]:
    """What its handler is given by FromDishka."""
    for hint in get_type_hints(getattr(route.fn, "__dishka_orig_func__", route.fn), include_extras=True).values():
        part, *marks = (*get_args(hint), None)
        if FromComponent() in marks:
            yield part
