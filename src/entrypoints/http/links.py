"""Links to bytes: signed when they are read, for ten minutes at most."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from litestar import Request

from application.ports import ObjectStorage
from domain.archives import Archive
from domain.generations import Generation
from domain.limits import LIMITS
from domain.media import ArchiveFormat, Asset, FileFormat, PictureFormat, Thumbnail
from domain.objects import PARTIALS_KEPT, ObjectKey
from domain.renditions import THUMBNAIL_FORMAT, Rendition


@dataclass(frozen=True, slots=True)
class Links:
    """The links of one answer. `public_url` goes before a link that is only a path."""

    storage: ObjectStorage
    public_url: str
    expires_at: datetime

    @classmethod
    def of(cls, request: Request[Any, Any, Any], storage: ObjectStorage) -> Self:
        return cls.from_now(storage, request.app.state.public_url)

    @classmethod
    def from_now(cls, storage: ObjectStorage, public_url: str) -> Self:
        """Those of an answer that is given now."""
        expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=LIMITS["link_seconds"])
        return cls(storage, public_url, expires_at)

    def to_thumbnail(self, asset: Asset) -> str | None:
        """None until it has been made."""
        if asset.thumbnail is not Thumbnail.MADE or not asset.marking.may_be_handed_out:
            return None
        return self._link(ObjectKey.thumbnail(asset.account_id, asset.id), THUMBNAIL_FORMAT, f"{asset.id}-small")

    def to(self, asset: Asset) -> str | None:
        """None while it waits for a signature."""
        return self._link(asset.key, asset.format, _name(asset)) if asset.marking.may_be_handed_out else None

    def to_rendition(self, asset: Asset, rendition: Rendition) -> str:
        name = f"{_name(asset)}-{rendition.width}{'-labelled' if rendition.label else ''}"
        return self._link(rendition.key, rendition.format, name)

    def to_partial(
        self, generation: Generation, attempt: int, index: int, format: PictureFormat, made_at: datetime
    ) -> str | None:
        """None once it may be gone."""
        if made_at + PARTIALS_KEPT <= self.expires_at:
            return None
        name = f"{generation.id}-partial-{attempt}-{index}"
        return self._link(ObjectKey.partial(generation.account_id, generation.id, attempt, index), format, name)

    def to_archive(self, archive: Archive) -> str:
        return self._link(archive.key, ArchiveFormat.ZIP, f"{archive.id}")

    def _link(self, key: ObjectKey, format: FileFormat, name: str) -> str:
        link = self.storage.link(key, format=format, file_name=f"{name}.{format}", expires_at=self.expires_at)
        return self.absolute(link)

    def absolute(self, link: str) -> str:
        return self.public_url + link if link.startswith("/") else link


def _name(asset: Asset) -> str:
    return f"{asset.generation_id}-{asset.index}" if asset.generation_id else f"{asset.id}"
