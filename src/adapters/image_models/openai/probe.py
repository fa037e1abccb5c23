"""Whether the provider accepts us, asked without buying anything."""

import asyncio

import httpx2
from openai import AsyncOpenAI, OpenAIError

from adapters.image_models.openai.connection import NotSuccessful
from adapters.image_models.openai.errors import ErrorObject

_SECONDS = 10.0


async def probe(client: AsyncOpenAI) -> str | None:
    """None if it does, else what is wrong in a few words."""
    try:
        async with asyncio.timeout(_SECONDS), client.models.with_streaming_response.list(timeout=_SECONDS) as response:
            kind = response.headers.get("content-type", "")
        return None if "json" in kind else "the address does not answer as the provider does"
    except NotSuccessful as answer:
        return _refused(answer)
    except (OpenAIError, httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError):
        return "cannot be reached"


def _refused(answer: NotSuccessful) -> str | None:
    error = ErrorObject.in_body(answer.body)
    if answer.status == 403 and "verif" in error.message:
        return "organisation not verified"
    if error.refuses_us(answer.status):
        return "key refused" if answer.status in (401, 403) or error.code == "invalid_api_key" else "balance used up"
    if answer.status == 429:
        return None  # busy, but ours
    if 300 <= answer.status < 400:
        return "the address leads elsewhere"
    return f"answers with an error ({answer.status})"
