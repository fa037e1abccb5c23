"""A model that will be shut down says so in the answers to whoever asks for it: `Deprecation` (RFC 9745), `Sunset` (RFC 8594)."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime

from litestar.datastructures import ResponseHeader

from domain.catalogue import Catalogue

NOTICE = timedelta(days=30)
HEADERS = (
    ResponseHeader(
        name="Deprecation", description="the model will be shut down: since when this is said", documentation_only=True
    ),
    ResponseHeader(name="Sunset", description="the model will be shut down: when", documentation_only=True),
    ResponseHeader(name="Link", description="with Deprecation: where its replacement is named", documentation_only=True),
)


def headers(catalogue: Catalogue, model: str, today: date) -> Mapping[str, str]:
    """From 30 days before the model's end, in UTC; before that, nothing."""
    known = catalogue.models.get(model) or catalogue.retired.get(model)
    if known is None or known.shutdown_date is None or today < known.shutdown_date - NOTICE:
        return {}
    end = datetime.combine(known.shutdown_date, time(), UTC)
    return {
        "Deprecation": f"@{int((end - NOTICE).timestamp())}",
        "Sunset": format_datetime(end, usegmt=True),
        "Link": '</v1/models>; rel="deprecation"',
    }
