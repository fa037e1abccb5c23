"""Ways to tamper with the books: each statement changes, adds or takes away one row, and returns its key."""

TAMPERED = {
    "a wallet with a credit more": "UPDATE wallets SET available = available + 1 WHERE id = ({live}) RETURNING id",
    "a wallet that forgot a hold": "UPDATE wallets SET open_holds = open_holds + 1 WHERE id = ({live}) RETURNING id",
    "a wallet that ran ahead": "UPDATE wallets SET version = version + 1 WHERE id = ({live}) RETURNING id",
    "a wallet closed by hand": "UPDATE wallets SET closed_at = last_at WHERE id = ({live}) RETURNING id",
    "a credit not consumed": """UPDATE lots SET consumed = consumed - 1, remaining = remaining + 1 WHERE id = ({used})
        RETURNING id""",
    "a lot grown": "UPDATE lots SET granted = granted + 1, remaining = remaining + 1 WHERE id = ({used}) RETURNING id",
    "a debt forgiven": "UPDATE lots SET owed = owed + 1 WHERE id = ({used}) RETURNING id",
    "a refund undone": "UPDATE lots SET reversal = reversal + 1 WHERE id = ({used}) RETURNING id",
    "a later expiry": "UPDATE lots SET expires_at = expires_at + interval '1 year' WHERE id = ({mortal}) RETURNING id",
    "a better priority": "UPDATE lots SET priority = priority - 1 WHERE id = ({used}) RETURNING id",
    "another fact": "UPDATE lots SET source_ref = source_ref || 'x' WHERE id = ({used}) RETURNING id",
    "an extra lot": """INSERT INTO lots SELECT gen_random_uuid(), wallet_id, source, source_ref || 'x', priority, expires_at, 5,
        5, 0, 0, 0, 0, 0, 0, 0 FROM lots WHERE id = ({used}) RETURNING id""",
    "a lot erased": "DELETE FROM lots WHERE id = ({used}) RETURNING id",
    "another amount": """UPDATE transfers SET amount = amount + 1 WHERE (wallet_id, version) = ({line})
        RETURNING wallet_id, version""",
    "another time": """UPDATE transfers SET at = at - interval '1 hour' WHERE (wallet_id, version) = ({line})
        RETURNING wallet_id, version""",
    "other numbers after": """UPDATE transfers SET available_after = available_after + 1 WHERE (wallet_id, version) = ({line})
        RETURNING wallet_id, version""",
    "another lot": """UPDATE transfers SET lot_id = (SELECT id FROM lots WHERE id <> lot_id LIMIT 1)
        WHERE (wallet_id, version) = ({line}) RETURNING wallet_id, version""",
    "another move": """UPDATE transfers SET debit = 'expired', credit = 'available' WHERE (wallet_id, version) = ({line})
        RETURNING wallet_id, version""",
    "another end of a credit": """UPDATE transfers SET credit = 'expired' WHERE (wallet_id, version) = (
        SELECT wallet_id, version FROM transfers WHERE (debit, credit) = ('available', 'reversed') LIMIT 1)
        RETURNING wallet_id, version""",
    "a line doubled": """INSERT INTO transfers SELECT wallet_id, version + 1000, command_id, line, debit, credit, amount, lot_id,
        hold_id, at, available_after, held_after, debt_after FROM transfers WHERE (wallet_id, version) = ({line})
        RETURNING wallet_id, version""",
    "a reversal changed": """UPDATE lot_reversals SET reversal = reversal + 1 WHERE (command_id, lot_id) = (
        SELECT r.command_id, r.lot_id FROM lot_reversals r JOIN wallet_commands c ON c.id = r.command_id
        WHERE c.kind = 'reverse' LIMIT 1) RETURNING command_id, lot_id""",
    "a hold shrunk": "UPDATE holds SET amount = amount - 1 WHERE id = ({captured}) RETURNING id",
    "a hold opened again": "UPDATE holds SET state = 'open', captured = 0 WHERE id = ({captured}) RETURNING id",
    "a hold lengthened": "UPDATE holds SET expires_at = expires_at + interval '1 day' WHERE id = ({captured}) RETURNING id",
    "a hold captured less": "UPDATE holds SET captured = captured - 1 WHERE id = ({captured}) RETURNING id",
    "a hold of nobody": """INSERT INTO holds SELECT gen_random_uuid(), wallet_id, 5, 0, 'open', expires_at FROM holds LIMIT 1
        RETURNING id""",
    "an allocation grown": """UPDATE hold_allocations SET amount = amount + 1 WHERE hold_id = ({captured}) AND ordinal = 1
        RETURNING hold_id, ordinal""",
    "an allocation erased": "DELETE FROM hold_allocations WHERE hold_id = ({captured}) AND ordinal = 1 RETURNING hold_id",
    "a command renamed": "UPDATE wallet_commands SET kind = 'release' WHERE id = ({capture}) RETURNING id",
    "a command of another amount": "UPDATE wallet_commands SET amount = amount + 1 WHERE id = ({capture}) RETURNING id",
    "a command of another hold": "UPDATE wallet_commands SET subject = gen_random_uuid() WHERE id = ({capture}) RETURNING id",
    "a cheaper unit": "UPDATE generations SET unit = unit + 1 WHERE id = ({captured}) RETURNING id",
    "a picture more delivered": """UPDATE generations SET n = n + 1, delivered = delivered + 1 WHERE id = ({captured})
        RETURNING id""",
    "an end undone": """UPDATE generations SET state = 'queued', delivered = 0, finished_at = NULL WHERE id = ({captured})
        RETURNING id""",
    "a success declared": """UPDATE generations SET state = 'succeeded', delivered = 1, failure = NULL
        WHERE id = (SELECT id FROM generations WHERE state = 'failed' LIMIT 1) RETURNING id""",
    "an attempt booked twice": """INSERT INTO attempts SELECT generation_id, number + 1, started_at, act_until, owner, outcome,
        decided_at, finality, failure, booked, cost, request_id, written_by_caller
        FROM attempts WHERE generation_id = ({captured}) AND booked RETURNING generation_id""",
    "an attempt no longer booked": """UPDATE attempts SET booked = false WHERE generation_id = ({captured}) AND booked
        RETURNING generation_id""",
    "a third call that may be paid": """WITH more AS (
        INSERT INTO attempts SELECT generation_id, number + n, started_at, act_until, owner,
        'unknown', started_at, NULL, NULL, false, NULL, NULL, false FROM attempts, generate_series(1, 2) AS n
        WHERE generation_id = ({captured}) AND booked RETURNING generation_id) SELECT DISTINCT generation_id FROM more""",
    "a picture too many": """INSERT INTO assets SELECT gen_random_uuid(), account_id, mode, kind, format, width, height, bytes,
        sha256, has_alpha, created_at, generation_id, attempt, index + 7 FROM assets
        WHERE generation_id IS NOT NULL LIMIT 1 RETURNING id""",
}
ROWS = {
    "live": "SELECT id FROM wallets WHERE version > 20 AND debt = 0 AND closed_at IS NULL LIMIT 1",
    "used": "SELECT l.id FROM lots l JOIN wallets w ON w.id = l.wallet_id WHERE consumed > 0 AND w.closed_at IS NULL LIMIT 1",
    "mortal": """SELECT l.id FROM lots l JOIN wallets w ON w.id = l.wallet_id
        WHERE w.closed_at IS NULL AND l.expires_at IS NOT NULL LIMIT 1""",
    "line": "SELECT wallet_id, version FROM transfers WHERE (debit, credit) = ('available', 'held') AND version > 5 LIMIT 1",
    "captured": "SELECT id FROM holds WHERE state = 'captured' AND amount > 1 AND captured > 1 LIMIT 1",
    "capture": "SELECT id FROM wallet_commands WHERE kind = 'capture' LIMIT 1",
}
"""Which row is meant: one that is in the middle of things."""
