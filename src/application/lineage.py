"""Where a generation comes from and what came of it, and how to ask for the same again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Protocol

from application.ports import Today
from application.queries import Queries
from domain.accounts import AccountId, Caller, Mode
from domain.catalogue import Catalogue
from domain.errors import Gone, RetiredModel, UnknownModel
from domain.generations import Generation, GenerationId
from domain.media import Asset, AssetId
from domain.requests import Asked


@dataclass(frozen=True, slots=True)
class Family:
    """`ancestors`: nearest first; `descendants`: its children, theirs, and so on, each with what is left of its pictures.
    `*_cut`: there are more."""

    one: tuple[Generation, Sequence[Asset]]
    ancestors: Sequence[tuple[Generation, Sequence[Asset]]]
    descendants: Sequence[tuple[Generation, Sequence[Asset]]]
    ancestors_cut: bool
    descendants_cut: bool


class LineageQueries(Protocol):
    async def family(self, generation: GenerationId, account: AccountId, mode: Mode) -> Family:
        """As of one instant, erased ones included. Raises NotFound."""
        ...

    async def missing(self, assets: Sequence[AssetId], account: AccountId, mode: Mode) -> Sequence[AssetId]:
        """Those that are this account's no more, in the order asked for."""
        ...


@dataclass(frozen=True, slots=True)
class RetiredSince:
    """A model that cannot be asked for any more; None: nothing is known of it."""

    id: str
    shutdown_date: date | None
    replacement: str | None


@dataclass(frozen=True, slots=True)
class Recalled:
    """What to send for the same pictures, and what stands in the way: a model that is gone, pictures that were deleted."""

    asked: Asked
    parent: GenerationId | None
    retired: RetiredSince | None
    missing: Sequence[AssetId]


@dataclass(frozen=True, slots=True)
class RecallGeneration:
    queries: Queries
    lineage: LineageQueries
    catalogue: Catalogue
    today: Today

    async def __call__(self, caller: Caller, generation_id: GenerationId) -> Recalled:
        """With the labels it bears now. Raises NotFound, Gone."""
        found, _ = await self.queries.generation(generation_id, caller.account_id, caller.mode)
        if found.request is None:
            raise Gone
        asked = replace(Asked.again(found.request), metadata=found.metadata)
        named = [*asked.images, *([asked.mask] if asked.mask else [])]
        missing = await self.lineage.missing(named, caller.account_id, caller.mode) if named else ()
        return Recalled(asked, found.parent, self._retired(found.model), missing)

    def _retired(self, model: str) -> RetiredSince | None:
        try:
            self.catalogue.model(model, self.today())
        except (RetiredModel, UnknownModel):
            known = self.catalogue.models.get(model) or self.catalogue.retired.get(model)
            return RetiredSince(model, known.shutdown_date if known else None, known.replacement if known else None)
        return None
