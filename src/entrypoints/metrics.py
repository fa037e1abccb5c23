"""What is counted. Names, labels and buckets are this closed list; no label ever holds what a caller sent."""

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

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


def count_request(route: str, method: str, status: int, seconds: float) -> None:
    """`route` is the template, never the path."""
    key = (route, method if method in METHODS else "other", status // 100)
    if key not in _known:
        labels = (*key[:2], f"{key[2]}xx")
        _known[key] = HTTP_REQUESTS.labels(*labels), HTTP_SECONDS.labels(*labels)
    requests, duration = _known[key]
    requests.inc()
    duration.observe(seconds)


def exposition() -> bytes:
    """All of it, as Prometheus reads it."""
    return generate_latest(REGISTRY)
