"""No command shows a prompt or a picture: canaries lie wherever customers' words and pictures are kept, and none comes out."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy.dialects.postgresql import JSONB

from adapters.keyring import Keyring
from adapters.postgres.tables import metadata
from adapters.storage.filesystem import FilesystemStorage
from application.ports import ObjectStorage
from domain.generations import Generation
from domain.media import PictureFormat
from domain.objects import ObjectKey
from domain.privacy import PROMPT
from domain.quarantine import ImpoundedId
from entrypoints.answers import ACTS
from tests.contract.store_contract import a_request, new_id, running, uploaded
from tests.desk import LOOKS, Desk, Traded, a_staffed_desk, an_operator, commands, without_picture_workers

pytestmark = pytest.mark.anyio
__all__ = ["a_staffed_desk", "an_operator", "without_picture_workers"]

WORD = "CanaryLighthouse"
BYTES = b"\x89PNG\r\n\x1a\nCanaryPixels" + bytes(range(256))
SHOWN_NOWHERE = (WORD, "CanaryPixels", base64.b64encode(BYTES).decode()[:40], BYTES.hex()[:40], "/files/")


async def a_nest(desk: Desk) -> Generation:
    """A generation of the customer's, with canaries in every column and object that holds words or pictures."""
    await desk.grant(30)
    request = a_request(2, references=((await uploaded(desk.store, desk.customer)).id,))
    generation, _ = await running(desk.store, desk.customer, request=request)
    said = {"failure_class": "moderation", "stage": "input", "code": "refused", "message": WORD, "request_id": "req_1"}
    with psycopg.connect(desk.run.database_url) as connection:
        for table in ("generations", "attempts"):
            connection.execute(f"UPDATE {table} SET failure = %s".encode(), (json.dumps(said),))
        connection.execute(
            b"UPDATE generations SET request = request || %s, metadata = %s",
            (json.dumps({"prompt": f"a {WORD}"}), json.dumps({WORD: f"for {WORD}"})),
        )
        connection.execute(
            b"INSERT INTO collections (id, account_id, mode, name, created_at) VALUES (%s, %s, 'test', %s, now())",
            (new_id(), desk.customer.account_id, WORD),
        )
    await fill(FilesystemStorage(desk.run.folder / "objects", signer=keys(), clock=lambda: datetime.now(UTC)), desk, generation)
    return generation


def keys() -> Any:
    return Keyring.parse(Keyring.generate()).purpose("links")


async def fill(storage: ObjectStorage, desk: Desk, generation: Generation) -> None:
    account = desk.customer.account_id
    async with desk.store.transaction() as tx:
        assets = await tx.assets.of_generation(generation.id)
    for key in (
        *(asset.key for asset in assets),
        ObjectKey.picture(account, generation.id, 1, 0),
        ObjectKey.manifest(account, generation.id, 1),
        ObjectKey.answer(account, generation.id, 1),
    ):
        await storage.put(key, BYTES, PictureFormat.PNG.content_type)


def words(
    desk: Desk, generation: Generation, lot: object, traded: Traded, asset: object, held: ImpoundedId
) -> Mapping[tuple[str, ...], tuple[object, ...]]:
    """How every command is asked. A new one is asked here too, or this fails."""
    account = desk.customer.account_id
    return {
        ("accounts", "find"): ("ada",),
        ("accounts", "show"): (account,),
        ("accounts", "role"): (account, "support"),
        **{("accounts", act): (account,) for act in ("freeze", "unfreeze", "end-sessions", "revoke-keys")},
        ("accounts", "invite"): (),
        ("audit", "show"): (),
        ("audit", "verify"): (),
        ("credits", "grant"): (account, 5),
        ("credits", "adjust"): (account, lot, 1),
        ("credits", "statement"): (account,),
        ("credits", "audit"): (),
        **{("billing", look): () for look in ("sync", "reconcile", "events")},
        ("billing", "replay"): (traded.event,),
        ("billing", "refund"): (traded.purchase,),
        ("billing", "cancel"): (traded.subscription,),
        ("generations", "show"): (generation.id,),
        ("jobs", "status"): (),
        **{("media", look): () for look in ("orphans", "verify", "sweep")},
        ("media", "purge"): (asset,),
        ("catalogue", "show"): (),
        ("catalogue", "radar"): ("--accounts",),
        ("media", "quarantine", "list"): (),
        ("media", "quarantine", "release"): (held,),
        ("db", "check"): (),
        ("db", "upgrade"): (),
    }


async def test_no_command_shows_a_prompt_or_a_picture_even_when_it_refuses(desk: Desk) -> None:
    generation = await a_nest(desk)
    lot = (await desk.grant(30)).json["lot"]
    asset = await uploaded(desk.store, desk.customer)
    asked = words(desk, generation, lot, await desk.trades(), asset.id, await desk.impounds())
    assert set(asked) == {path for path, _ in commands()}
    for path, command in commands():
        signed = desk.sign(desk.admin.account_id)[:-1] if command.callback in ACTS else ()
        before = desk.rows()
        for more in ((), ("--json",)):
            answer = await desk.run(*path, *asked[path], *signed, *more)
            if not any(gone in answer.err for gone in ("nothing-to-refund", "not-found")):  # the second time
                assert answer.out, path
                assert answer.code == 0 or path in (("credits", "audit"), ("media", "verify")), (path, answer.err)
            told = [canary for canary in SHOWN_NOWHERE if canary in answer.out + answer.err]
            assert not told, f"{' '.join(path)} {' '.join(more)} shows {told}"
        refused = await desk.run(*path, *(new_id() for _ in asked[path]), *signed)
        assert not any(canary in refused.out + refused.err for canary in SHOWN_NOWHERE)
        assert path not in LOOKS or desk.rows() == before, f"{path} looks, and changes something"


def test_a_canary_lies_in_every_column_of_customers_words() -> None:
    """A new column of the kind needs one of its own above."""
    kept = {
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if column.info["privacy"] is PROMPT or (isinstance(column.type, JSONB) and column.name == "failure")
    }
    assert kept == {"generations.request", "generations.metadata", "generations.failure", "attempts.failure", "collections.name"}
