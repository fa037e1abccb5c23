"""Hostile files through HTTP, as many as there is time for: the suite `uploads` goes on where this ends."""

import hashlib
import itertools
import time
from typing import Any

import pytest

from tests.hostile import encode, exif, png_texts, xmp
from tests.hostile_corpus import corpus
from tests.hostile_files import CLASSES, hostile_files
from tests.http_house import House
from tests.pictures import corners
from tests.service import Customer
from tests.soak_uploads import Feed, check_agreement, check_delivered
from tests.upload_line import Answer

FILES = 250


@pytest.mark.anyio
async def test_hostile_files_through_http_do_no_harm_and_leave_nothing(served: House, buyer: Customer) -> None:
    feed = Feed(served.client.base_url.port or 0, buyer, hostile_files(2_026))
    await feed.run(time.monotonic() + 60, FILES)
    check_agreement(served.database_url, served.folder / "objects", buyer, feed.kept)
    assert sum(feed.counts.values()) == FILES
    assert FILES / 10 < feed.taken < FILES / 2, f"{feed.taken} of {FILES} taken: most should be refused, and some not"


@pytest.mark.anyio
async def test_the_suite_would_see_what_got_through(served: House, buyer: Customer) -> None:
    """A check that cannot fail checks nothing."""
    said = {"content_type": "image/png", "width": 120, "height": 80, "has_alpha": False}

    def delivered(
        content: bytes, head: bytes = b"content-type: image/png\r\nx-content-type-options: nosniff", **other: Any
    ) -> None:
        told = said | {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} | other
        check_delivered(Answer(200, head + b"\r\n", content), told)

    good = encode(corners(), "PNG")
    delivered(good)
    with_jpeg = {"head": b"content-type: image/jpeg\r\nx-content-type-options: nosniff", "content_type": "image/jpeg"}
    for content, other in (
        (encode(corners(), "PNG", pnginfo=png_texts()), {}),
        (encode(corners(), "JPEG", exif=exif(1)), with_jpeg),
        (encode(corners(), "JPEG", xmp=xmp()), with_jpeg),
        (good + b"PK\x03\x04", {}),
        (good, {"width": 121}),
        (good, {"has_alpha": True}),
        (good, {"sha256": "0" * 64}),
        (good, {"head": b"content-type: image/png"}),
    ):
        with pytest.raises(AssertionError):
            delivered(content, **other)
    feed = Feed(0, buyer, iter(()))
    object_of_nobody = served.folder / "objects" / "uploads" / str(buyer.account) / "x"
    object_of_nobody.mkdir(parents=True)
    (object_of_nobody / "original.object").write_bytes(good)
    with pytest.raises(AssertionError, match="1 objects for 0"):
        check_agreement(served.database_url, served.folder / "objects", buyer, feed.kept)
    (object_of_nobody / "original.object").unlink()


def test_equal_seeds_make_equal_files_of_every_class() -> None:
    first, second = (list(itertools.islice(hostile_files(5), 1_500)) for _ in range(2))
    assert first == second
    assert {file.name for file in first} >= set(CLASSES) - {"too large"}


def test_there_is_a_picture_of_every_kind_to_make_hostile_files_from() -> None:
    kinds = {name.partition(",")[0] for name, _ in corpus()}
    assert kinds >= {"jpeg", "png", "webp", "gif", "apng", "avif", "mpo", "heic", "tiff", "svg"}
