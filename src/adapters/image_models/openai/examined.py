"""Whether the provider accepts us, asked without buying anything."""

import asyncio

import httpx2
from openai import AsyncOpenAI, OpenAIError

from adapters.image_models.openai.complaints import Complaint
from adapters.image_models.openai.wire import NotSuccessful

_SECONDS = 10.0


async def examined(client: AsyncOpenAI) -> str | None:
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
    complaint = Complaint.in_body(answer.body)
    if answer.status == 403 and "verif" in complaint.message:
        return "organisation not verified"
    if complaint.code == "invalid_api_key" or answer.status in (401, 403):
        return "key refused"
    if complaint.refuses_us:
        return "balance used up"
    if answer.status == 429:
        return None  # busy, but ours
    if 300 <= answer.status < 400:
        return "the address leads elsewhere"
    return f"answers with an error ({answer.status})"
