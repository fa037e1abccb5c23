"""What must be true of every receipt: its lines are the books' own, and they add up."""

from collections.abc import Sequence

from application.queries import TransferRow
from domain.accounts import Mode
from domain.credits import Hold
from domain.generations import Generation
from domain.ledger import Transfer
from domain.receipts import Line, Receipt

FREE = "You were not charged"


def check_receipt(receipt: Receipt, generation: Generation, hold: Hold, lines: Sequence[TransferRow | Transfer]) -> None:
    """`generation` and `hold` as the store keeps them; `lines`: what its statement says of that hold, the oldest first."""
    assert (receipt.generation, receipt.hold) == (generation, hold), "a receipt for something else"
    assert [_moved(line) for line in receipt.lines] == [_moved(line) for line in lines], "the statement says otherwise"
    assert hold.amount == generation.price == sum(part.amount for part in hold.allocations)
    assert receipt.held + receipt.captured + receipt.released == hold.amount, "a credit is missing"
    assert receipt.held == (hold.amount if generation.state.is_open else 0)
    assert receipt.captured == generation.captured == hold.captured == sum(part.consumed for part in hold.allocations)
    assert sum(receipt.charged(attempt) for attempt in generation.attempts) == receipt.captured, "not what the calls were paid"
    assert receipt.placed_at == receipt.lines[0].at <= receipt.lines[-1].at
    assert sorted(lot.id for lot in receipt.lots) == sorted({line.lot_id for line in receipt.lines})
    _check_words(receipt)


def _check_words(receipt: Receipt) -> None:
    summary, settled = receipt.summary(), receipt.says_of_settlement()
    assert (FREE in summary) == (receipt.captured == 0)
    assert str(receipt.captured or "") in summary
    assert ("test credits" in summary) == (receipt.generation.mode is Mode.TEST)
    assert str(receipt.held or receipt.released) in settled
    assert str(receipt.hold.amount) in receipt.says_of_price()
    assert all(str(part.amount) in receipt.says_of_hold() for part in receipt.hold.allocations)
    for attempt in receipt.generation.attempts:
        free = "not charged" in receipt.says_of(attempt) or "at our cost" in receipt.says_of(attempt)
        assert free or receipt.charged(attempt), receipt.says_of(attempt)
        assert (str(receipt.captured) in receipt.says_of(attempt)) or not receipt.charged(attempt)
    assert all(str(line.amount) in receipt.says_of_line(line) for line in receipt.lines)


def _moved(line: Line | TransferRow | Transfer) -> tuple[object, ...]:
    numbers = line.available_after, line.held_after, line.debt_after
    return line.version, line.at, line.debit, line.credit, line.amount, line.lot_id, *numbers
