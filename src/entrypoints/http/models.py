"""The catalogue over HTTP: which models there are, what they can do, what they cost, and the service's limits."""

from typing import Any

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import get

from application.ports import Today
from domain.capabilities import Capabilities
from domain.catalogue import Catalogue, Model
from domain.limits import LIMITS
