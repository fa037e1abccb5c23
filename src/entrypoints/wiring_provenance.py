"""How what signs pictures is put together: certificates, key, and whom we trust."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from dishka import Provider, Scope, provide, provide_all

from adapters.picture_pool import PicturePool
from adapters.postgres.provenance_log import PostgresProvenanceQueries
from adapters.postgres.session import Pool
from adapters.postgres.store import PostgresStore
from adapters.provenance.c2pa import Authority, C2paProvenance
from adapters.provenance.chain import SigningChain as SigningChain
from application.marking import MarkPictures
from application.ports import PictureIntake
from application.provenance import Provenance, ProvenanceQueries
from application.recording import RecordOutputs
from application.verification import VerifyPicture
from entrypoints.crash_points import CrashPoints
from entrypoints.settings import Settings
from entrypoints.wiring_storage import Objects

SYSTEM = "gpt-image-2"


class Proof(Provider):
    """Where pictures come from, and how they say so."""

    scope = Scope.APP
    marking = provide_all(MarkPictures, VerifyPicture)

    @provide
    def chain(self, settings: Settings) -> SigningChain:
        if settings.c2pa_certificates and settings.c2pa_key:
            return SigningChain.load(settings.c2pa_certificates, settings.c2pa_key)
        return SigningChain.load_or_create(settings.data_dir / "provenance", datetime.now(UTC))

    @provide
    async def provenance(
        self, settings: Settings, pool: PicturePool, chain: SigningChain, points: CrashPoints
    ) -> AsyncIterator[Provenance]:
        authority = Authority(settings.tsa_url, _pem(settings.tsa_trust), _pem(settings.c2pa_trust))
        made = C2paProvenance(pool, chain, authority, (SYSTEM, version(SYSTEM)), lambda: datetime.now(UTC))
        yield points.wrap("Provenance", made)
        made.close()

    @provide
    def queries(self, pool: Pool) -> ProvenanceQueries:
        return PostgresProvenanceQueries(pool)

    @provide
    def record_outputs(
        self,
        store: PostgresStore,
        objects: Objects,
        provenance: Provenance,
        intake: PictureIntake,
        queries: ProvenanceQueries,
        points: CrashPoints,
    ) -> RecordOutputs:
        by = "RecordOutputs"
        store_of_ours, storage = points.wrap("Store", store, by), points.wrap("ObjectStorage", objects.storage, by)
        return RecordOutputs(store_of_ours, storage, provenance, intake, queries)


def _pem(file: Path | None) -> str:
    return file.read_text("ascii") if file else ""
