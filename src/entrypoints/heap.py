"""How a process that serves for months deals with its memory. It is said once everything is built, and in every such process."""

import ctypes
import gc
from contextlib import suppress

_MMAP_THRESHOLD, _LARGE_BYTES = -3, 1 << 20
"""The first as glibc's malloc.h has it."""


def keep_memory_quiet() -> None:
    """Once everything is built: no housekeeping of memory holds up the event loop for tens of milliseconds, and what pictures
    took is given back when they are gone.

    What was built stays, so it is not looked through again. A large block has pages of its own: nothing is copied as it grows,
    and when it goes they go at once. Left to itself, glibc stops doing so after the first such block is freed: blocks of up to
    32 MB then lie among the small ones, up to 64 MB are kept for the next, and what one small block holds down is kept besides.
    """
    gc.freeze()
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)
