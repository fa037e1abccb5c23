"""Crash points that nobody wrote into the code: every call of a port is named, and a process can be made to die at any of them.

A recorded run lists the points; the kill matrix runs over that list, so a new call is covered by itself. A point is written
`<Port>.<method>#k:before` or `…:after`, k counting the calls of that method in this process; a commit is `Store.commit`.
"""

import inspect
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

Port = TypeVar("Port")

_PARTS = {
    "wallets": "Wallets",
    "generations": "Generations",
    "gates": "Gates",
    "assets": "Assets",
    "archives": "Archives",
    "accounts": "Accounts",
    "endpoints": "WebhookEndpoints",
    "deliveries": "WebhookDeliveries",
}
_PARTS |= {"events": "GenerationEvents", "undelivered": "UndeliveredRequests"}
_PARTS |= {"archives": "Archives", "wakeups": "Wakeups", "notices": "WaitingNotices"}
_PARTS |= {"customers": "Customers", "purchases": "Purchases", "subscriptions": "Subscriptions", "inbox": "Inbox"}
_PARTS |= {"top_ups": "TopUps", "quarantine": "Quarantine"}
_PARTS |= {"provenance": "ProvenanceLog", "collections": "Collections", "shelf": "Shelf"}


class CrashPoints:
    """Writes each point to `record`, and kills this process, as kill -9 would, when it comes to `at`."""

    def __init__(self, record: Path | None, at: str) -> None:
        self._at = at
        self._calls: Counter[str] = Counter()
        self._record = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if record else None

    @property
    def wanted(self) -> bool:
        return self._record is not None or bool(self._at)

    def wrap(self, name: str, port: Port, by: str = "") -> Port:
        """The same port, each of its asynchronous calls named; those made `by` one use case are counted apart, as
        `<by>/<Port>.<method>#k`. Left as it is when nothing is wanted."""
        return _Named(self, name, port, by) if self.wanted else port  # type: ignore[return-value]  # it answers to every name

    def call(self, name: str) -> str:
        self._calls[name] += 1
        return f"{name}#{self._calls[name]}"

    def reach(self, point: str) -> None:
        if self._record is not None:
            os.write(self._record, f"{os.getpid()} {point}\n".encode())
        if point == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


class _Named:
    def __init__(self, points: CrashPoints, name: str, port: Any, by: str) -> None:
        self._points = points
        self._by = by
        self._name = name
        self._port = port

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._port, method)
        if method in _PARTS:
            return _Named(self._points, _PARTS[method], found, self._by)
        if method == "transaction":
            return self._transaction
        if inspect.iscoroutinefunction(found):
            return self._asynchronous(self._called(f"{self._name}.{method}"), found)
        return found

    def _called(self, name: str) -> str:
        return f"{self._by}/{name}" if self._by else name

    def _asynchronous(self, name: str, method: Any) -> Any:
        async def named(*args: Any, **kwargs: Any) -> Any:
            call = self._points.call(name)
            self._points.reach(f"{call}:before")
            result = await method(*args, **kwargs)
            self._points.reach(f"{call}:after")
            return result

        return named

    def _transaction(self) -> AbstractAsyncContextManager[Any]:
        @asynccontextmanager
        async def named() -> AsyncIterator[Any]:
            async with self._port.transaction() as tx:
                yield _Named(self._points, "Transaction", tx, self._by)
                call = self._points.call(self._called("Store.commit"))
                self._points.reach(f"{call}:before")
            self._points.reach(f"{call}:after")

        return named()
