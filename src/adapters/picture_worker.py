"""The other side of the picture pool: what one worker process does from its first line to its last, and how it speaks.

A worker has touched hostile bytes and may be under somebody's command. So what it says is never unpickled (a pickle runs code, or
rewrites a class): answers are plain values, with the project's frozen facts, choices and errors spelt out by name.
"""

import ctypes
import os
import pickle
import resource
import signal
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from enum import Enum
from multiprocessing.connection import Connection
from typing import Any

import msgspec

from domain.limits import LIMITS

_OUR_OWN = ("domain.", "adapters.")
_PLAIN = (type(None), bool, int, float, str, bytes)
_PR_SET_PDEATHSIG = 1


class TaskFailed(Exception):
    """The function raised an error of a foreign class, named here: only the text of such errors leaves a worker."""


def serve(descriptor: int, parent: int, memory_mb: int, gives_way: int) -> None:
    """The worker's whole life. It ends when the other end of its socket closes."""
    os.nice(gives_way)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # whoever stops the whole group lets what is under way finish
    _end_with_parent(parent)
    with Connection(descriptor) as socket:
        _import_and_confine(memory_mb)
        socket.send_bytes(say((True, None)))
        # What a decoder prints about somebody's file belongs into no log.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        with suppress(EOFError, OSError):
            while True:
                (large,) = socket.recv_bytes()
                question, *buffers = [socket.recv_bytes() for _ in range(1 + large)]
                socket.send_bytes(_answer(question, buffers))


def _answer(question: bytes, buffers: Sequence[bytes]) -> bytes:
    try:
        function, args = pickle.loads(question, buffers=buffers)  # noqa: S301 - from the service itself
        return say((True, function(*args)))
    except Exception as error:
        known = type(error).__module__ == "builtins" or type(error).__module__.startswith(_OUR_OWN)
        try:
            return say((False, error if known else TaskFailed(f"{type(error).__qualname__}: {error}")))
        except Exception:
            return say((False, TaskFailed(type(error).__qualname__)))


def say(value: object) -> bytes:
    """`value` for the other side. Raises TypeError for what cannot be said."""
    return msgspec.msgpack.encode(_spelt_out(value))


def understand(said: bytes) -> Any:
    """What `say` was given. Raises ValueError or TypeError for nonsense; no more than a constructor of ours is ever called."""
    return _meant(msgspec.msgpack.decode(said))


def _spelt_out(value: object) -> object:
    kind = type(value)
    if kind in _PLAIN:
        return value
    name = (kind.__module__, kind.__qualname__)
    if isinstance(value, tuple | list) and kind in (tuple, list):
        return [kind.__name__, [_spelt_out(each) for each in value]]
    if isinstance(value, dict) and kind is dict:
        return ["dict", [[_spelt_out(key), _spelt_out(each)] for key, each in value.items()]]
    if isinstance(value, Enum):
        return ["choice", *name, _spelt_out(value.value)]
    if is_dataclass(value):
        return ["facts", *name, [[each.name, _spelt_out(getattr(value, each.name))] for each in fields(value)]]
    if isinstance(value, Exception):
        return ["error", *name, _spelt_out(value.args), _spelt_out(vars(value))]
    raise TypeError(f"a worker cannot answer with {kind.__qualname__}")


def _meant(said: Any) -> Any:
    if not isinstance(said, list):
        return said
    match said:
        case ["list", each]:
            return [_meant(one) for one in each]
        case ["tuple", each]:
            return tuple(_meant(one) for one in each)
        case ["dict", pairs]:
            return {_meant(key): _meant(value) for key, value in pairs}
        case ["choice", module, name, value]:
            return _class_named(module, name, Enum)(_meant(value))
        case ["facts", module, name, pairs]:
            return _class_named(module, name, object)(**{field: _meant(value) for field, value in pairs})
        case ["error", module, name, args, facts]:
            error = _class_named(module, name, Exception)(*_meant(args))
            vars(error).update(_meant(facts))
            return error
    raise ValueError("a worker answered nonsense")


def _class_named(module: str, name: str, kind: type) -> Any:
    """A class of the project that is loaded already, or a built-in error."""
    found = getattr(sys.modules.get(module), name, None)
    allowed = module.startswith(_OUR_OWN) or (module == "builtins" and kind is Exception)
    if allowed and isinstance(found, type) and found.__module__ == module and issubclass(found, kind):
        frozen = is_dataclass(found) and found.__dataclass_params__.frozen  # type: ignore[attr-defined]  # typeshed does not know it
        if kind is not object or frozen:
            return found
    raise ValueError(f"a worker may not answer with {module}.{name}")


def _end_with_parent(parent: int) -> None:
    """Die when the service does, `kill -9` included. Elsewhere than on Linux a worker ends after the task at hand."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        sys.exit("the service is gone already")


def _import_and_confine(memory_mb: int) -> None:
    """Import everything, then let the limits bite. No file can grow and no core is dumped: a picture stays in memory."""
    import numpy  # noqa: F401
    from PIL import AvifImagePlugin, GifImagePlugin, Image, ImageCms, JpegImagePlugin, PngImagePlugin, WebPImagePlugin  # noqa: F401

    Image.MAX_IMAGE_PIXELS = LIMITS["upload_pixels"]
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (memory_mb * 1024 * 1024,) * 2)
