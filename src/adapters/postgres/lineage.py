"""Ancestors and descendants of a generation, in Postgres."""

from collections.abc import Sequence

import msgspec

from adapters.postgres.generations import GENERATION
from adapters.postgres.pool import read_all
from adapters.postgres.session import Pool, unavailable
from application.lineage import Family, LineageQueries
from domain.accounts import AccountId, Mode
from domain.errors import NotFound
from domain.generations import Generation, GenerationId
from domain.limits import LIMITS
from domain.media import Asset, AssetId

# Breadth first, and no further than is shown: a generation may have thousands of children. No ring can be made, since a parent is
# there before its child.
FAMILY = f"""
WITH RECURSIVE up AS (
    SELECT g.id, g.parent, 0 AS depth FROM generations g
    WHERE g.id = %(generation)s AND g.account_id = %(account)s AND g.mode = %(mode)s
    UNION ALL
    SELECT g.id, g.parent, up.depth - 1 FROM up JOIN generations g ON g.id = up.parent
    WHERE g.account_id = %(account)s AND g.mode = %(mode)s AND up.depth > -%(ancestors)s::int
), down AS (
    SELECT up.id, 0 AS depth FROM up WHERE up.depth = 0
    UNION ALL
    SELECT child.id, down.depth + 1 FROM down CROSS JOIN LATERAL (
        SELECT c.id FROM generations c WHERE c.parent = down.id AND c.account_id = %(account)s AND c.mode = %(mode)s
        ORDER BY c.id LIMIT %(descendants)s) child
), family AS (
    SELECT id, depth FROM up WHERE depth < 0
    UNION ALL
    (SELECT id, depth FROM down LIMIT %(descendants)s::int + 1)
)
SELECT json_build_object('depth', f.depth, 'generation', {GENERATION}, 'assets', (
    SELECT coalesce(json_agg(s ORDER BY s."index"), '[]') FROM assets s WHERE s.generation_id = g.id))::text
FROM family f JOIN generations g ON g.id = f.id ORDER BY f.depth, f.id
"""
_THERE = "SELECT id FROM assets WHERE id = ANY(%(assets)s) AND account_id = %(account)s AND mode = %(mode)s"


class _Relative(msgspec.Struct):
    depth: int
    generation: Generation
    assets: list[Asset]

    @property
    def told(self) -> tuple[Generation, Sequence[Asset]]:
        return self.generation, self.assets


_relative = msgspec.json.Decoder(_Relative)


class PostgresLineage(LineageQueries):
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def family(self, generation: GenerationId, account: AccountId, mode: Mode) -> Family:
        most, deepest = LIMITS["lineage_descendants"], LIMITS["lineage_ancestors"]
        which = {"generation": generation, "account": account, "mode": mode}
        with unavailable():
            rows = await read_all(self._pool, FAMILY, which | {"ancestors": deepest + 1, "descendants": most + 1})
        found = [_relative.decode(row) for row in rows]
        if not found:
            raise NotFound("there is no such generation", generation=str(generation))
        ancestors = [each.told for each in reversed(found) if each.depth < 0]
        descendants = [each.told for each in found if each.depth > 0]
        (one,) = (each.told for each in found if each.depth == 0)
        return Family(one, ancestors[:deepest], descendants[:most], len(ancestors) > deepest, len(descendants) > most)

    async def missing(self, assets: Sequence[AssetId], account: AccountId, mode: Mode) -> Sequence[AssetId]:
        with unavailable():
            there = await read_all(self._pool, _THERE, {"assets": list(assets), "account": account, "mode": mode})
        return [asset for asset in dict.fromkeys(assets) if asset not in there]
