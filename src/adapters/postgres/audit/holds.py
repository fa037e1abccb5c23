"""Holds and what they were placed for: allocations, generations, attempts and pictures."""

from adapters.postgres.audit.check import Check, differs, missing

ALLOCATIONS = Check(
    table="'hold_allocations'",
    key="coalesce(a.hold_id, d.hold_id) || '/' || coalesce(a.ordinal::text, 'lot ' || d.lot_id)",
    before="""
    drawn AS (
        SELECT hold_id, lot_id, coalesce(sum(amount) FILTER (WHERE credit = 'held'), 0) AS held,
            coalesce(sum(amount) FILTER (WHERE credit = 'consumed'), 0) AS consumed,
            coalesce(sum(amount) FILTER (WHERE debit = 'held' AND credit = 'available'), 0) AS given_back
        FROM transfers WHERE hold_id IS NOT NULL AND (debit = 'held' OR credit = 'held') GROUP BY hold_id, lot_id
    )
    """,
    rows="""(
        SELECT a.*, h.id AS hold, h.state, h.captured, h.wallet_id, l.wallet_id AS lot_wallet,
            row_number() OVER w AS place, sum(a.amount) OVER w - a.amount AS earlier
        FROM hold_allocations a LEFT JOIN holds h ON h.id = a.hold_id LEFT JOIN lots l ON l.id = a.lot_id
        WINDOW w AS (PARTITION BY a.hold_id ORDER BY a.ordinal)
    ) a FULL JOIN drawn d ON d.hold_id = a.hold_id AND d.lot_id = a.lot_id""",
    rules=(
        missing("a.hold_id", "lines draw from this lot, and no allocation says so"),
        missing("d.hold_id", "no line draws from this lot"),
        ("a.hold_id IS NOT NULL AND a.hold IS NULL", "'there is no such hold'"),
        ("a.wallet_id <> a.lot_wallet", "'its lot is another wallet''s'"),
        differs("ordinal", "a.ordinal", "a.place", "its place is"),
        differs("amount", "a.amount", "d.held", "the lines draw"),
        differs("consumed", "a.consumed", "d.consumed", "the lines consume"),
        differs("consumed", "a.consumed", "least(a.amount, greatest(0, a.captured - a.earlier))", "the hold took in this order"),
        differs("given back", "d.given_back", "CASE a.state WHEN 'open' THEN 0 ELSE a.amount - a.consumed END", "was not taken"),
    ),
)

HOLDS = Check(
    table="'holds'",
    key="coalesce(h.id, t.subject)::text",
    before="""
    allotted AS (
        SELECT hold_id, sum(amount) AS amount, sum(consumed) AS consumed FROM hold_allocations GROUP BY hold_id
    ), told AS (
        SELECT subject, count(*) FILTER (WHERE kind = 'hold') AS placed,
            count(*) FILTER (WHERE kind <> 'hold') AS ended,
            max(kind) FILTER (WHERE kind <> 'hold') AS how, max(amount) FILTER (WHERE kind = 'hold') AS amount,
            max(amount) FILTER (WHERE kind = 'capture') AS captured, string_agg(kind || ' ' || id, ', ') AS commands
        FROM wallet_commands WHERE kind IN ('hold', 'capture', 'release', 'expire') GROUP BY subject
    )
    """,
    rows="""holds h FULL JOIN told t ON t.subject = h.id LEFT JOIN allotted a ON a.hold_id = h.id
        LEFT JOIN generations g ON g.id = h.id LEFT JOIN wallets w ON w.id = h.wallet_id""",
    rules=(
        missing("h.id", "commands speak of it, and there is no such hold"),
        missing("t.subject", "no command placed it"),
        ("h.id IS NOT NULL AND w.id IS NULL", "'there is no such wallet'"),
        ("h.id IS NOT NULL AND g.id IS NULL", "'no generation bears it'"),
        ("t.placed <> 1", "format('it was placed %s times: %s', t.placed, t.commands)"),
        ("t.ended <> (h.state <> 'open')::int", "format('it is %s and was resolved %s times: %s', h.state, t.ended, t.commands)"),
        (
            "t.ended = 1 AND (t.how, h.state) NOT IN (('capture', 'captured'), ('release', 'released'), ('expire', 'expired'))",
            "format('it is %s, its command was %s', h.state, t.how)",
        ),
        differs("amount", "h.amount", "coalesce(a.amount, 0)", "its allocations add up to"),
        (
            "h.amount <> t.amount OR h.captured <> coalesce(t.captured, 0)",
            "format('%s of %s captured, not %s of %s: %s', h.captured, h.amount, coalesce(t.captured, 0), t.amount, t.commands)",
        ),
        differs("captured", "h.captured", "coalesce(a.consumed, 0)", "its allocations gave"),
        ("h.captured NOT BETWEEN 0 AND h.amount", "format('captured is %s of %s', h.captured, h.amount)"),
        ("(h.captured > 0) <> (h.state = 'captured')", "format('it is %s with %s captured', h.state, h.captured)"),
    ),
)

_ENDED = "g.state NOT IN ('queued', 'running')"

GENERATIONS = Check(
    table="'generations'",
    key="g.id::text",
    before="""
    tried AS (
        SELECT generation_id, count(*) AS n, max(number) AS last, count(*) FILTER (WHERE booked) AS booked,
            count(*) FILTER (WHERE outcome <> 'not_executed') AS perhaps_paid
        FROM attempts GROUP BY generation_id
    ), kept AS (
        SELECT generation_id, count(*) AS n FROM assets WHERE generation_id IS NOT NULL GROUP BY generation_id
    )
    """,
    rows="""generations g LEFT JOIN holds h ON h.id = g.id LEFT JOIN wallets w ON w.id = g.wallet_id
        LEFT JOIN tried t ON t.generation_id = g.id LEFT JOIN kept k ON k.generation_id = g.id""",
    rules=(
        missing("h.id", "it has no hold"),
        ("h.wallet_id <> g.wallet_id", "'its hold is on another wallet'"),
        missing("w.id", "there is no such wallet"),
        ("w.account_id <> g.account_id OR w.mode <> g.mode", "format('wallet %s is another account''s or mode''s', w.id)"),
        differs("unit * n", "g.unit * g.n", "h.amount", "its hold is of"),
        ("g.hold_expires_at <> h.expires_at", "format('its hold expires at %s, not %s', h.expires_at, g.hold_expires_at)"),
        ("(h.state = 'open') <> (NOT " + _ENDED + ")", "format('it is %s and its hold is %s', g.state, h.state)"),
        ("g.state = 'succeeded' AND h.state <> 'captured'", "format('it succeeded and its hold was %s', h.state)"),
        differs("unit * delivered", "g.unit * g.delivered", "h.captured", "its hold captured", when="g.state = 'succeeded'"),
        (
            "g.state IN ('failed', 'refused', 'cancelled') AND h.state NOT IN ('released', 'expired')",
            "format('it is %s and its hold was %s', g.state, h.state)",
        ),
        (
            "(g.delivered > 0) <> (g.state = 'succeeded') OR g.delivered > g.n",
            "format('it is %s with %s delivered', g.state, g.delivered)",
        ),
        ("(g.finished_at IS NULL) = " + _ENDED, "format('it is %s and finished at %s', g.state, g.finished_at)"),
        (_ENDED + " AND num_nonnulls(g.lease, g.lease_until, g.resume_at) > 0", "'it has ended and is still at work'"),
        ("g.lease IS NOT NULL AND g.state <> 'running'", "format('it is %s under a lease', g.state)"),
        ("coalesce(t.booked, 0) > 1", "format('%s of its attempts are booked', t.booked)"),
        ("g.state = 'succeeded' AND coalesce(t.booked, 0) = 0", "'it succeeded and no attempt is booked'"),
        ("t.booked > 0 AND g.state NOT IN ('succeeded', 'refused')", "format('it is %s and an attempt is booked', g.state)"),
        ("t.perhaps_paid > 2", "format('%s of its attempts may have been paid', t.perhaps_paid)"),
        ("t.n <> t.last", "format('it has %s attempts, the last is number %s', t.n, t.last)"),
        (
            "(g.started_at IS NULL) <> (t.n IS NULL)",
            "format('it started at %s with %s attempts', g.started_at, coalesce(t.n, 0))",
        ),
        (
            "(g.failure IS NOT NULL) <> (g.state IN ('failed', 'refused', 'cancelled'))",
            "format('it is %s, and why does not fit', g.state)",
        ),
        (
            "(g.failure->>'failure_class' = 'cancelled') <> (g.state = 'cancelled')",
            "format('it is %s, and why does not fit', g.state)",
        ),
        ("k.n > g.delivered", "format('%s pictures are kept, %s were delivered', k.n, g.delivered)"),
        ("k.n > 0 AND g.request IS NULL", "'it was purged and its pictures are kept'"),
    ),
)

ATTEMPTS = Check(
    table="'attempts'",
    key="a.generation_id || '/' || a.number",
    rows="attempts a LEFT JOIN generations g ON g.id = a.generation_id",
    rules=(
        missing("g.id", "there is no such generation"),
        ("a.number < 1", "format('number is %s', a.number)"),
        ("a.booked AND a.outcome <> 'executed'", "format('it is booked and %s', a.outcome)"),
        (
            "(a.finality IS NOT NULL) <> (a.outcome = 'not_executed')",
            "format('its finality is %s, it is %s', a.finality, a.outcome)",
        ),
        ("(a.decided_at IS NULL) <> (a.outcome = 'intended')", "format('it is %s, decided at %s', a.outcome, a.decided_at)"),
    ),
)

ASSETS = Check(
    table="'assets'",
    key="s.id::text",
    rows="""assets s LEFT JOIN generations g ON g.id = s.generation_id
        LEFT JOIN attempts a ON a.generation_id = s.generation_id AND a.number = s.attempt""",
    rules=(
        ("(s.kind = 'output') <> (s.generation_id IS NOT NULL)", "format('a %s and its generation do not go together', s.kind)"),
        ("s.generation_id IS NOT NULL AND g.id IS NULL", "'there is no such generation'"),
        ("s.account_id <> g.account_id OR s.mode <> g.mode", "'its generation is another account''s or another mode''s'"),
        ("g.id IS NOT NULL AND a.booked IS NOT TRUE", "'the attempt that brought it is not booked'"),
        ("g.id IS NOT NULL AND (s.index BETWEEN 0 AND g.n - 1) IS NOT TRUE", "format('index is %s of %s', s.index, g.n)"),
    ),
)
