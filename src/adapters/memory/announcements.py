"""Announcements in memory, where nobody has an endpoint: what was said, for tests to look at."""

from dataclasses import dataclass

from adapters.memory.tables import Tables
from application.announcements import Announcements
from domain.webhook_endpoints import WebhookEvent


@dataclass(frozen=True, slots=True)
class MemoryAnnouncements(Announcements):
    rows: Tables

    def announce(self, event: WebhookEvent) -> None:
        self.rows.announced[event.id] = event
