"""The adapter in front of the pretended provider: what the tests of both need."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from adapters.image_models.openai.images import OpenAIImages
from application.ports import ModelCall
from domain.attempts import CallResult
from domain.media import Asset, PictureFormat
from tests.offer import CATALOGUE, ask, asset
from tests.offer import mask as mask_asset
from tests.provider import Call, Provider
from tests.provider_pictures import picture

KEY = "sk-test"
SUBJECT = "subject-7f3a"


@dataclass(slots=True)
class Shown:
    """Collects partial images."""

    seen: list[tuple[int, bytes]] = field(default_factory=list)

    async def __call__(self, index: int, content: bytes) -> None:
        self.seen.append((index, content))


@dataclass(frozen=True, slots=True)
class Bench:
    provider: Provider
    model: OpenAIImages

    async def make(self, words: str = "", **asked: Any) -> CallResult:
        return await self.model.make(a_call(words, **asked))

    def last(self) -> Call:
        return self.provider.calls()[-1]


@asynccontextmanager
async def bench(provider: Provider, key: str = KEY) -> AsyncIterator[Bench]:
    async with OpenAIImages.opened(key, provider.url, CATALOGUE.models) as model:
        yield Bench(provider, model)


def a_call(
    words: str = "",
    *,
    references: int = 0,
    mask: bool = False,
    shown: Shown | None = None,
    model: str = "gpt-image-2",
    contents: tuple[bytes, ...] | None = None,
    seconds: float | None = None,
    **asked: Any,
) -> ModelCall:
    """A call for a red fox, in the words of tests/provider.py; references are small pictures that say they are 1024x1024."""
    known: list[Asset] = [asset() for _ in range(len(contents) if contents else references)]
    request = ask(model, known, mask_asset() if mask else None, prompt=f"a red fox {words}", **asked)
    formats = tuple(PictureFormat)[:3]
    drawn = contents or tuple(picture(formats[place % 3].value, 64, 48, place) for place in range(references))
    drawn_mask = picture("png", 64, 48, 9, alpha=True) if mask else None
    return ModelCall(request, drawn, drawn_mask, SUBJECT, seconds=seconds, partial=shown)
