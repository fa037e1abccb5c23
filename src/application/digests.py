"""What bytes are known by."""

import asyncio
import hashlib

_LARGE = 256 << 10


async def sha256_of(content: bytes) -> str:
    """As hexadecimal digits. A large picture takes milliseconds, in which the event loop would serve nobody else: a thread
    takes it."""
    if len(content) < _LARGE:
        return _sha256(content)
    return await asyncio.to_thread(_sha256, content)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
