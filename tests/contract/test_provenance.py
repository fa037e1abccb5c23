"""Content credentials: what is signed says where it comes from, whoever tampers is found out, and nobody is named."""

import asyncio
import io
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import c2pa
import pytest
from PIL import Image

from adapters.picture_pool import PicturePool
from adapters.provenance.c2pa import Authority, C2paProvenance
from adapters.provenance.chain import SigningChain
from application.provenance import ProvenanceUnavailable, Source, Unsignable
from domain.media import PictureFormat
from domain.provenance import NO_CREDENTIALS, UNREADABLE, Act, CredentialState, Ingredient, Made, Marking, SourceType
from tests import tsa
from tests.expired_signatures import expired, signed_long_ago
from tests.hostile import CANARY, encode
from tests.pictures import corners

pytestmark = pytest.mark.anyio
NOW = datetime.now(UTC)
LARGE = 5 << 20
LONG_AGO = NOW - timedelta(days=200)
MADE, EDIT = Made.by_model("a-model", edited=False), Made.by_model("a-model", edited=True)
PNG, JPEG, WEBP, GIF, AVIF = (PictureFormat(name) for name in ("png", "jpeg", "webp", "gif", "avif"))
TRUSTED, INVALID, NONE = CredentialState.TRUSTED, CredentialState.INVALID, CredentialState.NONE


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> SigningChain:
    return SigningChain.load_or_create(tmp_path_factory.mktemp("chain"), NOW)


def signs(pool: PicturePool, chain: SigningChain, authority: Authority | None = None) -> C2paProvenance:
    return C2paProvenance(pool, chain, authority or Authority(), ("gpt-image-2", "1.2.3"), lambda: NOW)


@pytest.fixture(scope="module")
def ours(picture_workers: PicturePool, chain: SigningChain) -> C2paProvenance:
    return signs(picture_workers, chain)


def picture(format: PictureFormat, mode: str = "RGB") -> bytes:
    return encode(corners(mode), format.upper(), **({"lossless": True} if format is WEBP else {}))


def pixels(content: bytes) -> list[bytes]:
    with Image.open(io.BytesIO(content)) as opened:
        frames = []
        for frame in range(getattr(opened, "n_frames", 1)):
            opened.seek(frame)
            frames.append(opened.convert("RGBA").tobytes())
        return frames


def store(content: bytes, format: PictureFormat) -> bytes:
    """The credentials as text."""
    return c2pa.Reader(format.content_type, io.BytesIO(content)).detailed_json().encode()  # type: ignore[no-any-return]  # untyped


FILES = [(PNG, picture(PNG)), (PNG, picture(PNG, "RGBA")), (JPEG, picture(JPEG)), (WEBP, picture(WEBP)), (GIF, picture(GIF))]
FILES += [(WEBP, encode(corners(), "WEBP")), (WEBP, picture(WEBP, "RGBA")), (PNG, picture(PNG, "P"))]
FILES += [(AVIF, encode(corners(), "AVIF")), (AVIF, encode(corners("RGBA"), "AVIF"))]
FILES += [(kind, encode(corners(), kind.upper(), save_all=True, append_images=[corners().rotate(180)])) for kind in (GIF, WEBP)]


class Watched(bytes):
    """Notes how much of it is looked through at once, while nothing else can run."""

    looks: list[int]

    def __contains__(self, part: object) -> bool:
        raise AssertionError("it is looked through as a whole")

    def find(self, part: Any, start: Any = 0, end: Any = None, /) -> int:
        self.looks.append((len(self) if end is None else end) - start)
        return super().find(part, start, end)


@pytest.mark.parametrize("at", [0, (1 << 18) - 2, (1 << 18) + 5, (1 << 21) - 4])
async def test_a_file_is_looked_through_piece_by_piece_and_nothing_is_missed(ours: C2paProvenance, at: int) -> None:
    plain = Watched(1 << 21)
    plain.looks = []
    assert await ours.read(plain, PNG) == NO_CREDENTIALS
    assert max(plain.looks) < 1 << 19
    assert await ours.read(bytes(at) + b"c2pa" + bytes((1 << 21) - at - 4), PNG) == UNREADABLE


@pytest.mark.parametrize(("format", "content"), FILES, ids=lambda value: value if isinstance(value, str) else "")
async def test_a_signed_picture_has_its_pixels_and_says_twice_what_made_it(
    ours: C2paProvenance, format: PictureFormat, content: bytes
) -> None:
    signed = await ours.sign(content, format, MADE)
    found = await ours.read(signed, format)
    assert (found.state, found.by_us, found.codes, found.marking) == (TRUSTED, True, (), Marking.SIGNED)
    assert (found.claim_generator, found.source_type) == ("gpt-image-2 1.2.3", "trainedAlgorithmicMedia")
    assert pixels(signed) == pixels(content)
    if format not in (GIF, AVIF):  # Pillow does not look for it where it lies in these
        with Image.open(io.BytesIO(signed)) as opened:
            assert SourceType.GENERATED.address.encode() in opened.info["xmp"]
    assert signed.count(b"Iptc4xmpExt:DigitalSourceType>") == 2
    assert len(signed) < len(content) + 20_000


async def test_what_an_edit_was_made_from_goes_on_in_it(ours: C2paProvenance) -> None:
    """Edited twice, the second time with a reference of its own, and then written as WebP and made smaller."""
    first = await ours.sign(picture(PNG), PNG, MADE)
    second = await ours.sign(picture(PNG), PNG, EDIT, Source(first, PNG))
    third = await ours.sign(picture(JPEG), JPEG, EDIT, Source(second, PNG), [Source(picture(WEBP), WEBP), Source(first, PNG)])
    written = Made((Act.TRANSCODED, Act.RESIZED), SourceType.EDITED)
    found = await ours.read(await ours.sign(picture(WEBP), WEBP, written, Source(third, JPEG)), WEBP)
    assert (found.state, found.by_us, found.source_type) == (TRUSTED, True, "compositeWithTrainedAlgorithmicMedia")
    (last,) = found.ingredients
    parent, upload, reference = last.ingredients
    (origin,) = parent.ingredients
    assert [each.relationship for each in (last, parent, upload, reference, origin)] == [
        *("parentOf", "parentOf", "inputTo", "inputTo", "parentOf"),
    ]
    assert [each.state for each in (last, parent, upload, reference, origin)] == [TRUSTED, TRUSTED, NONE, TRUSTED, TRUSTED]
    assert {each.codes for each in (last, parent, upload, reference, origin)} == {()}


def flipped(content: bytes) -> bytes:
    """With one bit of a picture's last row changed."""
    at = content.rindex(b"\xff\xd9") - 8
    return content[:at] + bytes((content[at] ^ 1,)) + content[at + 1 :]


async def test_a_tampered_picture_is_found_out(ours: C2paProvenance) -> None:
    found = await ours.read(flipped(await ours.sign(picture(JPEG), JPEG, MADE)), JPEG)
    assert (found.state, found.by_us, found.marking) == (INVALID, False, Marking.PENDING)
    assert "assertion.dataHash.mismatch" in found.codes


async def test_a_tampered_parent_is_reported_in_a_whole_child(ours: C2paProvenance) -> None:
    parent = flipped(await ours.sign(picture(JPEG), JPEG, MADE))
    child = await ours.sign(picture(PNG), PNG, EDIT, Source(parent, JPEG))
    found = await ours.read(await ours.sign(picture(WEBP), WEBP, EDIT, Source(child, PNG)), WEBP)
    assert found.state is TRUSTED
    (whole,) = found.ingredients
    (tampered,) = whole.ingredients
    assert (whole.state, tampered.state) == (TRUSTED, INVALID)
    assert "assertion.dataHash.mismatch" in tampered.codes


async def test_an_unmarked_picture_and_one_marked_with_nonsense_are_told_apart(ours: C2paProvenance) -> None:
    assert await ours.read(picture(PNG), PNG) == NO_CREDENTIALS
    assert await ours.read(b"nothing like a picture, with c2pa in it", PNG) == UNREADABLE


async def test_nobody_is_named_in_what_is_signed(ours: C2paProvenance) -> None:
    """A reference's metadata and thumbnail do not travel on; two pictures have no id in common."""
    reference = encode(corners(), "JPEG", comment=CANARY)
    signed = [await ours.sign(picture(PNG), PNG, EDIT, Source(reference, JPEG), [Source(reference, JPEG)]) for _ in range(2)]
    told = [json.loads(store(each, PNG)) for each in signed]
    for whole, each in zip(signed, told, strict=True):
        assert CANARY not in whole
        assert "thumbnail" not in json.dumps(each)
        (manifest,) = each["manifests"].values()
        titles = {said["title"] for said in _deep(manifest) if "title" in said} | {manifest["claim"]["dc:title"]}
        assert titles <= {"picture", "parentOf", "inputTo"}
    ids = [{said["id"] for said in _deep(each) if "policy" in said} for each in told]
    assert len(ids[0] | ids[1]) == 2


def _deep(said: object) -> Iterator[dict[str, str]]:
    if isinstance(said, dict):
        yield said
    for each in said.values() if isinstance(said, dict) else said if isinstance(said, list) else ():
        yield from _deep(each)


async def test_who_else_signs_is_trusted_only_where_that_is_set_and_is_never_us(
    ours: C2paProvenance, picture_workers: PicturePool, chain: SigningChain, tmp_path: Path
) -> None:
    """Even one that bears our very names."""
    other = SigningChain.load_or_create(tmp_path, NOW)
    assert other.names == chain.names
    theirs = await signs(picture_workers, other).sign(picture(PNG), PNG, MADE)
    stranger = await ours.read(theirs, PNG)
    assert (stranger.state, stranger.by_us, stranger.marking) == (CredentialState.VALID, False, Marking.UPSTREAM)
    friend = await signs(picture_workers, chain, Authority(signers=other.anchors)).read(theirs, PNG)
    assert (friend.state, friend.by_us) == (TRUSTED, False)
    child = await ours.sign(picture(PNG), PNG, EDIT, Source(theirs, PNG))
    (ingredient,) = (await ours.read(child, PNG)).ingredients
    codes = ("signingCredential.untrusted",)
    assert ingredient == Ingredient("parentOf", CredentialState.VALID, codes, "gpt-image-2 1.2.3")
    assert not (await signs(picture_workers, chain, Authority(signers=other.anchors)).read(child, PNG)).ingredients[0].ingredients


async def test_a_timestamp_outlives_the_certificate(picture_workers: PicturePool, tmp_path: Path) -> None:
    """And nothing else does."""
    SigningChain.load_or_create(tmp_path, NOW - timedelta(days=500))
    with tsa.authority(LONG_AGO) as clock:
        signed = await signed_long_ago(picture_workers, tmp_path, NOW, picture(JPEG), clock)
        stamped = Authority(clock.url, clock.roots)
        ours = signs(picture_workers, SigningChain.load_or_create(tmp_path, NOW), stamped)
        found = await ours.read(signed, JPEG)
        assert (found.state, found.by_us, found.codes) == (TRUSTED, True, ())
        assert (found.signed_at or "").startswith(f"{LONG_AGO:%Y-%m-%dT%H:%M}")
        clock.now = NOW
        edited = await ours.read(await ours.sign(picture(PNG), PNG, EDIT, Source(signed, JPEG)), PNG)
        assert (edited.state, edited.ingredients[0].state) == (TRUSTED, TRUSTED)
        nobody_believes_it = await signs(picture_workers, SigningChain.load_or_create(tmp_path, NOW)).read(signed, JPEG)
        assert nobody_believes_it.state is INVALID
    without = await signs(picture_workers, SigningChain.load_or_create(tmp_path, NOW)).read(
        await signed_long_ago(picture_workers, tmp_path, NOW, picture(JPEG)), JPEG
    )
    assert (without.state, without.by_us) == (INVALID, False)
    assert "signingCredential.expired" in without.codes


async def test_without_the_timestamp_that_was_asked_for_nothing_is_signed(
    picture_workers: PicturePool, chain: SigningChain
) -> None:
    with tsa.authority(NOW) as clock:
        ours = signs(picture_workers, chain, Authority(clock.url, clock.roots))
        assert (await ours.read(await ours.sign(picture(PNG), PNG, MADE), PNG)).signed_at
        assert clock.asked == 1
    with pytest.raises(ProvenanceUnavailable):
        await ours.sign(picture(PNG), PNG, MADE)


async def test_an_expired_certificate_signs_nothing(picture_workers: PicturePool, tmp_path: Path) -> None:
    old = expired(SigningChain.load_or_create(tmp_path, NOW), tmp_path, NOW)
    with pytest.raises(ProvenanceUnavailable):
        await signs(picture_workers, old).sign(picture(PNG), PNG, MADE)


async def test_what_is_no_picture_is_not_signed(ours: C2paProvenance) -> None:
    for content in (b"", b"nothing", picture(PNG)[:-20]):
        with pytest.raises(Unsignable):
            await ours.sign(content, PNG, MADE)


async def test_large_pictures_are_signed_one_after_the_other_and_hold_up_no_small_one(
    picture_workers: PicturePool, chain: SigningChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_done, at_once, most = threading.Event(), list[bytes](), list[int]()

    def sign(_: C2paProvenance, content: bytes, *__: object) -> bytes:
        if len(content) < LARGE:
            small_done.set()
            return content
        at_once.append(content)
        most.append(len(at_once))
        assert small_done.wait(20)
        at_once.remove(content)
        return content

    monkeypatch.setattr(C2paProvenance, "_sign", sign)
    ours = signs(picture_workers, chain)
    large = [asyncio.create_task(ours.sign(bytes(LARGE), PNG, MADE)) for _ in range(4)]
    await asyncio.sleep(0)  # all of them are there before the small one
    await ours.sign(b"small", PNG, MADE)
    await asyncio.gather(*large)
    assert most == [1, 1, 1, 1]
