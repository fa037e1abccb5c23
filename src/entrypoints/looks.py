"""Looks at each part of the service, for the doctor: whether it works, and what to do where it does not. Nothing is changed."""

import asyncio
import os
import shutil
import struct
import time
import uuid
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from dishka import AsyncContainer

from application.notices import Notices
from application.payments import Payments
from application.ports import ObjectStorage, PictureIntake, StorageUnavailable
from application.staff_queries import ClosedGate, StaffQueries
from application.store import StoreUnavailable
from domain.accounts import AccountId
from domain.catalogue import Catalogue
from domain.gates import ClosedFor
from domain.media import AssetId
from domain.objects import ObjectKey
from entrypoints.answers import plain
from entrypoints.looked import Looked, Verdict, others_read
from entrypoints.looks_provenance import REMEDY as PROVENANCE_REMEDY
from entrypoints.looks_provenance import provenance
from entrypoints.looks_safety import REMEDY as SAFETY_REMEDY
from entrypoints.looks_safety import safety
from entrypoints.own_ports import is_free, is_ours
from entrypoints.running import ADDRESS, database_of
from entrypoints.settings import Environment, Settings, SettingsInvalid
from entrypoints.wiring import Keyring, LiveModel, SafetyKey, container
from entrypoints.wiring_schema import OLDEST_SERVER, NoDatabaseUrl, inspect, pending

NOBODY = AccountId(uuid.UUID(int=0))
EDGE = 4_000
"""Of a picture about as large as any that is asked for: whoever reads it has the memory for the others."""
SCARCE_BYTES, LOW_BYTES = 256 * 2**20, 2 * 2**30
WORKER_SECONDS = 90.0
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
PROVIDER_SECONDS = 30.0


def look_at(part: str, settings: Settings) -> Looked:
    """Whatever a part dies of is a finding: the doctor never falls ill."""
    try:
        return LOOKS[part](settings)
    except Exception as error:
        return Looked(part, Verdict.BROKEN, f"{type(error).__name__} {error}".strip(), _REMEDIES.get(part, ""))


def _keyring(settings: Settings) -> Looked:
    path = settings.data_dir / "keyring"
    if settings.keyring:
        return Looked("keyring", Verdict.OK, f"{len(Keyring.parse(settings.keyring).keys)} keys, set by KEYRING")
    if not path.exists():
        return Looked("keyring", Verdict.NOTE, f"not made yet: the first start writes {path}")
    keys = len(Keyring.parse(path.read_text("ascii")).keys)
    if others_read(path):
        return Looked("keyring", Verdict.BROKEN, f"others can read {path}", f"chmod 600 {path}, and put a new key in front")
    return Looked("keyring", Verdict.OK, f"{keys} keys in {path}")


def _safety_key(settings: Settings) -> Looked:
    path = settings.data_dir / "safety_key"
    if settings.safety_key:
        SafetyKey.parse(settings.safety_key)
        return Looked("safety key", Verdict.OK, "set by SAFETY_KEY")
    if not path.exists():
        return Looked("safety key", Verdict.NOTE, f"not made yet: the first worker writes {path}")
    SafetyKey.parse(path.read_text("ascii"))
    if others_read(path):
        return Looked("safety key", Verdict.BROKEN, f"others can read {path}", f"chmod 600 {path}")
    return Looked("safety key", Verdict.OK, f"in {path}")


def _catalogue(settings: Settings) -> Looked:
    async def parse() -> Catalogue:
        async with container(settings) as parts:
            found: Catalogue = await parts.get(Catalogue)
            return found

    found = asyncio.run(parse())
    return Looked("catalogue", Verdict.OK, f"{len(found.models)} models, {len(found.plans)} plans, {len(found.packs)} packs")


def _database(settings: Settings) -> Looked:
    try:
        url = database_of(settings).database_url
    except SettingsInvalid:
        return Looked("database", Verdict.NOTE, "not running", "`gpt-image up` starts an embedded one; or set DATABASE_URL")
    report = inspect(url)
    version = f"Postgres {report.server}"
    if report.server < OLDEST_SERVER:
        return Looked("database", Verdict.BROKEN, f"{version} is too old", f"use Postgres {OLDEST_SERVER} or newer")
    if report.pending:
        lacks = f"{version} answers and lacks versions {', '.join(report.pending)}"
        return Looked("database", Verdict.BROKEN, lacks, "run `gpt-image admin db upgrade`")
    if report.problems:
        more = f" and {len(report.problems) - 1} more" if len(report.problems) > 1 else ""
        return Looked("database", Verdict.BROKEN, f"{version}: {report.problems[0]}{more}", "see `gpt-image admin db check`")
    return Looked("database", Verdict.OK, f"{version}, schema as declared")


def _provider(settings: Settings) -> Looked:
    """Nothing is bought, and no error's words are shown: they might quote the key."""

    async def of_model(parts: AsyncContainer) -> str | None:
        live = await parts.get(LiveModel)
        return await live.model.examine() if live.model else None

    if not settings.openai_api_key:
        return Looked("provider", Verdict.NOTE, "none: live pictures are painted here", "set OPENAI_API_KEY")
    try:
        wrong = _examined(settings, of_model)
    except Exception as error:
        wrong = type(error).__name__
    if wrong:
        return Looked("provider", Verdict.BROKEN, wrong, _REMEDIES["provider"])
    return Looked("provider", Verdict.OK, "it accepts our key")


def _mail(settings: Settings) -> Looked:
    """Nothing is sent."""

    async def of_notices(parts: AsyncContainer) -> str | None:
        notices: Notices = await parts.get(Notices)
        return await notices.examine()

    if not settings.smtp_url:
        return Looked("mail", Verdict.NOTE, f"none: notices become files in {settings.data_dir / 'outbox'}", "set SMTP_URL")
    if wrong := _examined(settings, of_notices):
        return Looked("mail", Verdict.BROKEN, wrong, _REMEDIES["mail"])
    return Looked("mail", Verdict.OK, "the mail server takes us")


def _payments(settings: Settings) -> Looked:
    """Nothing is changed there."""

    async def of_payments(parts: AsyncContainer) -> str | None:
        payments: Payments = await parts.get(Payments)
        return await payments.examine()

    if not settings.stripe_secret_key:
        return Looked("payments", Verdict.NOTE, "a sandbox, where no money moves", "set STRIPE_SECRET_KEY")
    if wrong := _examined(settings, of_payments):
        return Looked("payments", Verdict.BROKEN, wrong, _REMEDIES["payments"])
    return Looked("payments", Verdict.OK, "Stripe accepts our key and offers our catalogue")


def _examined(settings: Settings, ask: Callable[[AsyncContainer], Awaitable[str | None]]) -> str | None:
    """What somebody outside says of us: None, or what is wrong."""

    async def examine() -> str | None:
        async with container(settings) as parts, asyncio.timeout(PROVIDER_SECONDS):
            return await ask(parts)

    return asyncio.run(examine())


def _gates(settings: Settings) -> Looked:
    async def closed() -> Sequence[ClosedGate]:
        async with container(replace(settings, database_url=url, database_connections=1)) as parts:
            queries: StaffQueries = await parts.get(StaffQueries)
            return await queries.closed_gates()

    try:
        url = database_of(settings).database_url
        found = [] if pending(url) else asyncio.run(closed())
    except (SettingsInvalid, StoreUnavailable, NoDatabaseUrl):
        return Looked("gates", Verdict.NOTE, "not known without the database")
    if not found:
        return Looked("gates", Verdict.OK, "every model may be called")
    says = ", ".join(f"{each.model} closed for {each.reason} until {plain(each.closed_until)}" for each in found)
    refused = any(each.reason is ClosedFor.KEY_REFUSED for each in found)
    return Looked("gates", Verdict.BROKEN if refused else Verdict.NOTE, says, _REMEDIES["provider"] if refused else "wait")


def _storage(settings: Settings) -> Looked:
    if settings.s3_bucket:
        return _objects(settings, f"the bucket {settings.s3_bucket}", _REMEDIES["bucket"])
    objects = settings.data_dir / "objects"
    if objects.exists():
        return _objects(settings, str(objects), _REMEDIES["storage"])
    above = _existing(objects)
    if os.access(above, os.W_OK | os.X_OK):
        return Looked("storage", Verdict.NOTE, f"not made yet: the first start makes {objects}")
    return Looked("storage", Verdict.BROKEN, f"{above} cannot be written", "set DATA_DIR to a folder of yours")


def _objects(settings: Settings, where: str, todo: str) -> Looked:
    probe = ObjectKey.upload(NOBODY, AssetId(uuid.uuid4()))  # if we die here, the sweep finds an upload without a row
    picture = _white(1)

    async def go_and_come_back() -> None:
        async with container(settings) as parts:
            storage: ObjectStorage = await parts.get(ObjectStorage)
            await storage.put(probe, picture, "image/png")
            try:
                if await storage.get(probe) != picture:
                    raise StorageUnavailable("what was put is not what came back")
                await storage.clear_remnants(LONG_AGO)  # who may not do this would notice late
            finally:
                await storage.delete(probe)
            if [found async for found in storage.list(str(probe))]:
                raise StorageUnavailable("what was deleted is still there")

    try:
        asyncio.run(go_and_come_back())
    except StorageUnavailable as error:
        return Looked("storage", Verdict.BROKEN, f"{where}: {error}", todo)
    return Looked("storage", Verdict.OK, f"a probe was put, read and deleted in {where}")


def _picture_workers(settings: Settings) -> Looked:
    async def read_every_pixel() -> None:
        async with container(replace(settings, picture_workers=1)) as parts, asyncio.timeout(WORKER_SECONDS):
            intake: PictureIntake = await parts.get(PictureIntake)
            await intake.fingerprint(_white(EDGE))

    began = time.monotonic()
    asyncio.run(read_every_pixel())
    return Looked("picture workers", Verdict.OK, f"one started and read a picture in {time.monotonic() - began:.1f} s")


def _ports(settings: Settings) -> Looked:
    taken = [port for port in (settings.port, settings.operations_port) if port and not is_free(settings.host, port)]
    if not taken:
        return Looked("ports", Verdict.OK, f"{settings.port} is free")
    if taken == [settings.port] and is_ours(settings.host, settings.port):
        return Looked("ports", Verdict.OK, f"our API answers at {settings.port}")
    grave = Verdict.BROKEN if settings.environment is Environment.PRODUCTION else Verdict.NOTE
    return Looked("ports", grave, f"{' and '.join(map(str, taken))} in use", "`up` takes the next free one; for `api` set PORT")


def _disk(settings: Settings) -> Looked:
    above = _existing(settings.data_dir)
    free = shutil.disk_usage(above).free
    verdict = Verdict.BROKEN if free < SCARCE_BYTES else Verdict.NOTE if free < LOW_BYTES else Verdict.OK
    todo = "" if verdict is Verdict.OK else "make room, or set DATA_DIR to a larger disk"
    return Looked("disk", verdict, f"{free / 2**30:.1f} GB free at {above.resolve()}", todo)


LOOKS: dict[str, Callable[[Settings], Looked]] = {
    "keyring": _keyring,
    "safety key": _safety_key,
    "catalogue": _catalogue,
    "database": _database,
    "provider": _provider,
    "safety": safety,
    "gates": _gates,
    "mail": _mail,
    "payments": _payments,
    "storage": _storage,
    "picture workers": _picture_workers,
    "provenance": provenance,
    "ports": _ports,
    "disk": _disk,
}
_REMEDIES = {
    "keyring": "the form is name:base64,name:base64",
    "safety key": "32 bytes or more in base64; the same as ever, if there was one",
    "provider": "see OPENAI_API_KEY, OPENAI_BASE_URL and the account there; then start the workers anew",
    "mail": "see SMTP_URL and MAIL_FROM, and the mail server itself",
    "payments": "see STRIPE_SECRET_KEY and STRIPE_BASE_URL; `gpt-image admin billing sync` offers the catalogue there",
    "catalogue": "mend the file that CATALOGUE_MODELS or CATALOGUE_PLANS names",
    "database": f"see that it runs and that DATABASE_URL is right; after a crash of `up`, start it again (it renews {ADDRESS})",
    "provenance": PROVENANCE_REMEDY,
    "safety": SAFETY_REMEDY,
    "storage": "see that DATA_DIR is yours and its disk is there",
    "bucket": "see S3_BUCKET, S3_ENDPOINT_URL, S3_REGION and the AWS credentials: they may put, get, delete and list there",
    "picture workers": "raise PICTURE_MEMORY_MB, and see that processes may be started here",
}


def _white(edge: int) -> bytes:
    """A square PNG, grey of 8 bits."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = zlib.compress((b"\0" + b"\xff" * edge) * edge, 1)
    header = struct.pack(">IIBBBBB", edge, edge, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _existing(path: Path) -> Path:
    """The nearest folder above that is there."""
    return next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())
