"""The HTTP surface with nothing behind it: use cases that note what they were told, and rows a test puts there."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from dishka import AsyncContainer, Provider, make_async_container
from dishka import Scope as Lifetime
from litestar import Litestar
from litestar.testing import TestClient

from application.answering import NoteAnswer
from application.api_keys import Authenticate, hash_key
from application.edits import MayEdit, RequestEdit
from application.events import Changes, FollowGeneration, LocalChanges, LookTogether
from application.generations import CancelGeneration, DeleteGeneration, QuoteRequest, RequestGeneration, RetryGeneration
from application.media import BringIn, DeleteAsset
from application.ports import CursorSigner, LinkedObject, LinkedObjects, ObjectStorage, Today
from application.queries import Queries, TransferRow
from application.rate_limits import RateLimits
from application.renditions import ShowRendition
from application.store import Store
from domain.accounts import AccountId, Caller, KeyId, Mode, Scope
from domain.api_keys import write_key
from domain.catalogue import Catalogue
from domain.errors import Gone, NotFound
from domain.events import Event
from domain.gates import Gate
from domain.generations import Generation, GenerationId
from domain.joining import Try
from domain.ledger import LedgerAccount, WalletId
from domain.media import Asset, AssetId, AssetKind, PictureFormat, check_bytes
from domain.objects import ObjectKey
from domain.prices import Quote, quote
from domain.rate_limits import LARGEST_QUOTA, Policy, Rate
from domain.receipts import Receipt
from domain.renditions import Rendition, RenditionId, Shape
from domain.requests import Asked, PictureRequest, normalise
from domain.waiting import Line, Worked
from entrypoints.http.app import HttpConfig, create_app, create_operations_app, routed, served
from entrypoints.http.auth import routes
from tests.http_edit_stage import Edits
from tests.http_objects import Hmac as Hmac
from tests.http_objects import Links, Objects
from tests.http_rows import NOW as NOW
from tests.http_rows import Rows
from tests.offer import CATALOGUE, TODAY
from tests.offer import ask as ask_for
from tests.shared_buckets import InMemory, Process

ACCOUNT, STRANGER = AccountId(UUID(int=1)), AccountId(UUID(int=2))


def key_with(*scopes: Scope, mode: Mode = Mode.TEST) -> str:
    """A key of ACCOUNT with exactly these scopes."""
    return write_key(mode, hashlib.sha256(f"{mode}{sorted(scopes)}".encode()).digest())


KEY = key_with(*Scope)
BEARER = {"Authorization": f"Bearer {KEY}"}
_CALLERS = {
    hash_key(key_with(*scopes)): Caller(ACCOUNT, KeyId(UUID(int=9)), Mode.TEST, frozenset(scopes), "free", WalletId(UUID(int=8)))
    for scopes in [tuple(Scope), *([scope] for scope in Scope)]
}


@dataclass
class Stage:
    """`refusal`, if set, is raised by every use case; `told` is what the last of them, or the last query, was told."""

    refusal: Exception | None = None
    told: Any = None
    kept: dict[GenerationId, Generation] = field(default_factory=dict)
    pictures: dict[AssetId, Asset] = field(default_factory=dict)
    receipts: dict[GenerationId, Receipt] = field(default_factory=dict)
    lines: list[TransferRow] = field(default_factory=list)
    remembered: dict[str, GenerationId] = field(default_factory=dict)
    purged: set[GenerationId] = field(default_factory=set)
    links: dict[tuple[str, str], LinkedObject] = field(default_factory=dict)
    notes: list[tuple[GenerationId, int, bool]] = field(default_factory=list)
    """Of which try it was said, and what, that its answer was delivered."""
    contents: dict[ObjectKey, bytes] = field(default_factory=dict)
    ends: Callable[[Generation], object] = lambda generation: None
    """Called with each generation that is asked for."""
    looked: Callable[[Generation], object] = lambda generation: None
    """Called with each generation that somebody who follows it looks at."""
    events: dict[GenerationId, list[Event]] = field(default_factory=dict)
    """Those that are kept."""
    changes: LocalChanges = field(default_factory=LocalChanges)
    trusted_seconds: float = 1.0
    """How long a key is known without a look."""
    came_along: Any = None  # with the last edit
    had_left: bool | None = None  # whether its client had, as it was told
    broke: Exception | None = None  # is said to whoever wants to edit
    edits: RequestEdit | None = None  # in place of the stage's own
    outage: Exception | None = None
    today: date = TODAY
    gates: list[Gate] = field(default_factory=list)
    line: Line = field(default_factory=lambda: Line((), {}))
    worked: list[Worked] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    """How often the line, and recent work, were asked for."""
    rates: dict[Policy, Rate] = field(default_factory=lambda: dict.fromkeys(Policy, Rate(LARGEST_QUOTA)))
    buckets: InMemory = field(default_factory=InMemory)
    limits: RateLimits | None = None
    """In place of those made of the two."""

    def client(self, **config: Any) -> TestClient[Litestar]:
        return _client(app_on(self.container(), HttpConfig("1.2.3", **config)))

    def own_client(self) -> TestClient[Litestar]:
        """For whoever changes its routes."""
        return _client(create_app(self.container(), HttpConfig("1.2.3")))

    def operations(self) -> TestClient[Litestar]:
        return _client(create_operations_app(self.container()))

    def container(self) -> AsyncContainer:
        provider = Provider(scope=Lifetime.APP)
        rows = Rows(self, _CALLERS)
        made: dict[Any, Any] = {
            Store: self,
            Queries: rows,
            LinkedObjects: Links(self),
            ObjectStorage: Objects(self),
            CursorSigner: Hmac(),
            RateLimits: Process(self.buckets, self.rates).limits if self.limits is None else self.limits,
            Catalogue: CATALOGUE,
            Today: lambda: self.today,
            Changes: self.changes,
            FollowGeneration: FollowGeneration(LookTogether(rows), self.changes),
            Authenticate: Authenticate(rows, _unnoted, seconds=self.trusted_seconds),  # type: ignore[arg-type]  # fits by construction
            RequestGeneration: self.request,
            RetryGeneration: self.retry,
            MayEdit: Edits(self).may,
            RequestEdit: self.edits or Edits(self),
            QuoteRequest: self.quote,
            NoteAnswer: self.note,
            CancelGeneration: self.cancel,
            DeleteGeneration: self.delete,
            BringIn: self.admit,
            DeleteAsset: self.delete_asset,
            ShowRendition: self.show_rendition,
        }
        for port, adapter in made.items():
            provider.provide(_just(adapter), provides=port)
        return make_async_container(provider)

    # What a test puts there

    def has_generation(self, account: AccountId = ACCOUNT, mode: Mode = Mode.TEST, **changes: Any) -> Generation:
        number = len(self.kept) + 1
        request = changes.pop("request", None) or ask_for(mode=mode)
        made = Generation(
            id=GenerationId(UUID(int=1_000 + number)),
            account_id=account,
            wallet_id=WalletId(UUID(int=8)),
            key_id=KeyId(UUID(int=9)),
            mode=mode,
            kind=request.kind,
            model=request.model,
            request=request,
            n=request.n,
            unit=4,
            priority=20,
            created_at=NOW + timedelta(seconds=number),
            deadline=NOW + timedelta(hours=1),
            hold_expires_at=NOW + timedelta(hours=2),
            metadata=request.metadata,
        )
        for name, value in changes.items():
            setattr(made, name, value)
        self.kept[made.id] = made
        return made

    def has_picture(self, account: AccountId = ACCOUNT, **changes: Any) -> Asset:
        number = len(self.pictures) + 1
        id, at = AssetId(UUID(int=2_000 + number)), NOW + timedelta(seconds=number)
        made = Asset(id, account, Mode.TEST, AssetKind.REFERENCE, PictureFormat.PNG, 4, 3, 99, "0a", False, at)
        self.pictures[id] = replace(made, **changes)
        return self.pictures[id]

    def has_lines(self, count: int) -> None:
        moved = ("hold", LedgerAccount.AVAILABLE, LedgerAccount.HELD, 8, UUID(int=7), UUID(int=1_001), 42, 8, 0)
        self.lines = [TransferRow(version, NOW, *moved) for version in range(count, 0, -1)]

    # Use cases

    async def request(self, caller: Caller, asked: Asked, **more: Any) -> tuple[GenerationId, Generation | None]:
        if left_by := more.pop("left_by", None):
            for _ in range(5):
                await asyncio.sleep(0)
            self.had_left = left_by() is not None
        said = dict.fromkeys(("deadline", "parent", "idempotency", "tried")) | more
        self._told(caller=caller, asked=asked, **said)
        idempotency, parent = said["idempotency"], said["parent"]
        request = self._normal(asked, caller)
        if idempotency and (seen := self.remembered.get(idempotency[0].key)):
            return seen, None
        made = self.has_generation(caller.account_id, caller.mode, request=request, parent=parent)
        if idempotency:
            self.remembered[idempotency[0].key] = made.id
        as_asked = copy(made)
        self.ends(made)
        return made.id, as_asked

    async def retry(
        self,
        caller: Caller,
        generation_id: GenerationId,
        *,
        max_credits: Any = None,
        deadline: Any = None,
        idempotency: Any = None,
    ) -> tuple[GenerationId, Generation | None]:
        old = self.own(generation_id, caller.account_id, caller.mode)
        old.must_be_finished()
        assert old.request
        asked = replace(Asked.again(old.request), max_credits=max_credits)
        return await self.request(caller, asked, deadline=deadline, parent=old.parent, idempotency=idempotency)

    async def quote(self, caller: Caller, asked: Asked) -> Quote:
        self._told(asked=asked)
        request = self._normal(asked, caller)
        return quote(request, CATALOGUE.model(request.model, self.today))

    async def note(self, generation: GenerationId, tried: Try, *, delivered: bool) -> None:
        self.notes.append((generation, tried.number, delivered))

    async def cancel(self, caller: Caller, generation_id: GenerationId) -> None:
        self._told(cancelled=generation_id)
        self.own(generation_id, caller.account_id, caller.mode).cancel(NOW)

    async def delete(self, caller: Caller, generation_id: GenerationId, *, purge: bool) -> None:
        self._told(deleted=generation_id, purge=purge)
        self.own(generation_id, caller.account_id, caller.mode).must_be_finished()

    async def admit(self, caller: Caller, content: bytes, kind: AssetKind, once: Any = None) -> tuple[Asset, list[str]]:
        self._told(content=content, kind=kind)
        check_bytes(len(content), kind)
        return self.has_picture(caller.account_id, kind=kind), ["oriented", "metadata_removed"]

    async def show_rendition(self, asset: Asset, shape: Shape) -> Rendition:
        self._told(shape=shape)
        id = RenditionId(UUID(int=77))
        return Rendition(id, asset.id, asset.account_id, shape.format, shape.width, shape.label, 9, "0a", NOW, NOW)

    async def delete_asset(self, caller: Caller, asset_id: AssetId) -> None:
        self._told(deleted=asset_id)
        await Rows(self, _CALLERS).asset(asset_id, caller.account_id, caller.mode)

    # The store, as far as health looks at it

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        if self.outage:
            raise self.outage
        yield self

    async def now(self) -> datetime:
        return NOW

    def _told(self, **told: Any) -> None:
        self.told = told
        if self.refusal:
            raise self.refusal

    def _normal(self, asked: Asked, caller: Caller) -> PictureRequest:
        model = CATALOGUE.model(asked.model, self.today) if asked.model else CATALOGUE.default_model(self.today)
        named = [*asked.images, *([asked.mask] if asked.mask else [])]
        if not all(asset in self.pictures for asset in named):
            raise NotFound
        mask = self.pictures[asked.mask] if asked.mask else None
        return normalise(asked, model, [self.pictures[asset] for asset in asked.images], mask, caller.mode)

    def own(self, generation: GenerationId, account: AccountId, mode: Mode) -> Generation:
        if generation in self.purged:
            raise Gone
        found = self.kept.get(generation)
        if not found or (found.account_id, found.mode) != (account, mode):
            raise NotFound
        return found


def shorten(app: Litestar, path: str, **seconds: float) -> None:
    """Other bounds for a route: what a test does not want to wait for."""
    for handler in (handler for known, handler in routes(app) if known == path):
        handler.opt["bounds"] = replace(handler.opt["bounds"], **seconds)


_routed = cache(routed)


def app_on(container: AsyncContainer, config: HttpConfig) -> Litestar:
    """As `create_app` makes it, but for its routes: they take long to make, and are made once for each config."""
    return served(copy(_routed(config)), container, config)


def _client(app: Litestar) -> TestClient[Litestar]:
    return TestClient(app, raise_server_exceptions=False, base_url="http://test.local")


def _just(adapter: Any) -> Callable[[], Any]:
    def made() -> Any:
        return adapter

    return made


async def _unnoted(key: KeyId) -> None: ...
