"""Who waits for a call, and how long calls took lately."""

from collections.abc import Sequence
from typing import Any

import msgspec

from adapters.postgres.generations import BY_TURN, EVERYONE, in_turn
from domain.accounts import AccountId
from domain.waiting import Line, Place, Worked

# By the same fragment as the claim: a place in the line is a promise of when it is claimed. One more than was asked for, of each
# account and of all, shows that the line is cut.
LINE = f"""
WITH RECURSIVE {in_turn(EVERYONE, "%(limit)s + 1")}, first AS (
    SELECT h.* FROM heads h ORDER BY {BY_TURN} LIMIT %(limit)s + 1
)
SELECT json_build_object('running', (
    SELECT coalesce(json_object_agg(r.account_id, r.calls), '{{}}') FROM (
        SELECT account_id, count(*) AS calls FROM generations WHERE state = 'running' GROUP BY account_id) r
), 'places', (SELECT coalesce(json_agg(h ORDER BY {BY_TURN}), '[]') FROM first h))::text
"""

# The youngest by id, as the primary key has them; those under way are passed over, or a long line would hide all that is known.
WORKED = """
SELECT json_build_object('mode', g.mode, 'model', g.model, 'size', g.request->'size', 'quality', g.request->'quality',
    'seconds', extract(epoch FROM g.finished_at - a.started_at))::text
FROM (SELECT * FROM generations WHERE finished_at IS NOT NULL ORDER BY id DESC LIMIT %(limit)s) g
JOIN attempts a ON a.generation_id = g.id AND a.booked
"""

GATES = "SELECT row_to_json(g)::text FROM model_gates g ORDER BY model"


class _Line(msgspec.Struct):
    places: list[Place]
    running: dict[AccountId, int]


_line = msgspec.json.Decoder(_Line)
_worked = msgspec.json.Decoder(Worked)


def line(rows: Sequence[Any], limit: int) -> Line:
    found = _line.decode(rows[0])
    return Line(found.places[:limit], found.running, cut=len(found.places) > limit)


def worked(rows: Sequence[Any]) -> Sequence[Worked]:
    return [_worked.decode(row) for row in rows]
