"""A process that has imported the whole service once and forks its parts: real processes, without a second of imports each.

Each part is a child in a session of its own, which runs the very command that `gpt-image <part>` runs, in its own environment
and event loop. The zygote never has a thread or a loop, so what it forks starts clean. Whoever asked for a part holds a socket:
on it comes the part's exit code, and when it closes the part is killed. A part's picture workers are forked here too; they serve
what they would serve had they been started anew.
"""

import ctypes
import gc
import json
import os
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from adapters import picture_pool, picture_worker

WORDS = 1 << 20


class Zygote:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(256)
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, socket.socket] = {}
        self._woken, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._woken, selectors.EVENT_READ, self._bury)
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self._leave)
        self._leaving = False

    def serve(self) -> None:
        """Until the standard input closes; then every child is killed."""
        while not self._leaving:
            for key, _ in self._selector.select():
                key.data()
        for pid in self._children:  # none is buried yet, so none of these numbers is somebody else's
            os.kill(pid, signal.SIGKILL)

    def _leave(self) -> None:
        self._leaving = True

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        self._selector.register(client, selectors.EVENT_READ, lambda: self._asked(client))

    def _asked(self, client: socket.socket) -> None:
        """Whoever asks may be killed at any moment: before its order comes, or before the answer does."""
        self._selector.unregister(client)
        try:
            said, descriptors, _, _ = socket.recv_fds(client, WORDS, 1)
        except ConnectionError:
            said = b""
        if not said:
            client.close()
            return
        order = json.loads(said)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._forget()
            _live(order, descriptors, parent)
        for descriptor in descriptors:
            os.close(descriptor)
        self._children[pid] = client
        with suppress(ConnectionError):
            client.sendall(f"{pid}\n".encode())
        self._selector.register(client, selectors.EVENT_READ, lambda: self._abandoned(pid, client))

    def _forget(self) -> None:
        """In the child: what belongs to the zygote."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        self._listener.close()
        for client in self._children.values():
            client.close()

    def _abandoned(self, pid: int, client: socket.socket) -> None:
        """Nobody waits for this child any more. Nobody says anything either, so the end of the line is all that can come."""
        if pid in self._children:  # and not buried in this very round
            self._selector.unregister(client)
            os.kill(pid, signal.SIGKILL)

    def _bury(self) -> None:
        os.read(self._woken, 4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            client = self._children.pop(pid)
            with suppress(OSError):
                client.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
            with suppress(KeyError, ValueError):
                self._selector.unregister(client)
            client.close()


def _live(order: Mapping[str, Any], descriptors: list[int], parent: int) -> None:
    """The child's whole life; it never returns."""
    code = 1
    try:
        os.setsid()
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(1, int(signal.SIGKILL))  # PR_SET_PDEATHSIG: no zygote, no children
        if "pictures" in order:
            os.dup2(os.open(os.devnull, os.O_RDWR), sys.stdout.fileno())
            picture_worker.serve(descriptors[0], parent, *order["pictures"])
            code = 0
        else:
            code = _part(order, descriptors)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
    except BaseException as error:
        sys.stderr.write(f"{error!r}\n")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _part(order: Mapping[str, Any], descriptors: list[int]) -> int:
    output = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number, opened in enumerate((os.open(os.devnull, os.O_RDONLY), output, output)):
        os.dup2(opened, number)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    if descriptors:
        os.environ["LISTEN_FD"] = str(descriptors[0])
    zygote = order["zygote"]
    forked = SimpleNamespace(Popen=lambda command, **said: PictureWorker(zygote, command, **said), DEVNULL=None)
    vars(picture_pool)["subprocess"] = forked  # in this child alone
    from entrypoints.command import main

    main([order["part"]])
    return 0


class PictureWorker:
    """What the picture pool takes for the process it started."""

    def __init__(self, zygote: str, command: list[str], *, pass_fds: list[int], **_: object) -> None:
        confined = [int(word) for word in command[-1].rstrip(") ").split(",")[-2:]]
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(zygote)
        socket.send_fds(self._socket, [json.dumps({"pictures": confined}).encode()], pass_fds)
        self.pid = int(self._socket.makefile().readline())
        self._ended = False

    def poll(self) -> int | None:
        self._socket.setblocking(False)
        try:
            self._ended = self._ended or self._socket.recv(64) is not None
        except BlockingIOError:
            return None
        return 0

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        self._socket.setblocking(True)
        if not self._ended:
            self._ended = self._socket.recv(64) is not None
        self._socket.close()
        return 0


def _import_everything() -> None:
    """What parts and picture workers import as they go, too: each of hundreds would spend a fifth of a second on it."""
    import c2pa  # noqa: F401
    import numpy  # noqa: F401
    import uvloop  # noqa: F401
    from PIL import GifImagePlugin, Image, ImageCms, JpegImagePlugin, PngImagePlugin, WebPImagePlugin  # noqa: F401

    if "S3_BUCKET" in os.environ:
        import adapters.storage.s3
    import adapters.identity.line
    import adapters.image_models.painter
    import adapters.pictures.pdq
    import adapters.pictures.rendering
    import adapters.pictures.sketching
    import adapters.webhook_post
    import entrypoints.api
    import entrypoints.command
    import entrypoints.worker  # noqa: F401

    with suppress(ImportError):
        import adapters.image_models.openai.images
        import adapters.postgres.jobs
    adapters.identity.line.trusted()
    adapters.webhook_post.trusted()


if __name__ == "__main__":
    _import_everything()
    assert threading.active_count() == 1, "a thread would be lost in every child"
    gc.collect()
    gc.freeze()
    waiting = Zygote(Path(sys.argv[1]))
    print("ready", flush=True)
    waiting.serve()
