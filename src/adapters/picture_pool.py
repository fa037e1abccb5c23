"""Warm processes in which hostile pictures are opened and new ones painted.

Never on the event loop, and never with the service's memory, environment, open files or keys. Each worker is one child process
at the end of its own socket, fed by one thread. Pools that share queues between workers (concurrent.futures, pebble) were tried
and left: one `kill -9`, even of an idle worker, breaks them for good, or leaves their futures open for ever.
"""

import asyncio
import io
import os
import pickle
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from time import monotonic
from typing import Any, TypeVar

from adapters.picture_worker import understand

Result = TypeVar("Result")

START_SECONDS = 60.0
"""How long a worker may take to import Pillow on a busy machine."""
MOST_ANSWER_BYTES = 512 * 1024 * 1024
_PIECE = 1024 * 1024
_GIVES_WAY = 10
"""As `nice` counts: a tenth of what anybody else gets who wants the same processor, and all of an idle one."""
_LENGTH = struct.Struct("!i")
"""Before each message: how long it is, as multiprocessing.connection has it, with which workers speak."""


class WorkerDied(RuntimeError):
    """The process ended without an answer: it crashed, was killed, or never started. Nobody else is touched by it."""


class PoolStopped(RuntimeError):
    """The pool takes no more tasks."""


@dataclass(frozen=True, slots=True)
class _Task:
    function: Callable[..., Any]
    args: Sequence[Any]
    timeout: float | None
    answer: Future[Any]


class PicturePool:
    """`workers` processes of at most `memory_mb` address space each, replaced after `tasks_each` tasks.

    Those of a `patient` pool start at its first task, and get what processor time nobody else wants.

    `schedule` may be called from any thread; `pids` are those of the processes alive now.
    """

    def __init__(self, workers: int, memory_mb: int, tasks_each: int, *, patient: bool = False) -> None:
        self._memory_mb, self._tasks_each, self._patient = memory_mb, tasks_each, patient
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._stopped = False
        self._working: dict[int, _Worker] = {}
        self.started: tuple[Future[None], ...] = tuple(Future() for _ in range(workers))
        # A worker dies with the thread that started it (see `picture_worker.serve`), so each thread lives as long as the pool.
        self._threads = [
            threading.Thread(target=self._attend, args=(seat, first), name=f"picture-pool-{seat}", daemon=True)
            for seat, first in enumerate(self.started)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """How many tasks no worker has taken yet."""
        return self._tasks.qsize()

    @property
    def pids(self) -> tuple[int, ...]:
        return tuple(worker.pid for worker in list(self._working.values()))

    def schedule(self, function: Callable[..., Result], args: Sequence[Any] = (), timeout: float | None = None) -> Future[Result]:
        """Run `function(*args)` in a worker. The function belongs to a module; it answers with plain values, frozen dataclasses
        and enums.

        The future raises what the function raised (a library's own errors as `picture_worker.TaskFailed`), TimeoutError after
        `timeout` seconds of work (waiting does not count), or WorkerDied. Cancelling it ends the work at once. Raises
        PoolStopped.
        """
        answer: Future[Result] = Future()
        with self._lock:
            if self._stopped:
                raise PoolStopped
            self._tasks.put(_Task(function, args, timeout, answer))
        return answer

    def stop(self) -> None:
        """End every process; what was waiting or running raises PoolStopped. When this returns, no process is left."""
        with self._lock:
            self._stopped = True
            for worker in list(self._working.values()):
                worker.kill()
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()

    def _attend(self, seat: int, first: "Future[None]") -> None:
        """One thread's life: keep one worker ready, hand it one task after the other."""
        first.set_running_or_notify_cancel()
        worker = None if self._patient else self._hire(seat)
        if worker is not None or self._patient:
            first.set_result(None)
        else:
            first.set_exception(WorkerDied("a picture worker did not start"))
        while (task := self._tasks.get()) is not None:
            if worker is None or worker.gone:  # killed while idle
                worker = self._replace(seat, worker)
            if worker is None:
                self._settle(task, error=PoolStopped() if self._stopped else WorkerDied("a picture worker did not start"))
            elif not self._carry_out(worker, task) or worker.done >= self._tasks_each:
                worker = self._replace(seat, worker)
        self._replace(seat, worker)

    def _replace(self, seat: int, worker: "_Worker | None") -> "_Worker | None":
        if worker is not None:
            worker.end()
            self._working.pop(seat, None)
        return None if self._stopped else self._hire(seat)

    def _hire(self, seat: int) -> "_Worker | None":
        """A worker that is ready, or None if none can be had; then the next task asks again."""
        try:
            worker = _Worker(self._memory_mb, _GIVES_WAY if self._patient else 0)
        except OSError:
            return None
        with self._lock:
            self._working[seat] = worker
            if self._stopped:
                worker.kill()
        try:
            worker.hear(monotonic() + START_SECONDS)
        except (WorkerDied, TimeoutError):
            worker.end()
            self._working.pop(seat, None)
            return None
        return worker

    def _carry_out(self, worker: "_Worker", task: _Task) -> bool:
        """Give the task its answer; False if the worker cannot be used again."""
        if task.answer.cancelled():
            return True
        task.answer.add_done_callback(lambda answer: worker.kill() if answer.cancelled() else None)
        until = None if task.timeout is None else monotonic() + task.timeout
        try:
            worker.ask(task, until)
            finished, value = worker.hear(until)
        except Exception as error:  # whatever it is belongs to this task, and this thread must live
            self._settle(task, error=PoolStopped() if self._stopped else error)
            return False
        # A task cancelled in the very moment of its answer has its worker killed all the same.
        return self._settle(task, value) if finished else self._settle(task, error=value)

    def _settle(self, task: _Task, value: object = None, error: BaseException | None = None) -> bool:
        """Give the answer; False if nobody waits for it any more."""
        if not task.answer.set_running_or_notify_cancel():
            return False
        if error is None:
            task.answer.set_result(value)
        else:
            task.answer.set_exception(error)
        return True


class _Worker:
    """The parent's side of one process. `until`: the moment, by the monotonic clock, at which waiting for it ends, wherever it
    has come by then: a worker that stops in the middle of a message is as late as one that says nothing."""

    def __init__(self, memory_mb: int, gives_way: int) -> None:
        self._socket, theirs = socket.socketpair()
        self.done = 0
        with theirs:
            command = (
                f"import sys; sys.path[:] = {sys.path!r}; from adapters.picture_worker import serve; "
                f"serve({theirs.fileno()}, {os.getpid()}, {memory_mb}, {gives_way})"
            )
            # No environment: a decoder that was taken over finds no key in it. Its own group: Ctrl-C is for the service.
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, on this file
                [sys.executable, "-I", "-B", "-c", command],
                pass_fds=[theirs.fileno()],
                env={"OPENBLAS_NUM_THREADS": "1"} | {k: v for k, v in os.environ.items() if k == "LD_LIBRARY_PATH"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                process_group=0,
            )
        self.pid = self._process.pid

    @property
    def gone(self) -> bool:
        return self._process.poll() is not None

    def ask(self, task: _Task, until: float | None) -> None:
        """Raises WorkerDied, or TimeoutError."""
        self.done += 1
        # Large bytes go as they are: to copy them would stop every other thread meanwhile.
        large = list[pickle.PickleBuffer]()
        args = [pickle.PickleBuffer(arg) if isinstance(arg, bytes) and len(arg) > _PIECE else arg for arg in task.args]
        question = pickle.dumps((task.function, args), pickle.HIGHEST_PROTOCOL, buffer_callback=large.append)
        parts: list[bytes | memoryview] = [bytes((len(large),)), question, *(each.raw() for each in large)]
        try:
            for part in parts:
                self._wait_no_longer_than(until)
                self._socket.sendall(_LENGTH.pack(len(part)))
                self._socket.sendall(part)
        except TimeoutError:
            raise
        except OSError as error:
            raise WorkerDied("a worker died before its task") from error

    def hear(self, until: float | None) -> tuple[bool, Any]:
        """(True, result) or (False, exception). Raises WorkerDied, or TimeoutError."""
        try:
            (length,) = _LENGTH.unpack(self._read(_LENGTH.size, until))
            if not 0 <= length <= MOST_ANSWER_BYTES:
                raise ValueError("an answer of no sensible length")
            finished, value = understand(self._read(length, until))
            if not finished and not isinstance(value, Exception):
                raise ValueError("a failure that is no exception")
        except TimeoutError:
            raise
        except Exception as error:
            raise WorkerDied("a worker died at its task, or answered nonsense") from error
        return finished, value

    def _read(self, size: int, until: float | None) -> bytes:
        """Grows as it comes, for a length is easily said."""
        came = io.BytesIO()  # whose bytes are taken out without being copied
        while came.tell() < size:
            self._wait_no_longer_than(until)
            taken = self._socket.recv(min(size - came.tell(), _PIECE))
            if not taken:
                raise EOFError
            came.write(taken)
        return came.getvalue()

    def _wait_no_longer_than(self, until: float | None) -> None:
        left = None if until is None else until - monotonic()
        if left is not None and left <= 0:
            raise TimeoutError("no answer in time")
        self._socket.settimeout(left)

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._socket.close()


def picture_pool(workers: int = 2, memory_mb: int = 1024, tasks_each: int = 200) -> PicturePool:
    """A pool whose workers start at once, in the background; `warm` waits for them."""
    return PicturePool(workers, memory_mb, tasks_each)


def patient_pool(memory_mb: int = 1024, tasks_each: int = 200) -> PicturePool:
    """One worker for what nobody waits for."""
    return PicturePool(1, memory_mb, tasks_each, patient=True)


async def warm(pool: PicturePool) -> None:
    """Return when every worker has started. Raises WorkerDied if one cannot."""
    await asyncio.gather(*(asyncio.wrap_future(started) for started in pool.started))
