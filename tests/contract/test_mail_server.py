"""Mail servers that refuse, hang, lie or fall silent: what is worth another try is told from what is not, and in time."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from adapters.notices.relay import Relay, Security
from adapters.notices.smtp import SmtpNotices
from application.notices import NoticeRefused, NoticesUnavailable
from tests.certificates import Certificate, certificate
from tests.letters import ADA, LETTERS, SENDER, UNICODE, a_notice
from tests.smtp_server import DRIP, DROP, HANG, Mood, SmtpServer, smtp_server

pytestmark = pytest.mark.anyio
PATIENT = (60.0, 120.0)
LOGIN = ("notices", "geheim")
PLACES = ("CONNECT", "EHLO", "STARTTLS", "HANDSHAKE", "AUTH", "MAIL", "RCPT", "DATA", ".")


@dataclass(frozen=True)
class Post:
    """A mail server and how it is reached."""

    server: SmtpServer
    pair: Certificate
    relay: Relay

    def notices(self, seconds: tuple[float, float] = PATIENT, **changed: object) -> SmtpNotices:
        return SmtpNotices(replace(self.relay, **changed), LETTERS, self.pair.trust(), seconds)  # type: ignore[arg-type]  # a field of it

    def mood(self, **changed: object) -> None:
        self.server.mood = replace(self.server.mood, **changed)  # type: ignore[arg-type]  # a field of it


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    pair = certificate(tmp_path / "server.pem")
    with smtp_server(Mood(tls=pair.server(), login=LOGIN)) as server:
        yield Post(server, pair, Relay("127.0.0.1", server.port, Security.STARTTLS, *LOGIN))


async def test_mail_and_login_travel_encrypted(post: Post) -> None:
    await post.notices().send(a_notice())
    (received,) = post.server.received
    assert (received.sender, received.recipient) == (SENDER.address, ADA)
    assert (received.encrypted, received.user) == (True, "notices")
    assert post.server.heard == ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]
    assert post.server.complaints == []


async def test_encrypted_from_the_first_byte_works_too(post: Post) -> None:
    post.mood(encrypted=True)
    await post.notices(security=Security.TLS).send(a_notice())
    assert [received.encrypted for received in post.server.received] == [True]


async def test_on_this_machine_it_takes_neither_encryption_nor_login(post: Post) -> None:
    post.mood(tls=None, login=None)
    await post.notices(security=Security.LOOPBACK, user="", password="").send(a_notice())
    assert post.server.heard == ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]
    assert post.server.complaints == []


@pytest.mark.parametrize("at", [{}, {"STARTTLS": "454 4.7.0 not today"}])
async def test_without_encryption_nothing_is_said(post: Post, at: dict[str, str]) -> None:
    if not at:
        post.mood(tls=None)
    post.mood(at=at)
    with pytest.raises(NoticesUnavailable):
        await post.notices().send(a_notice())
    assert not {"AUTH", "MAIL"} & set(post.server.heard)


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
@pytest.mark.parametrize("fault", ["nobody vouches for it", "another's"])
async def test_a_certificate_that_is_not_the_servers_own_ends_it(
    post: Post, tmp_path: Path, security: Security, fault: str
) -> None:
    other = certificate(tmp_path / "other.pem", "127.0.0.2" if fault == "another's" else "127.0.0.1")
    post.mood(tls=other.server(), encrypted=security is Security.TLS)
    trusting = replace(post, pair=other if fault == "another's" else post.pair)
    with pytest.raises(NoticesUnavailable, match="certificate"):
        await trusting.notices(security=security).send(a_notice())
    assert not {"AUTH", "MAIL"} & set(post.server.heard)


@pytest.mark.parametrize(
    ("place", "answer", "kind"),
    [
        ("CONNECT", "554 5.3.2 not here", NoticesUnavailable),
        ("CONNECT", "421 4.3.2 later", NoticesUnavailable),
        ("CONNECT", "this is no mail server", NoticesUnavailable),
        ("AUTH", "535 5.7.8 wrong password", NoticesUnavailable),
        ("AUTH", "454 4.7.0 later", NoticesUnavailable),
        ("MAIL", "553 5.7.1 you are not allowed to", NoticesUnavailable),
        ("RCPT", f"550 5.1.1 {ADA} is unknown", NoticeRefused),
        ("RCPT", f"451 4.7.1 {ADA}: come back later", NoticesUnavailable),
        ("RCPT", "421 4.3.2 going down", NoticesUnavailable),
        ("DATA", "554 5.6.0 no", NoticeRefused),
        ("DATA", "452 4.3.1 disk full", NoticesUnavailable),
        (".", "550 5.7.1 this is spam", NoticeRefused),
        (".", "451 4.3.0 later", NoticesUnavailable),
    ],
)
async def test_what_can_change_is_told_from_what_stays(post: Post, place: str, answer: str, kind: type[Exception]) -> None:
    post.mood(at={place: answer})
    with pytest.raises(kind) as refusal:
        await post.notices().send(a_notice())
    assert post.server.received == []
    for secret in (ADA, "geheim", answer):
        assert secret not in str(refusal.value)
    post.mood(at={})
    await post.notices().send(a_notice())
    assert len(post.server.received) == 1


async def test_a_wrong_password_is_the_operators_to_mend_and_loses_no_notice(post: Post) -> None:
    with pytest.raises(NoticesUnavailable, match="login"):
        await post.notices(password="wrong").send(a_notice())
    assert await post.notices(password="wrong").examine() == "mail: login refused with 535"


@pytest.mark.parametrize("place", PLACES)
async def test_a_line_that_breaks_is_worth_another_try(post: Post, place: str) -> None:
    post.mood(at={place: DROP})
    with pytest.raises(NoticesUnavailable):
        await post.notices().send(a_notice())


@pytest.mark.parametrize("fault", [DROP, "500 what?"])
async def test_what_was_taken_is_sent_whatever_is_said_for_goodbye(post: Post, fault: str) -> None:
    post.mood(at={"QUIT": fault})
    await post.notices().send(a_notice())
    assert len(post.server.received) == 1


@pytest.mark.parametrize("place", [place for place in PLACES if place != "HANDSHAKE"])
@pytest.mark.parametrize("fault", [HANG, DRIP])
async def test_a_server_that_never_ends_an_answer_is_hung_up_on_in_time(post: Post, place: str, fault: str) -> None:
    """The time for a single step never comes here: each byte would begin it anew."""
    post.mood(at={place: fault})
    with pytest.raises(NoticesUnavailable):
        await post.notices((3600.0, 0.5)).send(a_notice())


@pytest.mark.parametrize("place", PLACES)
async def test_a_step_has_its_time(post: Post, place: str) -> None:
    post.mood(at={place: HANG})
    with pytest.raises(NoticesUnavailable):
        await post.notices((0.5, 3600.0)).send(a_notice())


async def test_while_a_server_hangs_the_loop_goes_on_and_a_sender_can_be_cancelled(post: Post) -> None:
    post.mood(at={"RCPT": HANG})
    sending = asyncio.create_task(post.notices((120.0, 3600.0)).send(a_notice()))
    while not post.server.hanging.is_set():
        await asyncio.sleep(0.01)
    assert not sending.done()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert post.server.received == []


async def test_addresses_that_the_server_cannot_carry_are_refused_and_others_leave(post: Post) -> None:
    post.mood(smtputf8=False)
    with pytest.raises(NoticeRefused):
        await post.notices().send(a_notice(address=UNICODE[0]))
    await post.notices().send(a_notice())
    assert [received.recipient for received in post.server.received] == [ADA]
    assert post.server.complaints == []


async def test_where_nobody_listens_it_is_worth_another_try(post: Post) -> None:
    nobody = post.notices(port=1)
    with pytest.raises(NoticesUnavailable, match="greeting"):
        await nobody.send(a_notice())
    assert await nobody.examine() == "mail: greeting failed (ConnectionRefusedError)"


async def test_an_examination_logs_in_and_leaves(post: Post) -> None:
    assert await post.notices().examine() is None
    assert post.server.heard == ["EHLO", "STARTTLS", "EHLO", "AUTH", "QUIT"]
