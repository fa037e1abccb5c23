"""Notices: what may be said, to whom, and how often it is tried; and nothing that a header could take for its end."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from email.header import decode_header, make_header
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.notices.letters import Letters, Sender
from adapters.notices.relay import Relay, Security
from domain import notices as rules
from domain.accounts import Mode
from domain.limits import holds_card_number
from domain.notices import BACK_OFF, Facts, NoticeId, NoticeKind, WaitingNotice, is_address
from tests.letters import (
    ADA,
    FACTS,
    HAPPENED,
    HEADERS,
    LETTERS,
    LONGEST,
    ODD,
    SAYS,
    SENDER,
    UNICODE,
    URL,
    a_notice,
    read,
    recipients,
)

PROPERTY = settings(deadline=None, print_blob=True)
HOSTILE = (
    "",
    "ada",
    "@example.test",
    "ada@",
    "a@b@example.test",
    "ada@example.test\r\nBcc: all@example.test",
    "ada@example.test\n",
    "ada\r@example.test",
    "ada\0@example.test",
    "ada\x85@example.test",
    "ada\u2028@example.test",
    "ada\u202e@example.test",  # what follows would be shown backwards
    "ada\u200b@example.test",
    "\ud800ada@example.test",
    "ada@exam\udfffple.test",
    "ada@example.test,all@example.test",
    "ada@example.test;all",
    "<ada@example.test>",
    "Ada <ada@example.test>",
    '"ada"@example.test',
    "ada(all)@example.test",
    "ada@[127.0.0.1]",
    "ada@example..test",
    "ada@-example.test",
    "ada@example.test.",
    "a..da@example.test",
    ".ada@example.test",
    "ada @example.test",
    "ada\u3000@example.test",
    f"{'a' * 65}@example.test",
    "é" * 33 + "@example.test",
    f"a{LONGEST}",
    f"ada@{'b' * 64}.test",
    "4242424242424242@example.test",
    "4242-4242-4242-4242@example.test",
)


@pytest.mark.parametrize("address", HOSTILE)
def test_what_is_no_address_of_one_person_gets_no_notice(address: str) -> None:
    assert not is_address(address)
    with pytest.raises(ValueError, match="one address") as refusal:
        replace(a_notice(), address=address)
    assert not address or address not in str(refusal.value)


@pytest.mark.parametrize("address", [ADA, LONGEST, *UNICODE, *ODD])
def test_addresses_of_every_script_get_theirs(address: str) -> None:
    assert is_address(address)
    assert recipients(read(LETTERS.write(a_notice(address=address)).content)) == [address]


addresses = st.one_of(
    st.text(max_size=300),
    st.builds("{}@{}".format, st.text(max_size=70), st.text(max_size=200)),
    st.from_regex(r"[ -~\u0080-\u0fff\r\n]{1,20}@[ -~\u0080-\u0fff\r\n]{1,30}", fullmatch=True),
    st.from_regex(r"[a-z!#-'*+/=?^-`{-~é-]{1,64}@([a-zü0-9-]{1,20}\.){0,8}[a-zü]{1,9}", fullmatch=True),
)


@settings(PROPERTY, max_examples=500)
@given(addresses)
@example("é@x")
def test_whatever_is_taken_for_an_address_stands_alone_in_its_header(address: str) -> None:
    if is_address(address):
        message = read(LETTERS.write(a_notice(address=address)).content)
        assert set(message.keys()) == HEADERS
        assert recipients(message) == [address]
        assert not message["Bcc"]


@pytest.mark.parametrize("kind", NoticeKind)
def test_each_kind_says_what_happened_when_and_what_to_do_in_plain_text(kind: NoticeKind) -> None:
    message = read(LETTERS.write(a_notice(kind)).content)
    said = message.get_content()
    assert message.get_content_type() == "text/plain"
    assert all(word in said for word in SAYS[kind])
    assert "2026-07-31 09:15 UTC" in said
    assert "If it was not you" in said
    assert "sign out everywhere" in " ".join(said.split())
    assert URL in said
    assert re.findall(r"https?://\S+", said) == [URL] * said.count(URL), "no address but our own"
    assert not re.search(r"[<>$]", said), "no tags, and no field that nobody filled in"
    assert max(map(len, said.splitlines())) <= 78


@pytest.mark.parametrize("kind", NoticeKind)
def test_a_notice_bears_the_headers_of_its_trade_and_no_others(kind: NoticeKind) -> None:
    message = read(LETTERS.write(a_notice(kind)).content)
    assert sorted(message.keys()) == sorted(HEADERS), "each of them once"
    assert str(message["From"]) == f"GPT Image 2 <{SENDER.address}>"
    assert message["Date"].datetime == HAPPENED
    assert message["Message-ID"] == "<00000000-0000-0000-0000-000000000007@images.example.test>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Subject"]


def test_a_sign_in_that_was_removed_is_told_from_one_that_was_linked() -> None:
    notice = a_notice(NoticeKind.SIGN_IN_CHANGED)
    for linked, word in ((True, "linked to"), (False, "removed from")):
        message = read(LETTERS.write(replace(notice, facts=replace(notice.facts, linked=linked))).content)
        assert word in message["Subject"]
        assert word in message.get_content()


def test_the_time_is_told_in_utc_wherever_it_was_read() -> None:
    elsewhere = datetime.fromisoformat("2026-07-31T18:15:59+09:00")
    assert LETTERS.write(replace(a_notice(), at=elsewhere)) == LETTERS.write(a_notice())
    with pytest.raises(ValueError, match="UTC"):
        replace(a_notice(), at=HAPPENED.replace(tzinfo=None))


@pytest.mark.parametrize("kind", NoticeKind)
@pytest.mark.parametrize("other", NoticeKind)
def test_a_notice_says_the_facts_of_its_kind_and_no_others(kind: NoticeKind, other: NoticeKind) -> None:
    if rules.SAYS[kind] == rules.SAYS[other]:
        replace(a_notice(kind), facts=FACTS[other])
    else:
        with pytest.raises(ValueError, match="no more"):
            replace(a_notice(kind), facts=FACTS[other])


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        (NoticeKind.WELCOME, Facts(provider="4242 4242 4242 4242")),
        (NoticeKind.WELCOME, Facts(provider="x\r\nBcc: all@example.test")),
        (NoticeKind.WELCOME, Facts(provider="http://elsewhere.test")),
        (NoticeKind.KEY_MADE, Facts(mode=Mode.LIVE, hint="gi2_live_secret", scopes=())),
        (NoticeKind.KEY_MADE, Facts(mode=Mode.LIVE, hint="a\nb!", scopes=())),
    ],
)
def test_facts_that_are_none_are_refused(kind: NoticeKind, facts: Facts) -> None:
    with pytest.raises(ValueError):
        replace(a_notice(kind), facts=facts)


@PROPERTY
@given(st.sampled_from(NoticeKind), st.uuids())
@example(NoticeKind.WELCOME, UUID("42424242-4242-4242-8424-242424242424"))
def test_nothing_in_a_letter_looks_like_a_card(kind: NoticeKind, id: UUID) -> None:
    assert not holds_card_number(LETTERS.write(replace(a_notice(kind), id=NoticeId(id))).content.decode())


def test_a_sender_of_any_script_is_read_as_it_was_written() -> None:
    name = "Bilder für alle, „wirklich alle“ · שלום · 画像"
    letters = Letters(Sender.parse(f"{name} <{SENDER.address}>"), "https://bücher.example")
    plain, international = (letters.write(a_notice(address=address)).content for address in (ADA, UNICODE[0]))
    folded = plain.partition(b"\r\nTo:")[0].decode("ascii").removeprefix("From: ")
    # Not by `read`: some versions' parser of whole messages puts blanks between the words of a folded name.
    assert str(make_header(decode_header(folded.replace("\r\n", "")))) == f"{name} <{SENDER.address}>"
    assert all(len(line) <= 78 for line in folded.split("\r\n"))
    (sender,) = read(international)["From"].addresses
    assert (sender.display_name, sender.addr_spec) == (name, SENDER.address)
    assert all("https://bücher.example" in read(content).get_content() for content in (plain, international))


@pytest.mark.parametrize(
    ("text", "sender"),
    [
        ("a@b.test", Sender("", "a@b.test")),
        ("  a@b.test ", Sender("", "a@b.test")),
        ("<a@b.test>", Sender("", "a@b.test")),
        ("Images <a@b.test>", Sender("Images", "a@b.test")),
        ('"Images, all" <a@b.test>', Sender("Images, all", "a@b.test")),
    ],
)
def test_a_sender_is_an_address_with_or_without_a_name(text: str, sender: Sender) -> None:
    assert Sender.parse(text) == sender


@pytest.mark.parametrize(
    "text",
    [
        "Images",
        "Images <a@b.test> x",
        "Images\r\nBcc: all@b.test <a@b.test>",
        "Images <a@b.test\r\n>",
        "Im\u202eages <a@b.test>",
        "\ud800 <a@b.test>",
        "Images <ä@b.test>",
        "a@b.test, c@d.test",
        f"{'x' * 61} <a@b.test>",
    ],
)
def test_what_is_no_sender_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Name <address>"):
        Sender.parse(text)


@pytest.mark.parametrize(
    ("url", "relay"),
    [
        ("smtp://mail.test", Relay("mail.test", 587, Security.STARTTLS)),
        ("smtp://u:p@mail.test:25", Relay("mail.test", 25, Security.STARTTLS, "u", "p")),
        ("smtps://u%40mail.test:p%2F%3A@mail.test/", Relay("mail.test", 465, Security.TLS, "u@mail.test", "p/:")),
        ("smtp://localhost:2525", Relay("localhost", 2525, Security.LOOPBACK)),
        ("smtp://[::1]", Relay("::1", 587, Security.LOOPBACK)),
        ("smtps://127.0.0.1", Relay("127.0.0.1", 465, Security.TLS)),
        ("smtp://127.0.0.1.mail.test", Relay("127.0.0.1.mail.test", 587, Security.STARTTLS)),
    ],
)
def test_a_mail_server_is_reached_in_the_clear_on_this_machine_only(url: str, relay: Relay) -> None:
    assert Relay.parse(url) == relay


@pytest.mark.parametrize(
    "url",
    [
        "mail.test",
        "http://mail.test",
        "smtp://",
        "smtp://:geheim@mail.test",
        "smtp://geheim@mail.test",
        "smtp://u:geheim@mail.test:x",
        "smtp://u:geheim@mail.test:99999",
        "smtp://u:geheim@mail.test/path",
        "smtp://u:geheim@mail.test?starttls=no",
        "smtp://u:geheim%0d%0a@mail.test",
        "smtp://u:geheim%ff@mail.test",
        "smtp://u:gehe%C3%AFm@mail.test",
    ],
)
def test_what_is_no_mail_server_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError) as refusal:
        Relay.parse(url)
    assert "geheim" not in str(refusal.value)
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


def test_a_password_is_not_shown() -> None:
    assert "geheim" not in repr(Relay.parse("smtp://u:geheim@mail.test"))


def test_a_notice_is_tried_after_longer_and_longer_waits_and_then_given_up() -> None:
    waiting, now, waits = WaitingNotice(a_notice(), HAPPENED), HAPPENED, list[timedelta]()
    while not waiting.is_last_try:
        waiting.begin_try(now)
        waits.append(waiting.resume_at - now)
        now = waiting.resume_at
    minutes = [int(wait.total_seconds() / 60) for wait in waits]
    assert minutes == [1, 5, 30, 120, 720, 720], "the last wait is for a sender that died"
    assert waiting.tries == len(BACK_OFF) + 1
