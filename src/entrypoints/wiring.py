"""The one place where ports meet adapters: which adapter is in use is decided here, by what is configured."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files

import structlog
import uuid_utils.compat
from dishka import AsyncContainer, Provider, Scope, ValidationSettings, from_context, make_async_container, provide, provide_all

from adapters.keyring import Keyring as Keyring
from adapters.keyring import SafetyKey as SafetyKey
from adapters.picture_pool import PicturePool, picture_pool, warm
from adapters.postgres.audit import PostgresBooksAudit
from adapters.postgres.changes import Bell as Bell
from adapters.postgres.changes import Ear
from adapters.postgres.embedded import AlreadyRunning as AlreadyRunning
from adapters.postgres.embedded import EmbeddedPostgres as EmbeddedPostgres
from adapters.postgres.embedded import leave_with_us as leave_with_us
from adapters.postgres.events import PostgresEventQueries
from adapters.postgres.jobs import Jobs as Jobs
from adapters.postgres.owner import Owner as Owner
from adapters.postgres.pool import open_pool
from adapters.postgres.queries import PostgresQueries
from adapters.postgres.session import Pool as Pool
from adapters.postgres.staff_queries import PostgresStaffQueries
from adapters.postgres.store import PostgresStore
from application.answering import NoteAnswer
from application.attempts import PerformGeneration
from application.calls import CallModel
from application.credits import AdjustCredits, GrantCredits
from application.direct_uploads import BeginUpload, CompleteUpload
from application.echoes import FindEchoes
from application.edits import MayEdit, RequestEdit
from application.events import Changes, FollowGeneration, LocalChanges, LookTogether
from application.gates import TryKeyAgain
from application.generations import CancelGeneration, DeleteGeneration, QuoteRequest, RequestGeneration, RetryGeneration
from application.housekeeping import KeepHouse
from application.marking import MarkPictures
from application.media import BringIn, DeleteAsset
from application.moderation import PartialModes
from application.partials import ShowPartials
from application.ports import CursorSigner, ImageModel, NewId, ObjectStorage, PictureIntake, Today
from application.queries import BooksAudit, Queries
from application.screening import ScreenInput, ScreenOutputs
from application.staff_queries import StaffQueries
from application.store import Store
from domain.accounts import Mode
from domain.brake import BrakeRules
from domain.catalogue import Catalogue
from domain.generations import Generation
from entrypoints.crash_points import CrashPoints
from entrypoints.draining import Drain
from entrypoints.observed import ObservedModel
from entrypoints.settings import Settings
from entrypoints.wiring_access import Access
from entrypoints.wiring_library import Library
from entrypoints.wiring_payments import Billing
from entrypoints.wiring_pictures import Pictures
from entrypoints.wiring_provenance import Proof
from entrypoints.wiring_safety import Safety
from entrypoints.wiring_storage import Objects, Storing
from entrypoints.wiring_upkeep import Upkeep
from entrypoints.wiring_webhooks import Webhooks


@dataclass(frozen=True, slots=True)
class LiveModel:
    """The provider's model; None without a key for it."""

    model: ImageModel | None


class Outside(Provider):
    """Adapters, behind their ports."""

    scope = Scope.APP
    settings = from_context(Settings)
    drain = provide(Drain)

    @provide
    def crash_points(self, settings: Settings) -> CrashPoints:
        return CrashPoints(settings.crash_points, settings.crash_at)

    @provide
    def keyring(self, settings: Settings) -> Keyring:
        return Keyring.parse(settings.keyring) if settings.keyring else Keyring.load_or_create(settings.data_dir / "keyring")

    @provide
    def catalogue(self, settings: Settings) -> Catalogue:
        packaged = files("domain")
        models, plans = settings.catalogue_models, settings.catalogue_plans
        return Catalogue.parse(
            models.read_text() if models else (packaged / "models.toml").read_text(),
            plans.read_text() if plans else (packaged / "plans.toml").read_text(),
        )

    @provide
    async def pool(self, settings: Settings) -> AsyncIterator[Pool]:
        async with open_pool(settings.database_url, size=settings.database_connections) as pool:
            yield pool

    @provide
    async def bell(self, settings: Settings) -> AsyncIterator[Bell]:
        bell = Bell(settings.database_url)
        async with bell.hung():
            yield bell

    @provide
    async def changes(self, settings: Settings) -> AsyncIterator[Changes]:
        changes = LocalChanges()
        async with Ear(settings.database_url, changes).open():
            yield changes

    @provide
    def look_together(self, pool: Pool) -> LookTogether:
        return LookTogether(PostgresEventQueries(pool))

    @provide
    async def owner(self, settings: Settings) -> AsyncIterator[Owner]:
        # A lease is renewed at every third of its length, so whoever loses the database has two thirds of it left to let go.
        owner = Owner(settings.database_url, patience=max(settings.lease_seconds * 2 / 3 - 1, 0.5))
        async with owner.alive():
            yield owner

    @provide
    def postgres(self, pool: Pool, bell: Bell) -> PostgresStore:
        return PostgresStore(pool, bell.ring, bell.tell)

    @provide
    def store(self, postgres: PostgresStore, points: CrashPoints) -> Store:
        return points.wrap("Store", postgres)

    @provide
    def queries(self, pool: Pool) -> Queries:
        return PostgresQueries(pool)

    @provide
    def audit(self, pool: Pool) -> BooksAudit:
        return PostgresBooksAudit(pool)

    @provide
    def staff_queries(self, pool: Pool) -> StaffQueries:
        return PostgresStaffQueries(pool)

    @provide
    def cursors(self, keyring: Keyring) -> CursorSigner:
        return keyring.purpose("cursors")

    @provide
    async def picture_workers(self, settings: Settings) -> AsyncIterator[PicturePool]:
        pool = picture_pool(settings.picture_workers, settings.picture_memory_mb)
        await warm(pool)
        yield pool
        pool.stop()

    @provide
    def safety_key(self, settings: Settings) -> SafetyKey:
        text, path = settings.safety_key, settings.data_dir / "safety_key"
        return SafetyKey.parse(text) if text else SafetyKey.load_or_create(path)

    @provide
    async def live_model(self, settings: Settings, catalogue: Catalogue) -> AsyncIterator[LiveModel]:
        if not settings.openai_api_key:
            yield LiveModel(None)
            return
        from adapters.image_models.openai.images import OpenAIImages  # a second's import that only a worker needs

        log = structlog.get_logger().warning
        async with OpenAIImages.opened(settings.openai_api_key, settings.openai_base_url, catalogue.models, log) as live:
            yield LiveModel(live)

    @provide
    def models(
        self, settings: Settings, pool: PicturePool, catalogue: Catalogue, points: CrashPoints, drain: Drain, live: LiveModel
    ) -> Mapping[Mode, ImageModel]:
        """Test requests always go to the painter; live ones to the provider, where there is a key for it."""
        from adapters.image_models.painter import Painter  # with numpy: only a worker paints

        painter = points.wrap("ImageModel", Painter(pool, structlog.get_logger().warning))
        models = {Mode.TEST: painter, Mode.LIVE: points.wrap("ImageModel", live.model) if live.model else painter}
        pause = settings.gate_rules.refused_pause.total_seconds()
        return {mode: ObservedModel(model, mode, catalogue.models, drain, pause) for mode, model in models.items()}

    @provide
    def intake(self, pool: PicturePool, points: CrashPoints) -> PictureIntake:
        from adapters.intake import PillowIntake  # with Pillow: only the API takes uploads

        return points.wrap("PictureIntake", PillowIntake(pool))

    @provide
    def new_id(self) -> NewId:
        return uuid_utils.compat.uuid7

    @provide
    def today(self) -> Today:
        return lambda: datetime.now(UTC).date()


class UseCases(Provider):
    """They hold nothing but their ports, so one of each serves every request."""

    scope = Scope.APP
    credits = provide_all(GrantCredits, AdjustCredits)
    generations = provide_all(QuoteRequest, RetryGeneration, MayEdit, RequestEdit, CancelGeneration, DeleteGeneration)
    following = provide_all(FollowGeneration, NoteAnswer)
    media = provide_all(BringIn, BeginUpload, CompleteUpload, DeleteAsset, ShowPartials)

    @provide
    def keep_house(self, store: PostgresStore, objects: Objects, points: CrashPoints) -> KeepHouse:
        by = "KeepHouse"
        return KeepHouse(points.wrap("Store", store, by), points.wrap("ObjectStorage", objects.storage, by))

    @provide
    def try_key_again(self, store: PostgresStore, points: CrashPoints) -> TryKeyAgain:
        return TryKeyAgain(points.wrap("Store", store, "TryKeyAgain"))

    @provide
    def request(
        self, store: Store, catalogue: Catalogue, settings: Settings, new_id: NewId, today: Today, partials: PartialModes
    ) -> RequestGeneration:
        brake, most_open = BrakeRules(settings.refusals_per_hour, settings.refunds_per_hour), settings.open_generations
        return RequestGeneration(store, catalogue, settings.timing, new_id, today, most_open, brake, partials)

    @provide
    def call_model(
        self,
        store: Store,
        storage: ObjectStorage,
        models: Mapping[Mode, ImageModel],
        safety_key: SafetyKey,
        screen: ScreenInput,
        drain: Drain,
    ) -> CallModel:
        def subject(generation: Generation) -> str:
            return safety_key.name(generation.account_id.bytes)

        return drain.guard(CallModel(store, storage, models, subject, screen))

    @provide
    def perform(
        self,
        store: Store,
        storage: ObjectStorage,
        intake: PictureIntake,
        call_model: CallModel,
        settings: Settings,
        owner: Owner,
        new_id: NewId,
        screen: ScreenOutputs,
        mark: MarkPictures,
        partials: ShowPartials,
    ) -> PerformGeneration:
        find_echoes, rules, timing = FindEchoes(store, storage, intake), settings.gate_rules, settings.timing
        return PerformGeneration(
            store, storage, intake, call_model, find_echoes, timing, rules, owner, new_id, screen, mark, partials
        )


@asynccontextmanager
async def container(settings: Settings, *overrides: Provider) -> AsyncIterator[AsyncContainer]:
    """Everything wired, until the block ends."""
    made = make_async_container(
        Outside(),
        UseCases(),
        Access(),
        Billing(),
        Upkeep(),
        Pictures(),
        Safety(),
        Storing(),
        Proof(),
        Webhooks(),
        Library(),
        *overrides,
        context={Settings: settings},
        validation_settings=ValidationSettings(implicit_override=True, nothing_overridden=True),
    )
    try:
        yield made
    finally:
        await made.close()
