"""docs/billing-timelines.md lists the timelines there are, in the order of their ledgers, with what each comes to."""

from pathlib import Path

from tests.stripe_timelines import TIMELINES
from tests.timeline_ledgers import LEDGERS

PAGE = Path(__file__).parents[2] / "docs" / "billing-timelines.md"


def test_the_page_lists_every_timeline_with_its_ledger() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in text.splitlines() if line.startswith("| ")][2:]
    assert [(name, credits, plan) for name, _, credits, plan in rows] == [
        (name, ledger.words, ledger.plan) for name, ledger in LEDGERS.items()
    ]
    assert all(what.endswith(".") for _, what, _, _ in rows)
    assert {name for name, *_ in rows} == TIMELINES.keys()
    assert f"{len(TIMELINES)} timelines" in text
