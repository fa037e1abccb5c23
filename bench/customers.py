"""Customers to ask with: accounts, wallets, keys and lots, made by the domain and written in bulk, so that the books are whole."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched as _batched  # type: ignore[attr-defined]
