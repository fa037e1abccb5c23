"""The system of record in memory: the fake that keeps every promise of the real one, row locks and rollback included."""

from adapters.memory.billing_queries import MemoryBillingQueries as MemoryBillingQueries
from adapters.memory.event_queries import MemoryEventQueries as MemoryEventQueries
from adapters.memory.provenance_queries import MemoryProvenanceQueries as MemoryProvenanceQueries
from adapters.memory.queries import MemoryObjectRows as MemoryObjectRows
from adapters.memory.queries import MemoryQueries as MemoryQueries
from adapters.memory.store import MemoryStore as MemoryStore
