"""What somebody who can write every row does to the audit records: each way takes the chain, and a link that was signed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from uuid import UUID

from domain.audit_chain import BEGINNING, Link, seal

Chain = list[Link]
Way = Callable[[Random, Chain, int], Chain]
"""`at` is the place of a signed link; the answer is another chain, in any order."""

WORDS = ("ticket 4711", "", "credits.grant", "accounts.role.admin", "because")


def sealed(links: Sequence[Link]) -> Chain:
    """The same records, numbered and hashed anew: what a chain of them would be."""
    chain, before, day, number = Chain(), BEGINNING, date.min, 0
    for link in links:
        day, number = link.day, number + 1 if link.day == day else 1
        before = seal(before, day, link.record)
        chain.append(Link(day, number, before, link.record))
    return chain


def numbered(links: Sequence[Link]) -> Chain:
    """The same links with the numbers of their places."""
    return [replace(link, number=place.number) for link, place in zip(links, sealed(links), strict=True)]


def _edited(rng: Random, link: Link) -> Link:
    """One field of the record is another."""
    own = link.record
    changes: list[dict[str, object]] = [
        {"id": UUID(int=rng.getrandbits(128))},
        {"at": own.at + timedelta(microseconds=rng.choice((-1, 1, 3_600_000_000)))},
        {"staff": UUID(int=rng.getrandbits(128))},
        {"subject": str(UUID(int=rng.getrandbits(128)))},
        {"action": rng.choice([word for word in WORDS if word != own.action])},
        {"reason": rng.choice([word for word in (*WORDS, own.reason + " ") if word != own.reason])},
    ]
    return replace(link, record=replace(own, **rng.choice(changes)))  # type: ignore[arg-type]  # fits by construction


def edit(rng: Random, chain: Chain, at: int) -> Chain:
    return [*chain[:at], _edited(rng, chain[at]), *chain[at + 1 :]]


def edit_and_hash(rng: Random, chain: Chain, at: int) -> Chain:
    """The record's own hash fits again."""
    link, before = _edited(rng, chain[at]), chain[at - 1].hash if at else BEGINNING
    return [*chain[:at], replace(link, hash=seal(before, link.day, link.record)), *chain[at + 1 :]]


def edit_and_seal(rng: Random, chain: Chain, at: int) -> Chain:
    return sealed(edit(rng, chain, at))


def another_hash(rng: Random, chain: Chain, at: int) -> Chain:
    return [*chain[:at], replace(chain[at], hash=f"{rng.getrandbits(256):064x}"), *chain[at + 1 :]]


def another_number(rng: Random, chain: Chain, at: int) -> Chain:
    number = chain[at].number + rng.choice((-1, 1, 100, -100))
    return [*chain[:at], replace(chain[at], number=number), *chain[at + 1 :]]


def another_day(rng: Random, chain: Chain, at: int) -> Chain:
    day = chain[at].day + timedelta(days=rng.choice((-400, -1, 1, 400)))
    return [*chain[:at], replace(chain[at], day=day), *chain[at + 1 :]]


def delete(rng: Random, chain: Chain, at: int) -> Chain:
    return [*chain[:at], *chain[at + 1 :]]


def delete_and_number(rng: Random, chain: Chain, at: int) -> Chain:
    return numbered(delete(rng, chain, at))


def delete_and_seal(rng: Random, chain: Chain, at: int) -> Chain:
    return sealed(delete(rng, chain, at))


def delete_many(rng: Random, chain: Chain, at: int) -> Chain:
    return [link for place, link in enumerate(chain) if place != at and rng.random() < 0.7]


def delete_many_and_seal(rng: Random, chain: Chain, at: int) -> Chain:
    return sealed(delete_many(rng, chain, at))


def truncate(rng: Random, chain: Chain, at: int) -> Chain:
    return chain[:at]


def truncate_and_grow(rng: Random, chain: Chain, at: int) -> Chain:
    """Other records in place of those that were there."""
    return sealed([*chain[:at], *(_edited(rng, link) for link in chain[at:])])


def truncate_a_day(rng: Random, chain: Chain, at: int) -> Chain:
    return [link for place, link in enumerate(chain) if place < at or link.day != chain[at].day]


def truncate_a_day_and_seal(rng: Random, chain: Chain, at: int) -> Chain:
    return sealed(truncate_a_day(rng, chain, at))


def forget_the_beginning(rng: Random, chain: Chain, at: int) -> Chain:
    return chain[at + 1 :]


def forget_the_beginning_and_seal(rng: Random, chain: Chain, at: int) -> Chain:
    return sealed(chain[at + 1 :])


def empty(rng: Random, chain: Chain, at: int) -> Chain:
    return []


def remove_a_day(rng: Random, chain: Chain, at: int) -> Chain:
    return [link for link in chain if link.day != chain[at].day]


def remove_a_day_and_seal(rng: Random, chain: Chain, at: int) -> Chain:
    return sealed(remove_a_day(rng, chain, at))


def swap(rng: Random, chain: Chain, at: int) -> Chain:
    """Two records with their hashes, each in the other's place."""
    other = rng.choice([place for place in range(len(chain)) if place != at])
    first, second, swapped = chain[at], chain[other], list(chain)
    swapped[at] = replace(second, day=first.day, number=first.number)
    swapped[other] = replace(first, day=second.day, number=second.number)
    return swapped


def swap_and_seal(rng: Random, chain: Chain, at: int) -> Chain:
    return sealed(swap(rng, chain, at))


def rotate(rng: Random, chain: Chain, at: int) -> Chain:
    """A record goes to the beginning, the others follow."""
    moved = [chain[at], *chain[:at], *chain[at + 1 :]] if at else [*chain[1:], chain[0]]
    places = [(link.day, link.number) for link in chain]
    return [replace(link, day=day, number=number) for link, (day, number) in zip(moved, places, strict=True)]


def rotate_and_seal(rng: Random, chain: Chain, at: int) -> Chain:
    return sealed(rotate(rng, chain, at))


def shuffle_and_seal(rng: Random, chain: Chain, at: int) -> Chain:
    places, records = [(link.day, link.number) for link in chain], [link.record for link in chain]
    head, tail = records[: at + 1], records[at + 1 :]
    tail.insert(rng.randrange(len(tail) + 1), head.pop()) if tail else head.insert(0, head.pop())
    mixed = [*head, *tail]
    return sealed([Link(day, number, "", record) for (day, number), record in zip(places, mixed, strict=True)])


def forge(rng: Random, chain: Chain, at: int) -> Chain:
    """A record more, before one that was signed."""
    return sealed([*chain[:at], _edited(rng, _with_own_id(rng, chain[at])), *chain[at:]])


def double(rng: Random, chain: Chain, at: int) -> Chain:
    return [*chain[: at + 1], _with_own_id(rng, chain[at]), *chain[at + 1 :]]


def _with_own_id(rng: Random, link: Link) -> Link:
    return replace(link, record=replace(link.record, id=UUID(int=rng.getrandbits(128))))


EDITS = (edit, edit_and_hash, edit_and_seal, another_hash, another_number, another_day)
DELETES = (delete, delete_and_number, delete_and_seal, delete_many, delete_many_and_seal, remove_a_day, remove_a_day_and_seal)
TRUNCATIONS = (
    *(truncate, truncate_and_grow, truncate_a_day, truncate_a_day_and_seal),
    *(forget_the_beginning, forget_the_beginning_and_seal, empty),
)
REORDERS = (swap, swap_and_seal, rotate, rotate_and_seal, shuffle_and_seal)
FORGERIES = (forge, double)
WAYS: Mapping[str, Way] = {way.__name__: way for way in (*EDITS, *DELETES, *TRUNCATIONS, *REORDERS, *FORGERIES)}


def tampered(rng: Random, way: str, chain: Chain, signed: Sequence[int]) -> Chain:
    """`signed`: the places of the links that a head speaks of. The answer is not the same chain."""
    while True:
        at = rng.choice(signed)
        done = WAYS[way](rng, list(chain), at)
        if sorted(done, key=_whole) != sorted(chain, key=_whole):
            return done


def _whole(link: Link) -> tuple[object, ...]:
    return (link.day, link.number, link.hash, link.record.id)
