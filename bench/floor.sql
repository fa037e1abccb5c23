-- What one accepted request does to the database, by one function and with none of the rules in Python: the floor that the
-- service is measured against. It reads what the service reads and writes what the service writes, row for row; `make bench`
-- counts both in each run. Per request that draws one lot:
--
--   read      api_keys + accounts + wallets (the caller), wallets FOR UPDATE, wallet_commands, idempotency_keys, holds, lots,
--             generations (the brake, where the wallet moved within the hour)
--   updated   wallets 1, lots 1
--   inserted  wallet_commands 1, transfers 1, holds 1, hold_allocations 1, generations 1, idempotency_keys 1,
--             procrastinate_jobs 1, procrastinate_events 1 (both by the engine's own function)
--
-- The API reads a caller once a second at most; here he is read each time.

CREATE FUNCTION accept_request(customer int) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    request CONSTANT jsonb := {request};
    labels CONSTANT jsonb := {labels};
    price CONSTANT bigint := {n} * {unit};
    queue_for CONSTANT interval := {queue_for};
    hold_for CONSTANT interval := {hold_for};
    generation CONSTANT uuid := uuidv7();
    command CONSTANT uuid := md5('hold:' || generation)::uuid;
    repeat_key CONSTANT text := md5('key:' || generation);
    caller record;
    wallet wallets;
    at timestamptz;
    drawn uuid[];
    parts bigint[];
    lines int;
BEGIN
    SELECT k.account_id, k.id AS key_id, k.mode, k.scopes, a.plan, w.id AS wallet_id INTO STRICT caller
    FROM api_keys k JOIN accounts a ON a.id = k.account_id JOIN wallets w ON w.account_id = k.account_id AND w.mode = k.mode
    WHERE k.id = ({keys} || lpad(to_hex(customer), 12, '0'))::uuid AND k.revoked_at IS NULL;

    SELECT * INTO STRICT wallet FROM wallets WHERE id = caller.wallet_id FOR UPDATE;
    at := clock_timestamp();
    PERFORM 1 FROM wallet_commands WHERE id = command;
    PERFORM 1 FROM idempotency_keys WHERE digest = repeat_key;
    PERFORM 1 FROM holds WHERE id = generation;
    SELECT array_agg(id ORDER BY place), array_agg(part ORDER BY place) INTO drawn, parts
    FROM (
        SELECT id, row_number() OVER due AS place,
            least(remaining, price - coalesce(sum(remaining) OVER (due ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW), 0)) AS part
        FROM lots WHERE wallet_id = wallet.id AND (remaining > 0 OR held > 0 OR reversal > 0 OR repaid > 0)
        WINDOW due AS (ORDER BY priority, expires_at NULLS LAST, id)
    ) candidates WHERE part > 0;
    lines := cardinality(drawn);
    IF wallet.last_at > at - interval '1 hour' THEN
        PERFORM 1 FROM generations WHERE account_id = caller.account_id AND mode = caller.mode
            AND finished_at > at - interval '1 hour' AND (state = 'refused' OR state = 'cancelled' AND failure->>'code' = 'refunded');
    END IF;

    UPDATE wallets SET available = available - price, held = held + price, version = version + lines,
        open_holds = open_holds + 1, last_at = at WHERE id = wallet.id;
    UPDATE lots SET remaining = remaining - part, held = held + part
    FROM unnest(drawn, parts) AS draw(lot, part) WHERE id = lot;
    INSERT INTO wallet_commands (id, wallet_id, kind, fingerprint, subject, amount, first_version, last_version, at)
    VALUES (command, wallet.id, 'hold', md5(command::text), generation, price, wallet.version + 1, wallet.version + lines, at);
    INSERT INTO transfers (wallet_id, version, command_id, line, debit, credit, amount, lot_id, hold_id, at,
        available_after, held_after, debt_after)
    SELECT wallet.id, wallet.version + line, command, line, 'available', 'held', part, lot, generation, at,
        wallet.available - sum(part) OVER so_far, wallet.held + sum(part) OVER so_far, wallet.debt
    FROM unnest(drawn, parts) WITH ORDINALITY AS draw(lot, part, line) WINDOW so_far AS (ORDER BY line);
    INSERT INTO holds (id, wallet_id, amount, captured, state, expires_at)
    VALUES (generation, wallet.id, price, 0, 'open', at + hold_for);
    INSERT INTO hold_allocations (hold_id, ordinal, lot_id, amount, consumed)
    SELECT generation, line, lot, part, 0 FROM unnest(drawn, parts) WITH ORDINALITY AS draw(lot, part, line);
    INSERT INTO generations (id, account_id, wallet_id, key_id, mode, kind, model, request, n, unit, priority, created_at,
        deadline, hold_expires_at, state, delivered, metadata)
    VALUES (generation, caller.account_id, wallet.id, caller.key_id, caller.mode, {kind}, {model}, request,
        {n}, {unit}, {priority}, at, at + queue_for, at + hold_for, 'queued', 0, labels);
    INSERT INTO idempotency_keys (digest, account_id, mode, fingerprint, thing, created_at)
    VALUES (repeat_key, caller.account_id, caller.mode, encode(sha256(generation::text::bytea), 'hex'), generation, at);
    PERFORM procrastinate_defer_jobs_v1(
        ARRAY[ROW({queue}, {task}, 0, NULL, NULL, '{{}}', NULL)::procrastinate_job_to_defer_v1]);
    RETURN generation;
END $$;
