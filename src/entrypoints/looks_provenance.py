"""The doctor's look at what signs pictures: a probe is signed and read again; how long the certificates last."""

import asyncio
import struct
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from application.provenance import Provenance, ProvenanceUnavailable
from domain.media import PictureFormat
from domain.provenance import Made
from entrypoints.looked import Looked, Verdict, others_read
from entrypoints.settings import Settings
from entrypoints.wiring import container
from entrypoints.wiring_provenance import SigningChain

REMEDY = "see C2PA_CERTIFICATES, C2PA_KEY, C2PA_TRUST, TSA_URL and TSA_TRUST"
ENDS_SOON = timedelta(days=30)
_SECONDS = 60.0
_PART = "provenance"


def provenance(settings: Settings) -> Looked:
    key = settings.c2pa_key or settings.data_dir / "provenance" / "signer.pem"
    if not settings.c2pa_key and not key.exists():
        return Looked(_PART, Verdict.NOTE, f"no certificates yet: the first start makes a development chain in {key.parent}")
    if others_read(key):
        return Looked(_PART, Verdict.BROKEN, f"others can read {key}", f"chmod 600 {key}, and have it replaced")
    try:
        chain, by_us = asyncio.run(_signed_and_read(settings))
    except ProvenanceUnavailable as error:
        return Looked(_PART, Verdict.BROKEN, f"nothing can be signed: {error}", REMEDY)
    if not by_us:
        return Looked(_PART, Verdict.BROKEN, "our own signature is not trusted here", REMEDY)
    ends = f"certificates of {chain.names[0]} last until {chain.expires_at:%Y-%m-%d}"
    if chain.expires_at - datetime.now(UTC) < ENDS_SOON:
        return Looked(_PART, Verdict.BROKEN, f"{ends}: pictures wait unsigned from then on", "set C2PA_CERTIFICATES to new ones")
    if not settings.c2pa_certificates:
        return Looked(_PART, Verdict.NOTE, f"{ends}; nobody else trusts them", "set C2PA_CERTIFICATES and C2PA_KEY")
    if not settings.tsa_url:
        return Looked(_PART, Verdict.NOTE, f"{ends}, and so do signatures", "set TSA_URL: they outlive the certificates with it")
    return Looked(_PART, Verdict.OK, f"{ends}; a probe was signed, timestamped and read")


async def _signed_and_read(settings: Settings) -> tuple[SigningChain, bool]:
    async with container(replace(settings, picture_workers=1)) as parts, asyncio.timeout(_SECONDS):
        chain, port = await parts.get(SigningChain), await parts.get(Provenance)
        probe = await port.sign(_dot(), PictureFormat.PNG, Made.by_model("probe", edited=False))
        return chain, (await port.read(probe, PictureFormat.PNG)).by_us


def _dot() -> bytes:
    """A PNG of one white pixel."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\xff")) + chunk(b"IEND", b"")
