"""A receipt in Postgres: the generation, its hold and the lines of the books about it, as one statement saw them."""

from adapters.postgres.generations import GENERATION

RECEIPT = f"""
SELECT json_build_object('generation', {GENERATION},
    'hold', json_build_object('id', h.id, 'amount', h.amount, 'expires_at', h.expires_at, 'captured', h.captured,
        'state', h.state, 'allocations', (
            SELECT json_agg(a ORDER BY a.ordinal) FROM hold_allocations a WHERE a.hold_id = h.id)),
    'lots', (SELECT json_agg(json_build_object('id', l.id, 'source', l.source, 'expires_at', l.expires_at) ORDER BY l.id)
        FROM lots l WHERE l.id IN (SELECT t.lot_id FROM transfers t WHERE t.hold_id = h.id)),
    'lines', (SELECT json_agg(json_build_object('version', t.version, 'at', t.at, 'kind', c.kind,
            'debit', t.debit, 'credit', t.credit, 'amount', t.amount, 'lot_id', t.lot_id,
            'available_after', t.available_after, 'held_after', t.held_after, 'debt_after', t.debt_after) ORDER BY t.version)
        FROM transfers t JOIN wallet_commands c ON c.id = t.command_id WHERE t.hold_id = h.id))::text
FROM generations g JOIN holds h ON h.id = g.id
WHERE g.id = %(generation)s AND g.account_id = %(account)s AND g.mode = %(mode)s
"""
