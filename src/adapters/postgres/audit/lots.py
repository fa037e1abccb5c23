"""Lots, rebuilt from transfers and reversals alone: as they stand now, and after each command of their lives."""

from adapters.postgres.audit.check import Check, Rule, differs, missing
from adapters.postgres.audit.posting import LOT, MOVES

# Two changes of one reversal at the same instant and version cannot be put in order: such a lot is judged by its end alone.
_TIED = """
tied AS (
    SELECT r.lot_id FROM lot_reversals r JOIN wallet_commands c ON c.id = r.command_id
    GROUP BY r.lot_id, c.first_version, r.at HAVING count(*) > 1
)
"""

_ENDS = f"""
summed AS (
    SELECT t.lot_id, {", ".join(f"sum(m.lot_{n} * t.amount) AS {n}" for n in LOT)},
        count(*) FILTER (WHERE m.lot_granted = 1) AS grants, max(t.debit) FILTER (WHERE m.lot_granted = 1) AS issued,
        max(t.version) FILTER (WHERE m.lot_granted = 1) AS issued_at
    FROM transfers t JOIN moves m ON m.debit = t.debit AND m.credit = t.credit GROUP BY t.lot_id
), latest AS (
    SELECT lot_id, array_agg(reversal) AS reversal FROM (
        SELECT r.lot_id, r.reversal, rank() OVER (PARTITION BY r.lot_id ORDER BY c.first_version DESC, r.at DESC) AS place
        FROM lot_reversals r JOIN wallet_commands c ON c.id = r.command_id) ranked
    WHERE place = 1 GROUP BY lot_id
), doubled AS (
    SELECT source, source_ref FROM lots GROUP BY source, source_ref HAVING count(*) > 1
)
"""


def _fits(granted: str, reversal: str, lot: str, when: str) -> tuple[Rule, ...]:
    """E2 to E4: what is taken back, owed and waiting follows from the reversal. `lot` goes before each number's name."""
    reversed_, owed_, name = f"{lot}reversed", f"{lot}owed", f"{lot}id" if lot else "lot_id"
    taken = f"least({reversal}, {granted} - {lot}consumed - {lot}held)"
    owed = f"greatest(0, {reversal} + {lot}consumed - {granted})"
    return (
        (
            f"{when} AND {reversed_} <> {taken}",
            f"format('lot %s has %s reversed, its reversal asks for %s (E2)', {name}, {reversed_}, {taken})",
        ),
        (
            f"{when} AND {owed_} <> {owed}",
            f"format('lot %s owes %s, its reversal leaves %s (E3)', {name}, {owed_}, {owed})",
        ),
        (
            f"{when} AND {reversal} - {reversed_} - {owed_} NOT BETWEEN 0 AND {lot}held",
            f"format('lot %s has more waiting than is held (E4)', {name})",
        ),
    )


LOTS = Check(
    table="'lots'",
    key="coalesce(l.id, s.lot_id)::text",
    before=f"{MOVES}, {_ENDS}",
    rows="""lots l FULL JOIN summed s ON s.lot_id = l.id
        LEFT JOIN latest r ON r.lot_id = l.id LEFT JOIN wallets w ON w.id = l.wallet_id
        LEFT JOIN doubled d ON d.source = l.source AND d.source_ref = l.source_ref""",
    rules=(
        missing("l.id", "lines move it, and there is no such lot"),
        missing("s.lot_id", "no line ever granted it"),
        ("l.id IS NOT NULL AND w.id IS NULL", "'there is no such wallet'"),
        ("s.grants <> 1", "format('it was granted %s times', s.grants)"),
        (
            "s.issued <> 'issued:' || l.source",
            "format('source is %s, line %s/%s moved from %s', l.source, l.wallet_id, s.issued_at, s.issued)",
        ),
        *(differs(n, f"l.{n}", f"s.{n}", "its lines make") for n in LOT),
        differs(
            "granted",
            "l.granted",
            "l.remaining + l.held + l.consumed + l.expired + l.reversed + l.repaid",
            "its places add up to (E1)",
        ),
        (" OR ".join(f"l.{n} < 0" for n in LOT), "'a number is below zero'"),
        (
            "l.id IS NOT NULL AND NOT l.reversal = ANY(coalesce(r.reversal, '{0}'))",
            "format('reversal is %s, its last change made it %s', l.reversal, coalesce(r.reversal[1], 0))",
        ),
        ("l.reversal NOT BETWEEN 0 AND l.granted", "format('reversal is %s of %s', l.reversal, l.granted)"),
        *_fits("l.granted", "l.reversal", "l.", "true"),
        (
            "l.expires_at <= w.last_at AND l.remaining > 0",
            "format('it lapsed at %s with %s left (E8)', l.expires_at, l.remaining)",
        ),
        ("d.source IS NOT NULL", "format('another lot bears the fact %s %s', l.source, l.source_ref)"),
    ),
)

# A change of the reversal stands just before the first line of its command.
_EVENTS = f"""
events AS (
    SELECT t.lot_id, t.wallet_id, t.version, 2 * t.version AS place, t.at, t.command_id, t.debit, t.credit,
        {", ".join(f"m.lot_{n} * t.amount AS {n}" for n in LOT)}, 0::bigint AS reversal
    FROM transfers t JOIN moves m ON m.debit = t.debit AND m.credit = t.credit
    UNION ALL
    SELECT r.lot_id, r.wallet_id, NULL, 2 * c.first_version - 1, r.at, r.command_id, NULL, NULL, {", ".join("0" for _ in LOT)},
        r.reversal - lag(r.reversal, 1, 0::bigint) OVER (PARTITION BY r.lot_id ORDER BY c.first_version, r.at)
    FROM lot_reversals r JOIN wallet_commands c ON c.id = r.command_id
)
"""
_LIVES = f"""(
    SELECT e.lot_id, e.wallet_id, e.version, e.at, e.command_id, e.debit, e.credit, l.wallet_id AS lot_wallet, l.expires_at,
        l.expires_at IS NOT DISTINCT FROM s.closed_at AS closed,
        lead(e.command_id) OVER (PARTITION BY e.lot_id ORDER BY e.place, e.at) IS DISTINCT FROM e.command_id AS done,
        {", ".join(f"sum(e.{n}) OVER w AS {n}" for n in (*LOT, "reversal"))}
    FROM events e LEFT JOIN lots l ON l.id = e.lot_id LEFT JOIN wallets s ON s.id = l.wallet_id
    WINDOW w AS (PARTITION BY e.lot_id ORDER BY e.place, e.at ROWS UNBOUNDED PRECEDING)
) moment"""

LIVES = Check(
    table="CASE WHEN version IS NULL THEN 'lot_reversals' ELSE 'transfers' END",
    key="CASE WHEN version IS NULL THEN command_id || '/' || lot_id ELSE wallet_id || '/' || version END",
    before=f"{MOVES}, {_TIED}, {_EVENTS}",
    rows=_LIVES,
    rules=(
        *((f"{n} < 0", f"format('{n} of lot %s falls to %s', lot_id, {n})") for n in LOT),
        ("wallet_id <> lot_wallet", "format('lot %s is another wallet''s', lot_id)"),
        ("granted = 0 AND version IS NOT NULL", "format('lot %s was not yet granted', lot_id)"),
        *_fits("granted", "reversal", "", "done AND lot_id NOT IN (SELECT lot_id FROM tied)"),
        (
            "done AND NOT closed AND expires_at <= at AND remaining > 0",
            "format('lot %s had lapsed with %s left', lot_id, remaining)",
        ),
        ("credit = 'held' AND expires_at < at", "format('lot %s had lapsed and was drawn', lot_id)"),
        (
            "credit = 'expired' AND (expires_at > at) IS DISTINCT FROM false",
            "format('lot %s had not lapsed: it expires at %s', lot_id, coalesce(expires_at::text, 'no time'))",
        ),
    ),
)

REVERSALS = Check(
    table="'lot_reversals'",
    key="command_id || '/' || lot_id",
    before=_TIED,
    rows="""(
        SELECT r.*, c.id AS command, c.kind, c.subject, c.amount, c.at AS command_at, c.wallet_id AS command_wallet,
            l.id AS lot, l.granted, l.wallet_id AS lot_wallet,
            lag(r.reversal, 1, 0::bigint) OVER (PARTITION BY r.lot_id ORDER BY c.first_version, r.at) AS before
        FROM lot_reversals r LEFT JOIN wallet_commands c ON c.id = r.command_id LEFT JOIN lots l ON l.id = r.lot_id
    ) change""",
    rules=(
        missing("command", "no command wrote it"),
        missing("lot", "there is no such lot"),
        ("reversal NOT BETWEEN 0 AND granted", "format('reversal is %s of %s', reversal, granted)"),
        ("at <> command_at", "format('at is %s, its command was done at %s', at, command_at)"),
        ("wallet_id <> command_wallet OR wallet_id <> lot_wallet", "'its command or its lot is another wallet''s'"),
        ("lot_id IS DISTINCT FROM subject", "'its command speaks of another lot'"),
        ("kind NOT IN ('grant', 'reverse', 'adjust')", "format('a %s reverses nothing', kind)"),
        differs("reversal", "reversal", "amount", "its command made it", when="kind = 'reverse'"),
        differs(
            "reversal",
            "reversal",
            "before + amount",
            "its command raised it to",
            when="kind = 'adjust' AND lot_id NOT IN (SELECT lot_id FROM tied)",
        ),
    ),
)

# A command that changes no reversal leaves no row of it; then what it said must be what stood already. One that shares its
# instant and version with a row cannot be put before or after it.
SILENT = Check(
    table="'wallet_commands'",
    key="id::text",
    rows="""(
        SELECT c.id, c.kind, c.subject, c.amount, coalesce(stood.reversal, 0) AS stood,
            (stood.first_version, stood.at) IS NOT DISTINCT FROM (c.first_version, c.at) AS tied
        FROM wallet_commands c LEFT JOIN LATERAL (
            SELECT r.reversal, p.first_version, p.at FROM lot_reversals r JOIN wallet_commands p ON p.id = r.command_id
            WHERE r.lot_id = c.subject AND (p.first_version, p.at) <= (c.first_version, c.at)
            ORDER BY p.first_version DESC, p.at DESC LIMIT 1) stood ON true
        WHERE c.kind IN ('reverse', 'adjust') AND NOT EXISTS (SELECT FROM lot_reversals r WHERE r.command_id = c.id)
    ) silent""",
    rules=(
        ("kind = 'adjust'", "'it changed a reversal, and no row says so'"),
        (
            "kind = 'reverse' AND amount <> stood AND NOT tied",
            "format('it made the reversal of lot %s %s, and no row says so', subject, amount)",
        ),
    ),
)
