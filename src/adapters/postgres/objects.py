"""Which rows speak of stored objects, class by class: rules of how long they stay are the domain's."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from adapters.postgres.pool import read_all
from adapters.postgres.session import Pool
from application.ports import StoredObject
from domain.objects import ObjectClass, ObjectKey

# What holds of `o` (class, owner and the parts of the path as text, from 1) while a row speaks of the object, or may yet.
SPEAKS: Mapping[ObjectClass, str] = {
    ObjectClass.UPLOADS: "EXISTS (SELECT 1 FROM assets a WHERE a.id = o.owner)",
    ObjectClass.OUTPUTS: """EXISTS (SELECT 1 FROM generations g WHERE g.id = o.owner AND g.state IN ('queued', 'running'))
        OR EXISTS (SELECT 1 FROM assets a WHERE a.generation_id = o.owner AND a.attempt::text = o.path[1]
            AND (a."index"::text = o.path[2] OR o.path[2] = 'manifest'))""",
    ObjectClass.ARCHIVES: """EXISTS (SELECT 1 FROM archives a
        WHERE a.id = o.owner AND a.attempt::text = o.path[1] AND a.state IN ('running', 'ready'))""",
    ObjectClass.THUMBNAILS: "EXISTS (SELECT 1 FROM assets a WHERE a.id = o.owner)",
    ObjectClass.ANSWERS: "EXISTS (SELECT 1 FROM generations g WHERE g.id = o.owner AND g.request IS NOT NULL)",
}
_SPOKEN_OF = f"""
SELECT o.key FROM json_to_recordset(%(found)s::json) AS o(key text, class text, owner uuid, path text[])
WHERE CASE o.class {" ".join(f"WHEN '{kind}' THEN {speaks}" for kind, speaks in SPEAKS.items())} ELSE false END
"""


async def spoken_of(pool: Pool, found: Sequence[StoredObject]) -> set[str]:
    """The keys, of these that are all of our making, of which a row speaks or may yet."""
    if not found:
        return set()
    asked = [_asked(thing.key) for thing in found]
    return set(await read_all(pool, _SPOKEN_OF, {"found": msgspec.json.encode(asked).decode()}))


def _asked(key: ObjectKey) -> dict[str, Any]:
    return {"key": str(key), "class": key.object_class, "owner": key.owner, "path": key.path}
