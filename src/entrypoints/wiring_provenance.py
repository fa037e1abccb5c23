"""How what signs pictures is put together: certificates, key, and whom we trust."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from dishka import Provider, Scope, provide

from adapters.picture_pool import PicturePool
from adapters.provenance.c2pa import Authority, C2paProvenance
from adapters.provenance.chain import SigningChain as SigningChain
from application.provenance import Provenance
from entrypoints.crash_points import CrashPoints
from entrypoints.settings import Settings

SYSTEM = "gpt-image-2"


class Proof(Provider):
    """Where pictures come from, and how they say so."""

    scope = Scope.APP

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


def _pem(file: Path | None) -> str:
    return file.read_text("ascii") if file else ""
