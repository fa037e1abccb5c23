"""A model's picture whose file is flawed, so that only decoders can read it, is drawn anew and signed: no pixel is lost."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import c2pa
import pytest
from PIL import Image

from adapters.intake import PillowIntake
from adapters.picture_pool import PicturePool, picture_pool
from adapters.provenance.c2pa import Authority, C2paProvenance
from adapters.provenance.chain import SigningChain
from application.marking import SignOutput
from application.provenance import ProvenanceUnavailable, Source, Unsignable
from domain.errors import BrokenImage
from domain.media import PictureFormat
from domain.provenance import CredentialState, Made
from tests.expired_signatures import expired
from tests.hostile import encode
from tests.pictures import corners
from tests.unit.generation_states import asked

pytestmark = pytest.mark.anyio
NOW = datetime.now(UTC)
MADE = Made.by_model("a-model", edited=False)
PNG, JPEG, WEBP, GIF = (PictureFormat(name) for name in ("png", "jpeg", "webp", "gif"))
DRAWN, SMOOTH = encode(corners(), "PNG"), encode(corners(), "JPEG")
MOVING: dict[str, Any] = {"save_all": True, "append_images": [corners().rotate(180)], "duration": [70, 200]}
FLAWED = {
    "a PNG without its end": (PNG, DRAWN[:-12]),
    "a PNG whose end is cut off": (PNG, DRAWN[:-4]),
    "a PNG of 16 bits without its end": (PNG, encode(Image.new("I;16", (9, 9), 51_234), "PNG")[:-12]),
    "a JPEG with bytes between its segments": (JPEG, SMOOTH[:20] + b"\0\0\0" + SMOOTH[20:]),
    "a JPEG with filling": (JPEG, SMOOTH[:2] + b"\xff\xff\xff" + SMOOTH[2:]),
    "a GIF without its end": (GIF, encode(corners(), "GIF")[:-1]),
    "a film without its end": (GIF, encode(corners(), "GIF", **MOVING)[:-1]),
    "a JPEG with broken credentials and filling": (JPEG, SMOOTH[:2] + b"\xff\xeb\0\x0cJP\0\x01c2pa\xff\xff\xff\xff" + SMOOTH[2:]),
}


@pytest.fixture(scope="module")
def pool() -> Iterator[PicturePool]:
    pool = picture_pool(1)
    yield pool
    pool.stop()


@pytest.fixture(scope="module")
def ours(pool: PicturePool, tmp_path_factory: pytest.TempPathFactory) -> C2paProvenance:
    chain = SigningChain.load_or_create(tmp_path_factory.mktemp("chain"), NOW)
    return C2paProvenance(pool, chain, Authority(), ("gpt-image-2", "1.2.3"), lambda: NOW)


def pixels(content: bytes) -> list[tuple[str, bytes, int]]:
    """Of each frame, with how long it is shown."""
    with Image.open(io.BytesIO(content)) as opened:
        found = []
        for frame in range(getattr(opened, "n_frames", 1)):
            opened.seek(frame)
            found.append((opened.mode, opened.tobytes(), opened.info.get("duration", 0)))
        return found


@pytest.mark.parametrize("flaw", FLAWED)
async def test_a_flawed_file_is_drawn_anew_and_signed_and_says_so(ours: C2paProvenance, pool: PicturePool, flaw: str) -> None:
    format, content = FLAWED[flaw]
    with pytest.raises(Unsignable):
        await ours.sign(content, format, MADE)
    sign = SignOutput(ours, PillowIntake(pool), asked())
    signed = await sign(content, format, await ours.read(content, format), ())
    assert (signed.format, pixels(signed.content)) == (format, pixels(content))
    found = await ours.read(signed.content, signed.format)
    assert (found.state, found.by_us, found.codes) == (CredentialState.TRUSTED, True, ())
    told = json.loads(c2pa.Reader(format.content_type, io.BytesIO(signed.content)).json())
    acts = next(each for each in told["manifests"][told["active_manifest"]]["assertions"] if "actions" in each["label"])
    assert [each["action"] for each in acts["data"]["actions"]] == ["c2pa.created", "c2pa.transcoded"]


WHOLE = [(WEBP, encode(corners("RGBA"), "WEBP")), (WEBP, encode(corners(), "WEBP", **MOVING)), (PNG, encode(corners("P"), "PNG"))]


@pytest.mark.parametrize(("format", "content"), WHOLE)
async def test_what_is_drawn_anew_keeps_its_pixels_and_its_format(
    pool: PicturePool, format: PictureFormat, content: bytes
) -> None:
    drawn = await PillowIntake(pool).redraw(content)
    assert (drawn.format, pixels(drawn.content)) == (format, pixels(content))
    with Image.open(io.BytesIO(content)) as opened:
        assert (drawn.width, drawn.height, drawn.has_alpha) == (*opened.size, opened.has_transparency_data)


async def test_what_no_format_can_keep_becomes_a_png(pool: PicturePool) -> None:
    content = encode(corners(), "AVIF")
    drawn = await PillowIntake(pool).redraw(content)
    assert (drawn.format, pixels(drawn.content)[0][:2]) == (PNG, pixels(content)[0][:2])


async def test_what_cannot_be_drawn_cannot_be_signed(ours: C2paProvenance, pool: PicturePool) -> None:
    cut = DRAWN[: DRAWN.index(b"IDAT") + 8]
    with pytest.raises(BrokenImage):
        await PillowIntake(pool).redraw(cut)
    with pytest.raises(Unsignable):
        await SignOutput(ours, PillowIntake(pool), asked())(cut, PNG, await ours.read(cut, PNG), ())


async def test_what_a_picture_was_made_from_may_be_flawed_too(ours: C2paProvenance, pool: PicturePool) -> None:
    """Then it is signed all the same, as made from something that nobody can name."""
    format, flawed = FLAWED["a PNG without its end"]
    broken = Source(b"RIFF\x04\0\0\0WEBP", WEBP)
    for content in (DRAWN, flawed):
        signed = await SignOutput(ours, PillowIntake(pool), asked())(content, format, await ours.read(content, format), [broken])
        assert (await ours.read(signed.content, signed.format)).state is CredentialState.TRUSTED


async def test_a_certificate_that_has_expired_is_not_the_file_s_fault(pool: PicturePool, tmp_path: Path) -> None:
    old = expired(SigningChain.load_or_create(tmp_path, NOW), tmp_path, NOW)
    signs = C2paProvenance(pool, old, Authority(), ("gpt-image-2", "1.2.3"), lambda: NOW)
    for _, content in FLAWED.values():
        with pytest.raises(ProvenanceUnavailable):
            await signs.sign(content, PNG, MADE)
