"""The packaged catalogue and small builders of what a request refers to, for the tests."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from importlib.resources import files
from itertools import count
from typing import Any
from uuid import UUID

from domain.accounts import AccountId, Mode
from domain.catalogue import Catalogue
from domain.media import Asset, AssetId, AssetKind, PictureFormat
from domain.requests import Asked, PictureRequest, normalise

MODELS = files("domain").joinpath("models.toml").read_text(encoding="utf-8")
PLANS = files("domain").joinpath("plans.toml").read_text(encoding="utf-8")
CATALOGUE = Catalogue.parse(MODELS, PLANS)
TODAY = date(2026, 11, 22)
ACCOUNT = AccountId(UUID(int=1))
_numbers = count(1_000)


def asset(
    width: int = 1024,
    height: int = 1024,
    kind: AssetKind = AssetKind.REFERENCE,
    format: PictureFormat = PictureFormat.PNG,
    *,
    has_alpha: bool = False,
    mode: Mode = Mode.LIVE,
) -> Asset:
    """An asset never seen before."""
    id = AssetId(UUID(int=next(_numbers)))
    return Asset(
        id=id,
        account_id=ACCOUNT,
        mode=mode,
        kind=kind,
        format=format,
        width=width,
        height=height,
        bytes=1,
        sha256="00",
        has_alpha=has_alpha,
        created_at=datetime(2026, 11, 22, tzinfo=UTC),
    )


def mask(width: int = 1024, height: int = 1024) -> Asset:
    return asset(width, height, AssetKind.MASK, has_alpha=True)


def ask(
    model: str = "gpt-image-2",
    references: Sequence[Asset] = (),
    mask: Asset | None = None,
    mode: Mode = Mode.LIVE,
    **asked: Any,
) -> PictureRequest:
    """A request for a red fox with these things asked for besides."""
    named = Asked(
        **{"prompt": "a red fox in snow", "images": tuple(a.id for a in references), "mask": mask.id if mask else None} | asked
    )
    return normalise(named, CATALOGUE.models[model], references, mask, mode)
