"""Logs: one JSON object a line, from a closed list of fields, so that nothing of a customer's can slip into them."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

LOG_FIELDS = frozenset(
    {
        "event", "level", "timestamp", "logger", "process",
        "request_id", "method", "route", "status", "duration_ms",
        "error", "where", "address", "pid", "state", "seconds",
        "expired", "woken", "purged", "failed", "keys_forgotten", "events_forgotten", "rates_forgotten", "swept",
        "undelivered_forgotten",
        "sessions_forgotten", "invitations_forgotten", "trials_forgotten",
        "sent", "put_off", "given_up", "heads",
        "handled", "hints", "purchases", "remark", "times", "paid", "declined", "refused", "told",
        "archives_made", "archives_forgotten", "thumbnails_made", "prompts_indexed", "renditions_forgotten",
        "pictures_signed", "pictures_unsigned", "pictures_unsignable", "pictures_seen", "pictures_forgotten",
        "webhooks_delivered", "webhooks_failed", "deliveries_forgotten",
        "refunded", "refund_refused", "refund_put_off",
    }
)  # fmt: skip
"""Nothing else is ever logged: no prompt, name, e-mail, address of a caller, key or file name."""


class UndeclaredLogField(Exception):
    """A field that the registry does not know was about to be logged."""


def only_declared(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    undeclared = event.keys() - LOG_FIELDS
    if undeclared:
        raise UndeclaredLogField(", ".join(sorted(undeclared)))
    return event


def configure(process: str) -> None:
    """Log to standard error from here on; libraries' own messages are named but not repeated, as they may quote anything."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            lambda _, __, event: {**event, "process": process},
            only_declared,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Named()], level=logging.WARNING, force=True)


class _Named(logging.Handler):
    """A library warned: say which, and the kind of error; its text may hold a customer's words."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        where = f"{record.module}:{record.lineno}"
        structlog.get_logger().warning("library", logger=record.name, where=where, error=error)
