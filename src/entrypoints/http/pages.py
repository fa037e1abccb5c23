"""The pages of accounts, signing in and the sandboxes: plain HTML that works without a script and asks nobody else anything."""

from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request, Response
from litestar.types import ExceptionHandlersMap

from domain.errors import InvalidRequest
from entrypoints.http.problems import EXCEPTION_HANDLERS

HOME = "/account"
"""Where a browser goes that was told nothing else."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
_BEGIN_AGAIN = "Begin again. If it goes on, tell the operator when it happened."
_REMEDIES = {
    "sign-in-denied": "Nothing was changed. Begin again if that was a mistake.",
    "sign-in-invalid": "Nothing was changed. Begin again, in one window of one browser.",
    "sign-in-expired": "Begin again in this browser, and finish within ten minutes.",
    "email-unverified": "Verify an e-mail address at the provider, then begin again.",
    "provider-unavailable": "Wait a minute, then begin again, or sign in with another provider.",
    "registration-closed": "Ask the operator for an invitation.",
    "not-found": "This page has expired, or never was. Go back to where you came from.",
    "cross-origin": "Nothing was changed. Open the page itself, and use its buttons.",
    "unavailable": "Nothing is known of what was asked. Wait a moment, then load the page again.",
    "identity-taken": "Sign in with it to use that account, or unlink it there first.",
}
"""What whoever reads a refusal can do, by its public name."""


class _Refusal(msgspec.Struct, frozen=True):
    type: str
    title: str
    detail: str = ""

    @property
    def remedy(self) -> str:
        return _REMEDIES.get(self.type.rpartition("/")[2], _BEGIN_AGAIN)


def page(name: str, status: int = 200, **said: Any) -> Response[bytes]:
    """The page of that name, told what it says."""
    content = _pages().get_template(f"{name}.html").render(said)
    return Response(content.encode(), status_code=status, media_type="text/html", headers={"Content-Security-Policy": _POLICY})


def led_to(url: str) -> Response[bytes]:
    return Response(b"", status_code=303, headers={"Location": url})


async def form(request: Request[Any, Any, Any], most: int) -> dict[str, str]:
    """What a form says, of `most` fields. Raises InvalidRequest."""
    try:
        body = (await request.body()).decode("latin-1")
        return dict(parse_qsl(body, keep_blank_values=True, encoding="utf-8", max_num_fields=most))
    except ValueError:
        raise InvalidRequest("the form has too many fields") from None


def money(amount: int, currency: str) -> str:
    """An amount in minor units, for people."""
    return f"{amount // 100:,}.{amount % 100:02} {currency.upper()}"


@cache
def _pages() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).with_name("pages")), autoescape=True, undefined=StrictUndefined, auto_reload=False
    )


def _shown(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """As a page, to whoever reads pages; otherwise as everywhere."""
    kind = next(kind for kind in type(error).__mro__ if kind in EXCEPTION_HANDLERS)
    refused: Response[Any] = EXCEPTION_HANDLERS[kind](request, error)
    if "text/html" not in request.headers.get("accept", ""):
        return refused
    refusal = msgspec.json.decode(refused.content, type=_Refusal)
    shown = page("refused", refused.status_code or 500, refusal=refusal, again=_again(request))
    shown.headers.update({name: value for name, value in refused.headers.items() if name == "Retry-After"})
    return shown


def _again(request: Request[Any, Any, Any]) -> str | None:
    """Where a sign-in begins; other pages have no beginning of ours."""
    before = request.url.path.rpartition("/")[0]
    return f"{before}/start" if before.startswith("/auth/") else None


AS_PAGES: ExceptionHandlersMap = dict.fromkeys(EXCEPTION_HANDLERS, _shown)
"""Exception handlers of routes that browsers are led to."""
