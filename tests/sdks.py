"""OpenAI's own client against a service of the tests."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from openai import OpenAI

from tests.http_house import House
from tests.service import Customer


@dataclass(frozen=True, slots=True)
class Sdk:
    """Makes clients that are closed when `opened` is: one that nobody closes is complained of in whichever test comes next."""

    opened: ExitStack = field(default_factory=ExitStack)

    def __call__(self, at: House, who: Customer, **options: Any) -> OpenAI:
        return self.opened.enter_context(OpenAI(api_key=who.key, base_url=f"{at.client.base_url}/v1/", **options))
