"""The sandbox's hints on their way to our webhook, over HTTP as a real provider's."""

import asyncio
import urllib.request
from dataclasses import dataclass

_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class PostToWebhook:
    """`url`: of the webhook."""

    url: str

    async def __call__(self, body: bytes, signature: str) -> bool:
        """Whether it was taken: an API that is not up, or that refuses it, is told again later."""
        return await asyncio.to_thread(self._post, body, signature)

    def _post(self, body: bytes, signature: str) -> bool:
        headers = {"Content-Type": "application/json", "Stripe-Signature": signature}
        asked = urllib.request.Request(self.url, body, headers)  # noqa: S310 - our own address
        try:
            with _OPENER.open(asked, timeout=_SECONDS) as answer:
                return bool(answer.status == 200)
        except OSError:  # an answer that refuses is one, too
            return False


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""A proxy of the environment's has no business between us and ourselves."""
