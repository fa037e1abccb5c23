"""RULES §1.4 once more, in the audit's own hand: which moves there are, and what each does to a wallet and to a lot.

Written out again on purpose: an audit that borrowed the table from the code it examines would repeat its mistakes.
"""

WALLET = ("available", "held", "debt")
LOT = ("granted", "remaining", "held", "consumed", "expired", "reversed", "repaid", "owed")

_SOURCES = ("trial", "subscription", "pack", "promotion", "staff", "goodwill")
_MOVES = {
    # debit, credit: available, held, debt of the wallet | granted … owed of the lot
    **{(f"issued:{source}", "available"): (1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0) for source in _SOURCES},
    ("available", "held"): (-1, 1, 0, 0, -1, 1, 0, 0, 0, 0, 0),
    ("held", "consumed"): (0, -1, 0, 0, 0, -1, 1, 0, 0, 0, 0),
    ("held", "available"): (1, -1, 0, 0, 1, -1, 0, 0, 0, 0, 0),
    ("available", "expired"): (-1, 0, 0, 0, -1, 0, 0, 1, 0, 0, 0),
    ("available", "reversed"): (-1, 0, 0, 0, -1, 0, 0, 0, 1, 0, 0),
    ("expired", "reversed"): (0, 0, 0, 0, 0, 0, 0, -1, 1, 0, 0),
    ("reversed", "available"): (1, 0, 0, 0, 1, 0, 0, 0, -1, 0, 0),
    ("debt", "reversed"): (0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1),
    ("reversed", "debt"): (0, 0, -1, 0, 0, 0, 0, 0, 0, 0, -1),
    ("available", "debt"): (-1, 0, -1, 0, -1, 0, 0, 0, 0, 1, 0),
    ("debt", "available"): (1, 0, 1, 0, 1, 0, 0, 0, 0, -1, 0),
}

_NAMES = ", ".join([*(f"wallet_{name}" for name in WALLET), *(f"lot_{name}" for name in LOT)])
_ROWS = ", ".join(f"('{debit}', '{credit}', {', '.join(map(str, by))})" for (debit, credit), by in _MOVES.items())

MOVES = f"moves(debit, credit, {_NAMES}) AS (VALUES {_ROWS})"
"""What follows WITH: one row per move, and how often its amount counts for each number."""
