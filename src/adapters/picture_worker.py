"""The other side of the picture pool: what one worker process does from its first line to its last."""

import ctypes
import os
import pickle
import resource
import signal
import sys
import warnings
from contextlib import suppress
from multiprocessing.connection import Connection

from domain.limits import LIMITS

OUR_OWN = ("domain.", "adapters.")
"""Only errors and facts of these packages, and built-in ones, leave a worker as they are."""
_PR_SET_PDEATHSIG = 1


class TaskFailed(Exception):
    """The function raised an error of a foreign class, named here: only the text of such errors leaves a worker."""


def serve(descriptor: int, parent: int, memory_mb: int) -> None:
    """The worker's whole life. It ends when the other end of its socket closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # whoever stops the whole group lets what is under way finish
    _end_with_parent(parent)
    with Connection(descriptor) as socket:
        _import_and_confine(memory_mb)
        socket.send_bytes(pickle.dumps((True, None)))
        # What a decoder prints about somebody's file belongs into no log.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        with suppress(EOFError, OSError):
            while True:
                socket.send_bytes(_answer(socket.recv_bytes()))


def _answer(question: bytes) -> bytes:
    try:
        function, args = pickle.loads(question)  # noqa: S301 - from the service itself
        return pickle.dumps((True, function(*args)), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        known = type(error).__module__ == "builtins" or type(error).__module__.startswith(OUR_OWN)
        return pickle.dumps((False, error if known else TaskFailed(f"{type(error).__qualname__}: {error}")))


def _end_with_parent(parent: int) -> None:
    """Die when the service does, `kill -9` included. Elsewhere than on Linux a worker ends after the task at hand."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        sys.exit("the service is gone already")


def _import_and_confine(memory_mb: int) -> None:
    """Import everything, then let the limits bite. No file can grow and no core is dumped: a picture stays in memory."""
    import numpy  # noqa: F401
    from PIL import GifImagePlugin, Image, ImageCms, JpegImagePlugin, PngImagePlugin, WebPImagePlugin  # noqa: F401

    Image.MAX_IMAGE_PIXELS = LIMITS["upload_pixels"]
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (memory_mb * 1024 * 1024,) * 2)
