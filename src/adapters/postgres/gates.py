"""Gates in Postgres: one row a model."""

import msgspec

from adapters.postgres import tables
from adapters.postgres.session import Session
from application.store import Gates
from domain.gates import ClosedFor, Gate

gate_document = msgspec.json.Decoder(Gate)

# A row that changes nothing, so that the first to come makes it, and everyone locks it in the same statement.
_LOCK = """
INSERT INTO model_gates AS g (model) VALUES (%(model)s) ON CONFLICT (model) DO UPDATE SET model = EXCLUDED.model
RETURNING row_to_json(g)::text
"""
_FIND = "SELECT row_to_json(g)::text FROM model_gates g WHERE model = %(model)s"
_REOPEN = "UPDATE model_gates SET closed_until = NULL, on_trial = false WHERE reason = %(reason)s RETURNING 1"


class PostgresGates(Gates):
    def __init__(self, session: Session) -> None:
        self._session = session

    async def lock(self, model: str) -> Gate:
        return gate_document.decode(await self._session.read(_LOCK, model=model))

    async def find(self, model: str) -> Gate:
        row = await self._session.read(_FIND, model=model)
        return gate_document.decode(row) if row else Gate(model)

    def save(self, gate: Gate) -> None:
        self._session.writes.update(tables.model_gates, gate)

    async def reopen(self, reason: ClosedFor) -> int:
        return len(await self._session.read_all(_REOPEN, reason=reason.value))
