"""Notices to send, and letters read as a mail program reads them."""

from datetime import UTC, datetime
from email import errors, message_from_string
from email.message import EmailMessage
from email.policy import SMTPUTF8
from uuid import UUID

from adapters.notices.letters import Letters, Sender
from domain.accounts import AccountId, Mode, Scope
from domain.notices import Facts, Notice, NoticeId, NoticeKind

HAPPENED = datetime(2026, 7, 31, 9, 15, 59, tzinfo=UTC)
URL = "https://images.example.test"
SENDER = Sender("GPT Image 2", "notices@images.example.test")
LETTERS = Letters(SENDER, URL)
ADA = "ada@example.test"
LONGEST = f"{'a' * 64}@{'.'.join(['b' * 63, 'c' * 63, 'd' * 56, 'test'])}"
"""254 characters, the most an address may have."""
UNICODE = ("jörg@bücher.example", "שלום@דוגמה.example", "猫@例え.example")
ODD = ("o'neil+images@example.test", "a!b%c/d=e?f@example.test", "{|}~^`#$&*-_@localhost", "1@x.y.z-z.test")
HEADERS = {
    *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"),
    *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
}
FACTS = {
    NoticeKind.WELCOME: Facts(provider="github"),
    NoticeKind.NEW_SIGN_IN: Facts(provider="github"),
    NoticeKind.SIGN_IN_CHANGED: Facts(provider="github", linked=True),
    NoticeKind.KEY_MADE: Facts(mode=Mode.LIVE, hint="x9Zq", scopes=(Scope.GENERATE, Scope.READ)),
    NoticeKind.SIGNED_OUT_EVERYWHERE: Facts(),
    NoticeKind.LOW_CREDITS: Facts(credits=19),
    NoticeKind.TOP_UP_FAILED: Facts(price=2_000),
    NoticeKind.PAYMENT_NEEDED: Facts(plan="Starter"),
}
SAYS = {
    NoticeKind.WELCOME: ("github", "made an account"),
    NoticeKind.NEW_SIGN_IN: ("github", "another browser"),
    NoticeKind.SIGN_IN_CHANGED: ("github", "linked to"),
    NoticeKind.KEY_MADE: ("live", "x9Zq", "generate, read"),
    NoticeKind.SIGNED_OUT_EVERYWHERE: ("every browser",),
    NoticeKind.LOW_CREDITS: ("19 credits",),
    NoticeKind.TOP_UP_FAILED: ("20.00 USD", "switched off"),
    NoticeKind.PAYMENT_NEEDED: ("Starter",),
}


def a_notice(kind: NoticeKind = NoticeKind.NEW_SIGN_IN, address: str = ADA, *, number: int = 7) -> Notice:
    return Notice(NoticeId(UUID(int=number)), AccountId(UUID(int=1)), kind, address, HAPPENED, FACTS[kind])


def read(content: bytes) -> EmailMessage:
    """The one message these bytes are, without a fault. A line feed alone ends no line, and none is longer than may be."""
    lines = content.split(b"\r\n")
    assert not [line for line in lines if b"\n" in line or b"\r" in line or len(line) > 998]
    message = message_from_string(content.decode(), _class=EmailMessage, policy=SMTPUTF8)
    assert not message.defects
    # A parser of strings does not know whether SMTPUTF8 carried them.
    of_utf8 = (errors.NonASCIILocalPartDefect,)
    assert not [name for name, value in message.items() if [d for d in value.defects if not isinstance(d, of_utf8)]]
    return message


def recipients(message: EmailMessage) -> list[str]:
    return [each.addr_spec for each in message["To"].addresses]
