"""What carries notices here: the operator's mail server, or a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from adapters.notices.letters import Letters, Sender
from adapters.notices.outbox import FileOutbox
from adapters.notices.relay import Relay
from adapters.notices.smtp import SmtpNotices
from application.notices import Notices

Read = TypeVar("Read")

NOBODY = "GPT Image 2 <nobody@localhost>"


def notices(smtp_url: str, mail_from: str, outbox: Path, public_url: str) -> Notices:
    """Files in `outbox` where no `smtp_url` is set. Raises ValueError, which names the setting and repeats nothing of it."""
    letters = Letters(_read("MAIL_FROM", Sender.parse, mail_from or NOBODY), public_url)
    return SmtpNotices(_read("SMTP_URL", Relay.parse, smtp_url), letters) if smtp_url else FileOutbox(outbox, letters)


def _read(setting: str, parse: Callable[[str], Read], text: str) -> Read:
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"{setting}: {error}") from None
