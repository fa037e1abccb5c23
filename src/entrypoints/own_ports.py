"""Ports of this machine: whether one is free, and whether it is our API that has it."""

import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def is_free(host: str, port: int) -> bool:
    with _listener(host) as listener, suppress(OSError):
        listener.bind((host, port))
        return True
    return False


def is_ours(host: str, port: int) -> bool:
    named = f"[{host}]" if ":" in host else host
    with suppress(OSError), urllib.request.urlopen(f"http://{named}:{port}/health/live", timeout=2) as answered:
        return bool(answered.status == 200)
    return False


@contextmanager
def _listener(host: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        yield listener
