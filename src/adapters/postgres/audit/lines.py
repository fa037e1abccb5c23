"""Each wallet's statement: every line follows from the one before it and belongs to its command; the wallet is its last line."""

from adapters.postgres.audit.check import Check, differs, missing
from adapters.postgres.audit.posting import MOVES, WALLET

_KINDS = "('grant', 'hold', 'capture', 'release', 'expire', 'reverse', 'adjust', 'sweep', 'close')"
_NEVER_EMPTY = "('grant', 'hold', 'capture', 'release', 'expire', 'adjust')"

_ISSUES = "(debit LIKE 'issued:%')"
_OF_A_HOLD = "(hold_id IS NOT NULL OR 'held' IN (debit, credit))"

# Each line is held against its neighbour, so that a changed row is named and not all that follow it: where every step is right,
# the whole replay is.
_LINES = f"""(
    SELECT t.*, m.debit IS NULL AS unlawful, c.id AS command, c.wallet_id AS command_wallet, c.kind, c.subject,
        c.amount AS command_amount, c.first_version, c.last_version, c.at AS command_at,
        lag(t.version, 1, 0::bigint) OVER w AS version_before, lag(t.at) OVER w AS at_before,
        {", ".join(f"lag(t.{n}_after, 1, 0::bigint) OVER w + m.wallet_{n} * t.amount AS {n}_due" for n in WALLET)}
    FROM transfers t LEFT JOIN moves m ON m.debit = t.debit AND m.credit = t.credit
        LEFT JOIN wallet_commands c ON c.id = t.command_id
    WINDOW w AS (PARTITION BY t.wallet_id ORDER BY t.version)
) line"""

LINES = Check(
    table="'transfers'",
    key="wallet_id || '/' || version",
    before=MOVES,
    rows=_LINES,
    rules=(
        differs("version", "version", "version_before + 1", "the line before it makes this"),
        ("at < at_before", "format('at is %s, the line before it was written at %s', at, at_before)"),
        ("unlawful", "format('nothing may move from %s to %s', debit, credit)"),
        ("amount < 1", "format('amount is %s', amount)"),
        *(differs(f"{n}_after", f"{n}_after", f"{n}_due", "the line before it and its amount make") for n in WALLET),
        (" OR ".join(f"{n}_after < 0" for n in WALLET), "'a balance is below zero'"),
        ("debt_after > 0 AND available_after > 0 AND version = last_version", "'debt and credits at once after its command'"),
        missing("command", "no command wrote it"),
        *(
            (wrong, f"format('command %s {said}', command_id, {values})")
            for wrong, said, values in (
                ("wallet_id <> command_wallet", "belongs to wallet %s", "command_wallet"),
                ("at <> command_at", "was done at %s, not at %s", "command_at, at"),
                ("version <> first_version + line - 1", "makes line %s version %s", "line, first_version + line - 1"),
                ("version > last_version", "ended at version %s", "last_version"),
                (f"{_ISSUES} AND kind <> 'grant'", "is a %s and issues nothing", "kind"),
                (f"{_ISSUES} AND lot_id IS DISTINCT FROM subject", "granted lot %s, not %s", "subject, lot_id"),
                (f"{_ISSUES} AND amount <> command_amount", "granted %s, not %s", "command_amount, amount"),
                ("debit = 'available' AND credit = 'held' AND kind <> 'hold'", "is a %s and holds nothing", "kind"),
                ("debit = 'held' AND kind NOT IN ('capture', 'release', 'expire')", "is a %s and resolves nothing", "kind"),
                ("credit = 'consumed' AND kind <> 'capture'", "is a %s and consumes nothing", "kind"),
                (
                    f"command IS NOT NULL AND {_OF_A_HOLD} AND hold_id IS DISTINCT FROM subject",
                    "speaks of %s, not of hold %s",
                    "subject, hold_id",
                ),
            )
        ),
    ),
)

COMMANDS = Check(
    table="'wallet_commands'",
    key="id::text",
    rows="""(
        SELECT c.*, s.id AS wallet, s.version AS wallet_version,
            lag(c.last_version, 1, 0::bigint) OVER w + 1 AS first_due, lag(c.at) OVER w AS at_before,
            lag(c.id) OVER w AS command_before
        FROM wallet_commands c LEFT JOIN wallets s ON s.id = c.wallet_id
        WINDOW w AS (PARTITION BY c.wallet_id ORDER BY c.first_version, c.last_version, c.at)
    ) command""",
    rules=(
        missing("wallet", "there is no such wallet"),
        (
            "first_version <> first_due",
            "format('first_version is %s, command %s makes it %s', first_version, command_before, first_due)",
        ),
        ("last_version < first_version - 1", "format('it ends at version %s, before it begins', last_version)"),
        ("last_version > wallet_version", "format('it ends at version %s, its wallet is at %s', last_version, wallet_version)"),
        ("at < at_before", "format('at is %s, command %s before it was done at %s', at, command_before, at_before)"),
        (f"kind NOT IN {_KINDS}", "format('there is no command %s', kind)"),
        (f"kind IN {_NEVER_EMPTY} AND last_version < first_version", "format('a %s never goes without a line', kind)"),
    ),
)

_TOTALS = """
lot_totals AS (
    SELECT wallet_id, sum(remaining) AS remaining, sum(held) AS held, sum(owed) - sum(repaid) AS debt FROM lots GROUP BY wallet_id
), hold_totals AS (
    SELECT wallet_id, sum(amount) AS amount, count(*) AS n FROM holds WHERE state = 'open' GROUP BY wallet_id
), command_totals AS (
    SELECT wallet_id, max(last_version) AS version, max(at) AS last_at, min(at) FILTER (WHERE kind = 'close') AS closed_at
    FROM wallet_commands GROUP BY wallet_id
)
"""

# Wallets are made with the account, so that there is always a row to lock.
ACCOUNTS = Check(
    table="'accounts'",
    key="a.id::text",
    rows="""accounts a LEFT JOIN (
        SELECT account_id, count(*) AS n, count(DISTINCT mode) AS modes, string_agg(mode || ' ' || id, ', ') AS named
        FROM wallets GROUP BY account_id) w ON w.account_id = a.id""",
    rules=(
        missing("w.n", "it has no wallet"),
        ("(w.n, w.modes) <> (2, 2)", "format('it has not one wallet in each mode: %s', w.named)"),
    ),
)

WALLETS = Check(
    table="'wallets'",
    key="w.id::text",
    before=_TOTALS,
    rows="""wallets w
        LEFT JOIN LATERAL (SELECT * FROM transfers t WHERE t.wallet_id = w.id ORDER BY t.version DESC LIMIT 1) t ON true
        LEFT JOIN lot_totals l ON l.wallet_id = w.id LEFT JOIN hold_totals h ON h.wallet_id = w.id
        LEFT JOIN command_totals c ON c.wallet_id = w.id LEFT JOIN accounts a ON a.id = w.account_id""",
    rules=(
        missing("a.id", "there is no such account"),
        ("w.mode NOT IN ('live', 'test')", "format('there is no mode %s', w.mode)"),
        *(differs(n, f"w.{n}", f"coalesce(t.{n}_after, 0)", "its last line says") for n in WALLET),
        differs("version", "w.version", "coalesce(t.version, 0)", "its last line is"),
        differs("version", "w.version", "coalesce(c.version, 0)", "its last command made it"),
        ("w.last_at IS DISTINCT FROM c.last_at", "format('last_at is %s, its last command was at %s', w.last_at, c.last_at)"),
        ("w.closed_at IS DISTINCT FROM c.closed_at", "format('closed_at is %s, it was closed at %s', w.closed_at, c.closed_at)"),
        differs("available", "w.available", "coalesce(l.remaining, 0)", "its lots still have (E5)"),
        differs("held", "w.held", "coalesce(l.held, 0)", "its lots hold (E5)"),
        differs("held", "w.held", "coalesce(h.amount, 0)", "its open holds add up to (E5)"),
        differs("debt", "w.debt", "coalesce(l.debt, 0)", "its lots owe (E6)"),
        differs("open_holds", "w.open_holds", "coalesce(h.n, 0)", "of its holds are open"),
        ("w.available < 0 OR w.held < 0 OR w.debt < 0", "'a number is below zero'"),
        ("w.debt > 0 AND w.available > 0", "'it owes credits and has some (E7)'"),
    ),
)
