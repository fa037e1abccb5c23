"""Edits on the HTTP surface: what came along is noted, and taken for pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from application.edits import Made, Picture
from application.store import IdempotencyKey
from domain.accounts import Caller
from domain.media import AssetId, AssetKind
from domain.requests import Asked

if TYPE_CHECKING:
    from tests.http_stage import Stage


@dataclass
class Edits:
    stage: "Stage"

    async def may(self, caller: Caller, once: IdempotencyKey | None) -> None:
        if self.stage.broke:
            raise self.stage.broke

    async def __call__(
        self, caller: Caller, asked: Asked, images: Sequence[Picture], mask: Picture | None = None, **more: Any
    ) -> Made:
        self.stage.came_along = (list(images), mask)
        named = [self._kept(caller, image, AssetKind.REFERENCE) for image in images]
        over = None if mask is None else self._kept(caller, mask, AssetKind.MASK)
        return await self.stage.request(caller, replace(asked, images=tuple(named), mask=over), **more)

    def _kept(self, caller: Caller, picture: Picture, kind: AssetKind) -> AssetId:
        if isinstance(picture, UUID):
            return AssetId(picture)
        return self.stage.has_picture(caller.account_id, kind=kind, has_alpha=kind is AssetKind.MASK, width=64, height=64).id
