"""Links that lead to the store itself."""

from collections.abc import AsyncIterator

from application.ports import LinkedObject, LinkedObjects
from domain.errors import NotFound


class LinkedElsewhere(LinkedObjects):
    """None of them comes to us."""

    async def open(self, path: str, query: str) -> LinkedObject:
        raise NotFound

    async def receive(self, path: str, query: str, content_type: str, pieces: AsyncIterator[bytes]) -> None:
        raise NotFound
