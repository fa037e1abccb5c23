"""The audit chain: each record seals the one before it, and a signed head tells what was there."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import groupby, pairwise
from random import Random
from uuid import UUID

import pytest

from adapters.keyring import Keyring
from domain.accounts import AccountId, AuditRecord
from domain.audit_chain import BEGINNING, BrokenHead, Head, Link, Tip, follow, seal
from domain.audit_check import HEAD_DUE, MOST_TOLD, ChainCheck, ChainFinding, Flaw
from domain.objects import ObjectKey
from tests import chain_tampering
from tests.chain_tampering import WAYS, Chain, tampered

START = datetime(2030, 1, 30, 22, tzinfo=UTC)
KEYS = Keyring.parse(Keyring.generate()).purpose("audit")
RECORD = AuditRecord(UUID(int=7), START, AccountId(UUID(int=8)), "credits.grant", str(UUID(int=9)), "ticket 4711")


def a_chain(length: int, every: timedelta = timedelta(hours=5)) -> Chain:
    """Nearly five records a day."""
    chain = Chain()
    for number in range(length):
        record = replace(RECORD, id=UUID(int=number + 1), at=START + number * every, reason=f"ticket {number}")
        chain.append(follow(tip_of(chain[-1]) if chain else None, record))
    return chain


def tip_of(link: Link) -> Tip:
    return Tip(link.day, link.number, link.hash)


def head_over(link: Link) -> Head:
    return Head.signed(tip_of(link), link.record.at + timedelta(minutes=5), KEYS.sign)


def heads_over(chain: Chain) -> list[Head]:
    """Over the last record of each day, and now and then one within; the last two records are not signed yet."""
    ends = [place for place, (link, later) in enumerate(pairwise(chain[:-1])) if link.day != later.day]
    return [head_over(chain[place]) for place in sorted({*ends, *range(2, len(chain) - 2, 7), len(chain) - 3})]


def check(chain: Sequence[Link], heads: Sequence[Head], now: datetime | None = None) -> ChainCheck:
    days = {head.day: [each for each in heads if each.day == head.day] for head in heads}
    checked = ChainCheck(days, now or START)
    links = sorted(chain, key=lambda link: (link.day, link.number, link.record.id))
    for day, found in groupby(links, lambda link: link.day):
        checked.day(day, list(found))
    checked.end()
    return checked


def flaws(chain: Sequence[Link], heads: Sequence[Head], now: datetime | None = None) -> list[tuple[Flaw, int | None]]:
    return [(finding.flaw, finding.number) for finding in check(chain, heads, now).findings]


# The chain


def test_a_days_records_are_numbered_and_each_follows_the_one_before() -> None:
    chain = a_chain(12)
    assert [(link.day.day, link.number) for link in chain][:6] == [(30, 1), (31, 1), (31, 2), (31, 3), (31, 4), (31, 5)]
    before = BEGINNING
    for link in chain:
        assert link.hash == seal(before, link.day, link.record)
        before = link.hash


def test_a_hash_is_what_the_page_says_it_is() -> None:
    """Whoever checks with a program of their own comes to the same."""
    assert seal(BEGINNING, date(2030, 1, 30), RECORD) == "f1dd87a30566ffacb4c0f6090b71dd1d5524f2b300598cf0dd52a15fa573b7e5"


def test_every_field_is_sealed_and_none_can_lend_to_another() -> None:
    changes: list[dict[str, object]] = [
        {"id": UUID(int=1)},
        {"at": START + timedelta(microseconds=1)},
        {"staff": AccountId(UUID(int=1))},
        {"action": "credits.grant1"},
        {"subject": "x"},
        {"reason": "ticket 471"},
        {"action": "credits.gran", "subject": "t" + RECORD.subject},
    ]
    others = [replace(RECORD, **change) for change in changes]  # type: ignore[arg-type]  # fits by construction
    hashes = {seal(BEGINNING, START.date(), record) for record in (RECORD, *others)}
    hashes |= {seal("1" * 64, START.date(), RECORD), seal(BEGINNING, date(2030, 1, 31), RECORD)}
    assert len(hashes) == len(changes) + 3


def test_an_instant_is_sealed_whatever_the_zone_it_is_told_in() -> None:
    elsewhere = replace(RECORD, at=START.astimezone(timezone(timedelta(hours=14))))
    assert follow(None, elsewhere) == replace(follow(None, RECORD), record=elsewhere)


def test_a_record_that_comes_after_midnight_for_a_day_that_is_closed_belongs_to_the_next() -> None:
    first = follow(None, replace(RECORD, at=START + timedelta(hours=3)))
    late = follow(tip_of(first), RECORD)
    assert (late.day, late.number) == (first.day, 2)
    assert flaws([first, late], [head_over(late)]) == []


# Heads


def test_a_head_is_read_as_it_was_written_and_its_key_names_it() -> None:
    head = head_over(a_chain(3)[-1])
    assert Head.read(head.write()) == head
    assert KEYS.verify(head.kid, head.message, head.signature)
    assert str(head.key) == f"audit/{UUID(int=0)}/20300131-0000-0000-0000-000000000000/00000002/{head.hash}"
    assert ObjectKey.parse(str(head.key)) == head.key
    assert str(head.key).startswith(ObjectKey.audit_heads(head.day))
    assert ObjectKey.audit_heads(head.day).startswith(ObjectKey.audit_heads())


def test_a_head_says_nothing_else_under_the_same_signature() -> None:
    head = head_over(a_chain(3)[-1])
    later = timedelta(seconds=1)
    others = [
        replace(head, day=head.day + timedelta(days=1)),
        replace(head, count=head.count + 1),
        replace(head, hash=BEGINNING),
        replace(head, signed_at=head.signed_at + later),
    ]
    assert not any(KEYS.verify(other.kid, other.message, other.signature) for other in others)
    assert not Keyring.parse(Keyring.generate()).purpose("audit").verify(head.kid, head.message, head.signature)


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[]", b"{}", b"null", b'{"day": 7}', b"[" * 100_000, b"%(hash)s", b"%(signature)s", b"%(day)s"]
)
def test_what_is_no_head_is_not_taken_for_one(content: bytes) -> None:
    said = head_over(a_chain(3)[-1]).write()
    broken = {
        b"%(hash)s": said.replace(b'"hash": "', b'"hash": "\\ud800'),
        b"%(signature)s": said.replace(b'"signature": "', b'"signature": "x'),
        b"%(day)s": said.replace(b"2030-01-31", b"2030-02-31"),
    }
    with pytest.raises(BrokenHead):
        Head.read(broken.get(content, content))


# What is found


def test_an_untouched_chain_is_clean_whatever_is_signed_of_it() -> None:
    for length in (1, 2, 7, 40):
        chain = a_chain(length)
        assert flaws(chain, []) == flaws(chain, [head_over(link) for link in chain]) == []
    assert flaws([], []) == []
    assert check(chain, heads_over(chain)).unsigned == 2


def test_each_kind_of_flaw_has_its_name() -> None:
    chain = a_chain(7)  # one on the 30th, five on the 31st, one on the first
    assert [link.number for link in chain] == [1, 1, 2, 3, 4, 5, 1]
    heads, rng = [head_over(chain[0]), head_over(chain[5])], Random(0)
    third = replace(chain[3], record=replace(chain[3].record, reason="another"))
    swapped = [*chain[:2], replace(chain[3], number=2), replace(chain[2], number=3), *chain[4:]]
    assert flaws([*chain[:3], third, *chain[4:]], heads) == [(Flaw.EDITED, 3)]
    assert flaws([*chain[:3], *chain[4:]], heads) == [(Flaw.MISSING, 3)]
    assert (Flaw.REORDERED, 2) in flaws(swapped, heads)
    assert flaws([*chain, replace(chain[3], record=replace(RECORD, id=UUID(int=99)))], heads)[0] == (Flaw.DOUBLED, 3)
    assert flaws([*chain[:4], chain[6]], heads) == [(Flaw.TRUNCATED, 3)]
    assert flaws(chain[:4], heads) == [(Flaw.TRUNCATED, 3)]
    assert flaws([chain[0], chain[6]], heads) == [(Flaw.DAY_REMOVED, None)]
    assert flaws(chain[:1], heads) == [(Flaw.DAY_REMOVED, None)]
    assert flaws(chain_tampering.edit_and_seal(rng, chain, 2), heads) == [(Flaw.FOREIGN_HASH, 5)]


def test_a_day_that_ended_long_ago_must_stand_under_a_head_whole() -> None:
    chain = a_chain(6)
    midnight = datetime(2030, 2, 1, tzinfo=UTC)
    soon, late = midnight + HEAD_DUE - timedelta(seconds=1), midnight + HEAD_DUE + timedelta(seconds=1)
    first = head_over(chain[0])
    for heads, now, found in (
        ([first], soon, []),
        ([first], late, [(Flaw.HEAD_MISSING, 5)]),
        ([first, head_over(chain[4])], late, [(Flaw.HEAD_MISSING, 5)]),
        ([first, head_over(chain[5])], late, []),
    ):
        assert flaws(chain, heads, now) == found


def test_even_the_last_day_of_the_calendar_is_checked() -> None:
    link = follow(None, replace(RECORD, at=datetime(9999, 12, 31, 12, tzinfo=UTC)))
    assert flaws([link], [head_over(replace(link, record=RECORD))]) == []


def test_a_defect_that_repeats_is_told_so_often_and_no_more() -> None:
    chain = [replace(link, hash="") for link in a_chain(MOST_TOLD + 5)]
    found = check(chain, [])
    assert (len(found.findings), found.cut) == (MOST_TOLD, True)
    assert all(isinstance(each, ChainFinding) for each in found.findings)


@pytest.mark.parametrize("way", WAYS)
def test_whatever_a_superuser_does_to_signed_records_is_found(way: str) -> None:
    rng, chain = Random(way), a_chain(33)
    heads = heads_over(chain)
    signed = range(len(chain) - 2)
    found: Counter[Flaw] = Counter()
    for _ in range(40):
        report = check(tampered(rng, way, chain, signed), heads)
        assert report.findings
        found.update(finding.flaw for finding in report.findings)
    assert flaws(chain, heads) == []
