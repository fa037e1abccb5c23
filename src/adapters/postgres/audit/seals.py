"""The terms of lots, holds and commands, which no line repeats: each command was sealed with a hash over all that it said.

The text is put together here once more from the rows, so a lot's expiry or priority cannot be moved by hand unseen.
"""

import hashlib

_INSTANT = """
CASE WHEN {0} IS NULL THEN 'None' ELSE to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || CASE
    WHEN extract(microseconds FROM {0})::bigint % 1000000 = 0 THEN '' ELSE to_char({0}, '.US') END || '+00:00' END
"""

# Closing a wallet moves the expiry of its lots to that instant: what stood there before is not written down any more.
SEALED = f"""
SELECT c.kind, c.id::text, c.subject::text, c.fingerprint, concat(c.kind, '|id=', c.id, CASE c.kind
    WHEN 'grant' THEN concat('|lot_id=', l.id, '|amount=', l.granted, '|source=', l.source, '|source_ref=', l.source_ref,
        '|priority=', l.priority, '|expires_at=', {_INSTANT.format("l.expires_at")}, '|reversal=', coalesce(r.reversal, 0))
    WHEN 'hold' THEN concat('|hold_id=', h.id, '|amount=', h.amount, '|expires_at=', {_INSTANT.format("h.expires_at")})
    WHEN 'capture' THEN concat('|hold_id=', c.subject, '|amount=', c.amount)
    WHEN 'release' THEN concat('|hold_id=', c.subject)
    WHEN 'expire' THEN concat('|hold_id=', c.subject)
    WHEN 'reverse' THEN concat('|lot_id=', c.subject, '|reversal=', c.amount)
    WHEN 'adjust' THEN concat('|lot_id=', c.subject, '|amount=', c.amount) END)
FROM wallet_commands c LEFT JOIN wallets w ON w.id = c.wallet_id
    LEFT JOIN lots l ON c.kind = 'grant' AND l.id = c.subject LEFT JOIN holds h ON c.kind = 'hold' AND h.id = c.subject
    LEFT JOIN lot_reversals r ON c.kind = 'grant' AND r.command_id = c.id AND r.lot_id = c.subject
WHERE CASE c.kind WHEN 'grant' THEN l.id IS NOT NULL AND l.expires_at IS DISTINCT FROM coalesce(w.closed_at, '-infinity')
    WHEN 'hold' THEN h.id IS NOT NULL ELSE true END
"""

_TERMS = {
    "grant": ("lots", "source, source_ref, priority, expires_at, granted or first reversal"),
    "hold": ("holds", "amount or expires_at"),
}


def broken(kind: str, command: str, subject: str, fingerprint: str, said: str) -> tuple[str, str, str] | None:
    """Table, key and words for a row that is no longer what its command said."""
    if hashlib.blake2b(said.encode(), digest_size=16).hexdigest() == fingerprint:
        return None
    if kind in _TERMS:
        table, terms = _TERMS[kind]
        return table, subject, f"{terms} is not what command {command} said"
    return "wallet_commands", command, "kind, subject or amount is not what its fingerprint was taken of"
