"""The promises of the port, kept by every carrier: a real mail server over an encrypted line, and the folder."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.notices.letters import Letters, Sender
from adapters.notices.outbox import FileOutbox
from adapters.notices.relay import Relay, Security
from adapters.notices.smtp import SmtpNotices
from application.notices import Notices
from domain.notices import NoticeKind
from tests.certificates import certificate
from tests.letters import ADA, HEADERS, LETTERS, LONGEST, ODD, SAYS, UNICODE, URL, a_notice, read, recipients
from tests.smtp_server import Mood, smtp_server

pytestmark = pytest.mark.anyio
PATIENT = (60.0, 120.0)
"""However busy the machine is, no limit is met by chance."""
LOGIN = ("notices", "geheim, geheim: \\%&")


@dataclass(frozen=True)
class House:
    """`sending` makes a carrier of other letters; `arrived`: what came, in the order it came where there is one."""

    sending: Callable[[Letters], Notices]
    arrived: Callable[[], list[bytes]]

    @property
    def notices(self) -> Notices:
        return self.sending(LETTERS)


@pytest.fixture(params=["smtp", "outbox"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    yield from {"smtp": _smtp, "outbox": _outbox}[request.param](tmp_path)


def _smtp(folder: Path) -> Iterator[House]:
    pair = certificate(folder / "server.pem")
    with smtp_server(Mood(tls=pair.server(), login=LOGIN)) as server:
        relay = Relay("127.0.0.1", server.port, Security.STARTTLS, *LOGIN)
        yield House(
            lambda letters: SmtpNotices(relay, letters, pair.trust(), PATIENT),
            lambda: [each.content for each in server.received],
        )
        assert not server.complaints


def _outbox(folder: Path) -> Iterator[House]:
    outbox = folder / "data" / "outbox"
    yield House(lambda letters: FileOutbox(outbox, letters), lambda: [file.read_bytes() for file in sorted(outbox.glob("*.eml"))])
    assert not [left for left in outbox.iterdir() if left.suffix != ".eml"], "nothing half-written is left"


@pytest.mark.parametrize("kind", NoticeKind)
async def test_a_notice_arrives_as_it_was_written(house: House, kind: NoticeKind) -> None:
    await house.notices.send(a_notice(kind))
    (content,) = house.arrived()
    assert content == LETTERS.write(a_notice(kind)).content
    message = read(content)
    assert (sorted(message.keys()), recipients(message)) == (sorted(HEADERS), [ADA])
    assert all(word in message.get_content() for word in (*SAYS[kind], URL, "2026-07-31 09:15 UTC"))


@pytest.mark.parametrize("address", [LONGEST, *UNICODE, *ODD])
async def test_addresses_of_any_length_and_script_are_reached(house: House, address: str) -> None:
    await house.notices.send(a_notice(address=address))
    (content,) = house.arrived()
    assert recipients(read(content)) == [address]


async def test_what_a_sender_of_any_script_says_arrives(house: House) -> None:
    letters = Letters(Sender.parse("Bilder für alle <notices@images.example.test>"), "https://bücher.example/.")
    await house.sending(letters).send(a_notice())
    (content,) = house.arrived()
    assert str(read(content)["From"]) == "Bilder für alle <notices@images.example.test>"
    assert "https://bücher.example/." in read(content).get_content()


async def test_a_line_of_a_dot_ends_nothing(house: House) -> None:
    await house.sending(Letters(Sender("", "a@b.test"), ".\n..\n.x")).send(a_notice())
    (content,) = house.arrived()
    assert read(content).get_content().splitlines()[-3:] == [".", "..", ".x"]


async def test_a_notice_sent_again_is_the_same_mail_to_whoever_compares(house: House) -> None:
    for _ in range(2):
        await house.notices.send(a_notice())
    await house.notices.send(a_notice(number=8))
    assert len({read(content)["Message-ID"] for content in house.arrived()}) == 2
    assert len(set(house.arrived())) == 2


async def test_many_leave_at_once(house: House) -> None:
    await asyncio.gather(*(house.notices.send(a_notice(number=number)) for number in range(8)))
    assert len({read(content)["Message-ID"] for content in house.arrived()}) == 8


async def test_an_examination_sends_nothing(house: House) -> None:
    assert await house.notices.examine() is None
    assert house.arrived() == []
