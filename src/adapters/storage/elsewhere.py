"""Links that lead to the store itself."""

from application.ports import LinkedObject, LinkedObjects
from domain.errors import NotFound


class LinkedElsewhere(LinkedObjects):
    """None of them comes to us."""

    async def open(self, path: str, signature: str) -> LinkedObject:
        raise NotFound
