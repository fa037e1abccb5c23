"""A file that is bare draws the same pixels, and says nothing that anybody put into it."""

import io
import random
import struct
from contextlib import suppress
from itertools import islice

import pytest
from PIL import Image

from adapters.provenance.bare import bare
from adapters.provenance.xmp import packet, with_xmp
from domain.media import PictureFormat, sniff
from domain.provenance import SourceType
from tests.hostile import CANARY, hostile_uploads, valid_uploads

STILL = (PictureFormat.PNG, PictureFormat.JPEG, PictureFormat.WEBP)
SAID = SourceType.GENERATED.address.encode()


CORPUS = {name: content for name, content in valid_uploads() if name not in ("webp-animated", "gif", "tiff")}


@pytest.mark.parametrize("name", CORPUS)
def test_the_pixels_stay_and_the_words_go(name: str) -> None:
    content, format = CORPUS[name], sniff(CORPUS[name])
    written = bare(content, format)
    with Image.open(io.BytesIO(content)) as came, Image.open(io.BytesIO(written)) as stays:
        assert stays.tobytes() == came.tobytes()
        assert (stays.mode, stays.size, stays.format) == (came.mode, came.size, came.format)
        assert not stays.getexif()
        assert not stays.info.keys() & {"exif", "xmp", "comment", "icc_profile", "Comment", "Author"}
    assert CANARY[:7] not in written
    assert bare(written, format) == written
    labelled = with_xmp(written, format, packet(SourceType.GENERATED))
    assert labelled.count(SAID) == 1
    with Image.open(io.BytesIO(labelled)) as opened:
        assert opened.tobytes() == stays.tobytes()


@pytest.mark.parametrize("name", ["webp-animated", "gif", "tiff"])
def test_films_and_other_files_are_refused(name: str) -> None:
    content = dict(valid_uploads())[name]
    for format in PictureFormat:
        with pytest.raises((ValueError, struct.error)):
            bare(content, format)


def test_no_file_however_broken_is_more_than_refused() -> None:
    chance, read = random.Random(7), 0
    for _, content in islice(hostile_uploads(seed=7), 300):
        with suppress(ValueError, IndexError, struct.error):
            written = bare(content, chance.choice(STILL))
            read += 1
            assert len(written) <= len(content) + 1, "it is never more than it was"
    assert read > 20
