"""Telling the world: what happened to an account is written down for its webhook endpoints together with the fact itself."""

from typing import Protocol

from domain.webhook_endpoints import WebhookEvent


class Announcements(Protocol):
    """Events, to be sent once what they tell of is committed."""

    def announce(self, event: WebhookEvent) -> None:
        """One delivery for each enabled endpoint of the event's account and mode that wants its kind, if this transaction
        commits; due at once. No locks. Announcing it again changes nothing."""
