"""The provider of bench/sync.py, who has his pictures ready: what they are like, and his process."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

USUAL, LARGE = "1024x1024", "3840x2160"
NOISE = {USUAL: 0.73, LARGE: 200.0}
"""Of each colour, in 256 steps: so that the one takes a million bytes as PNG, and the other all it can."""


def picture(size: str) -> bytes:
    """A soft scene with some grain."""
    width, height = map(int, size.split("x"))
    chance, (down, across) = np.random.default_rng(6), np.mgrid[0:height, 0:width].astype(np.float32)
    scene = np.stack([across / width, down / height, (across + down) / (width + height)], axis=-1) * 255
    grained = (scene + chance.normal(0, NOISE[size], scene.shape)) % 256
    written = io.BytesIO()
    Image.fromarray(grained.astype(np.uint8)).save(written, "PNG", compress_level=6 if size == USUAL else 1)
    return written.getvalue()


@contextmanager
def upstream(pictures: Mapping[str, Path]) -> Iterator[tuple[int, int]]:
    """Its port and its pid."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.sync_upstream"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdin
        assert process.stdout
        with process.stdin as asked, process.stdout as said:
            asked.write(json.dumps({size: str(file) for size, file in pictures.items()}))
            asked.close()
            yield int(said.readline()), process.pid
    finally:
        process.kill()
        process.wait(30)
