"""A Stripe that is none: a process of its own, on 127.0.0.1, to which the real SDK speaks and which the test directs.

    with stripe_process() as stripe:                        # started, and gone when the block ends
        async with stripe.client() as client:               # a stripe.StripeClient; any key sk_test_... will do
            session = await client.v1.checkout.sessions.create_async(...)
        stripe.do("pay", session=session.id, card="declined")   # what a customer does at the hosted page
        stripe.do("advance", seconds=30 * 86400)            # its clock is its own
        stripe.do("fault", name="reset-after", verb="post", path="/v1/refunds")
        stripe.do("endpoint", url=..., secret="whsec_x")    # from now on events are delivered there, signed
        stripe.events("invoice.paid")                       # or taken by the test, which signs them by stripe_delivery.signed

What can be done: the acts of tests/stripe_acts.py, and the orders of tests/stripe_server.py. What of the API is pretended: the
table in tests/stripe_api.py. What objects hold: tests/stripe_shapes.py; what `expand` knows: tests/stripe_world.py.
"""

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import stripe

ROOT = Path(__file__).parents[1]
KEY = "sk_test_local"


class StripeRefused(Exception):
    """An act was refused, in Stripe's words."""


class StripeProcess:
    """The running process. `mark` stands in every id: processes that fill one database need different ones."""

    def __init__(self, mark: str = "") -> None:
        self._log, self._turn = tempfile.TemporaryFile(), threading.Lock()  # noqa: SIM115  # closed when it is killed
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.stripe_server", "--mark", mark],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
        )
        assert self.process.stdout
        first = self.process.stdout.readline()
        assert first.strip().isdigit(), self.complaints()
        self.port = int(first)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def client(self, *, seconds: float = 20.0) -> AsyncIterator[stripe.StripeClient]:
        """The real SDK: async, httpx, one request for one call; an answer is waited for so long."""
        http = stripe.HTTPXClient(timeout=seconds, verify_ssl_certs=False)
        yield stripe.StripeClient(KEY, base_addresses={"api": self.url}, http_client=http, max_network_retries=0)
        await http.close_async()  # type: ignore[no-untyped-call]  # the SDK says no types there

    def do(self, act: str, **given: Any) -> Any:
        """Have it done, and answer what came of it. Raises: StripeRefused."""
        assert self.process.stdin
        assert self.process.stdout
        with self._turn:
            self.process.stdin.write(json.dumps({"do": act, "with": given}).encode() + b"\n")
            self.process.stdin.flush()
            said = self.process.stdout.readline()
        assert said, self.complaints()
        told = json.loads(said)
        if "refused" in told:
            raise StripeRefused(told["refused"])
        assert "answer" in told, told["wrong"]
        return told["answer"]

    def events(self, *types: str) -> list[dict[str, Any]]:
        """All that happened, in its order, or what is of these types."""
        return [event for event in self.do("events") if not types or event["type"] in types]

    def complaints(self) -> str:
        """What the process wrote about its own errors: empty, if the test asked for nothing impossible."""
        self._log.seek(0)
        return self._log.read().decode()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)
        for pipe in (self.process.stdin, self.process.stdout, self._log):
            assert pipe
            pipe.close()


@contextmanager
def stripe_process(mark: str = "") -> Iterator[StripeProcess]:
    running = StripeProcess(mark)
    try:
        yield running
    finally:
        running.kill()
