"""What is counted. Names, labels and buckets are this closed list; no label ever holds what a caller sent."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from domain.convergence import Remark

CONTENT_TYPE = CONTENT_TYPE_LATEST
REGISTRY = CollectorRegistry()
"""The API's."""
WORKER_REGISTRY = CollectorRegistry()
for _each in (REGISTRY, WORKER_REGISTRY):
    ProcessCollector(registry=_each)

METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"))
_LABELS = ("route", "method", "status")
_BUCKETS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)

HTTP_REQUESTS = Counter(
    "http_requests_total", "Requests answered, by route template, method and class of status.", _LABELS, registry=REGISTRY
)
HTTP_SECONDS = Histogram(
    "http_request_seconds",
    "From a request's arrival to its answer's last byte.",
    _LABELS,
    buckets=_BUCKETS,
    registry=REGISTRY,
)
_known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

OTHER_MODEL = "other"
ATTEMPTS = Counter(
    "attempts_total",
    "Calls of a model that ended, by model of the catalogue, mode and outcome (executed, not_executed, unknown).",
    ("model", "mode", "outcome"),
    registry=WORKER_REGISTRY,
)
CALL_SECONDS = Histogram(
    "call_seconds",
    "How long calls of a model took.",
    ("model", "mode"),
    buckets=(0.25, 1, 2.5, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600),
    registry=WORKER_REGISTRY,
)
NOTICES = Counter(
    "notices_total",
    "Tries to send a notice that ended, by outcome (sent, put_off, given_up).",
    ("outcome",),
    registry=WORKER_REGISTRY,
)
HINTS = Counter(
    "payment_hints_total",
    "Hints of the payment provider's that were followed, by outcome (handled, put_off).",
    ("outcome",),
    registry=WORKER_REGISTRY,
)
TOP_UPS = Counter(
    "top_ups_total",
    "Tries to buy a pack while nobody is present, by outcome (paid, declined, given_up, put_off).",
    ("outcome",),
    registry=WORKER_REGISTRY,
)
WEBHOOK_TRIES = Counter(
    "webhook_tries_total",
    "Tries to send a webhook that ended, by reason (delivered, status, timeout and the like).",
    ("reason",),
    registry=WORKER_REGISTRY,
)
PAYMENTS_UNEXPLAINED = Gauge(
    "payments_unexplained",
    "Purchases and bought lots that the last poll could not explain, by remark.",
    ("remark",),
    registry=WORKER_REGISTRY,
)
OBJECTS_ORPHANED = Gauge(
    "objects_orphaned", "Stored objects that no row spoke of at the last look, and were deleted.", registry=WORKER_REGISTRY
)
OBJECTS_WRONG = Gauge(
    "objects_wrong",
    "Rows whose object is gone or of another size, in the round through all rows that goes on or in the last.",
    registry=WORKER_REGISTRY,
)
CALLS_IN_FLIGHT = Gauge("calls_in_flight", "Calls of a model that are out.", registry=WORKER_REGISTRY)
WORK = {
    name: Gauge(name, meaning, registry=WORKER_REGISTRY)
    for name, meaning in {
        "generations_queued": "Generations that wait for their call.",
        "generations_running": "Generations that a worker holds, or that wait for another look.",
        "generations_uncertain": "Those of the running whose latest call nothing is known of.",
        "oldest_queued_seconds": "Since when the oldest queued generation was asked for.",
        "tokens_waiting": "Wake-ups that no worker has taken.",
        "payment_hints_waiting": "Hints of the payment provider's that are not handled yet, those put off too.",
        "oldest_hint_seconds": "Since when the oldest of them has been here.",
    }.items()
}
"""Of the whole service, read when asked for; NaN while the database does not answer."""


def count_request(route: str, method: str, status: int, seconds: float) -> None:
    """`route` is the template, never the path."""
    key = (route, method if method in METHODS else "other", status // 100)
    if key not in _known:
        labels = (*key[:2], f"{key[2]}xx")
        _known[key] = HTTP_REQUESTS.labels(*labels), HTTP_SECONDS.labels(*labels)
    requests, duration = _known[key]
    requests.inc()
    duration.observe(seconds)


def count_call(model: str, mode: str, outcome: str, seconds: float) -> None:
    """`model` is one of the catalogue, or OTHER_MODEL."""
    ATTEMPTS.labels(model, mode, outcome).inc()
    CALL_SECONDS.labels(model, mode).observe(seconds)


def count_notices(outcomes: Mapping[str, int]) -> None:
    for outcome, tries in outcomes.items():
        NOTICES.labels(outcome).inc(tries)


def count_hints(ends: Mapping[str, int]) -> None:
    for outcome, hints in ends.items():
        HINTS.labels(outcome).inc(hints)


def count_top_ups(ends: Mapping[str, int]) -> None:
    for outcome, tries in ends.items():
        TOP_UPS.labels(outcome).inc(tries)


def count_unexplained(remarks: Mapping[Remark, int]) -> None:
    for remark in Remark:
        PAYMENTS_UNEXPLAINED.labels(remark.value).set(remarks.get(remark, 0))


def exposition(registry: CollectorRegistry = REGISTRY) -> bytes:
    """All of it, as Prometheus reads it."""
    return generate_latest(registry)
