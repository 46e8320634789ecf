-- name: accounts_of_transfers
-- Which accounts the named transfers touch; entries are immutable, so that no lock is needed to know.
SELECT DISTINCT account_id FROM ledger.entries WHERE transfer_id = ANY(%(transfer_ids)b::uuid[])

-- name: lock_accounts
-- Policy and balances of accounts, locked until the end of the transaction in the order given. One look-up by
-- index for each (see `tests/transaction/test_query_plans.py`): a plan for `= ANY` that was made while the
-- table was empty reads the whole table for as long as the connection lives.
SELECT a.* FROM unnest(%(account_ids)b::uuid[]) AS wanted(id)
CROSS JOIN LATERAL (
  SELECT id, account_type, currency, normal_side, status, overdraft_limit_minor, daily_limit_minor,
    posted_debits, posted_credits, pending_debits, pending_credits, version, limit_day, limit_day_out_minor,
    policy_revision, policy_refusal
  FROM ledger.accounts WHERE accounts.id = wanted.id FOR NO KEY UPDATE
) a

-- name: lock_accounts_and_look
-- As `lock_accounts`, with the time after each lock was taken and whether one of the named transfers existed before.
-- One row at least, so that a group without accounts gets an answer too.
SELECT coalesce(a.locked_at, clock_timestamp()), (SELECT EXISTS (
    SELECT FROM unnest(%(transfer_ids)b::uuid[]) AS wanted(id)
    CROSS JOIN LATERAL (SELECT FROM ledger.transfers WHERE transfers.id = wanted.id OFFSET 0) found)), a.*
FROM (SELECT 1) AS one
LEFT JOIN (
  SELECT l.*, clock_timestamp() AS locked_at FROM unnest(%(account_ids)b::uuid[]) AS wanted(id)
  CROSS JOIN LATERAL (
    SELECT id, account_type, currency, normal_side, status, overdraft_limit_minor, daily_limit_minor,
      posted_debits, posted_credits, pending_debits, pending_credits, version, limit_day, limit_day_out_minor,
      policy_revision, policy_refusal
    FROM ledger.accounts WHERE accounts.id = wanted.id FOR NO KEY UPDATE
  ) l
) a ON true

-- name: read_accounts
-- Policy and balances of accounts as they are now, without locking them.
SELECT a.* FROM unnest(%(account_ids)b::uuid[]) AS wanted(id)
CROSS JOIN LATERAL (
  SELECT id, account_type, currency, normal_side, status, overdraft_limit_minor, daily_limit_minor,
    posted_debits, posted_credits, pending_debits, pending_credits, version, limit_day, limit_day_out_minor,
    policy_revision, policy_refusal
  FROM ledger.accounts WHERE accounts.id = wanted.id OFFSET 0
) a

-- name: known_transfers
-- The time, and those of the named transfers that exist with the one that reversed them.
SELECT clock.now, t.*
FROM (SELECT clock_timestamp() AS now) clock
LEFT JOIN (
  SELECT found.*, (SELECT r.id FROM ledger.transfers r WHERE r.reverses_id = found.id)
  FROM unnest(%(transfer_ids)b::uuid[]) AS wanted(id)
  CROSS JOIN LATERAL (
    SELECT id, kind, currency, amount_minor, fingerprint, origin, created_at
    FROM ledger.transfers WHERE transfers.id = wanted.id OFFSET 0
  ) found
) t ON true

-- name: holds_with_legs
-- The named holds, one row for each of their legs.
SELECT h.transfer_id, t.currency, t.origin, h.state, h.amount_minor, h.posted_amount_minor, h.expires_at,
  h.limit_day, h.resolved_by, e.account_id, e.direction, e.amount_minor
FROM unnest(%(transfer_ids)b::uuid[]) WITH ORDINALITY AS wanted(id, place)
CROSS JOIN LATERAL (SELECT * FROM ledger.holds WHERE transfer_id = wanted.id OFFSET 0) h
CROSS JOIN LATERAL (SELECT currency, origin FROM ledger.transfers WHERE id = wanted.id OFFSET 0) t
CROSS JOIN LATERAL (
  SELECT leg, account_id, direction, amount_minor FROM ledger.entries WHERE transfer_id = wanted.id OFFSET 0
) e
ORDER BY wanted.place, e.leg

-- name: posted_legs
-- What the named transfers posted.
SELECT transfer_id, account_id, direction, amount_minor FROM ledger.entries
WHERE transfer_id = ANY(%(transfer_ids)b::uuid[]) AND phase = 'posted' ORDER BY transfer_id, leg

-- name: insert_transfers
-- Write transfers with their lines and events. The trigger checks that the lines balance and moves the balances.
WITH given AS (
  SELECT * FROM json_to_recordset(%(transfers)s::json)
    AS t(id uuid, kind text, currency text, amount_minor bigint, line_count smallint, pending_id uuid, reverses_id uuid,
      batch_id uuid, origin text, reference text, metadata jsonb, fingerprint bytea, actor text)
), made AS (
  INSERT INTO ledger.transfers (id, kind, currency, amount_minor, line_count, pending_id, reverses_id, batch_id,
    origin, reference, metadata, fingerprint, actor, created_at)
  SELECT id, kind, currency, amount_minor, line_count, pending_id, reverses_id, batch_id,
    origin, reference, metadata, fingerprint, actor, %(created_at)s
  FROM given
), lines AS (
  INSERT INTO ledger.entries (transfer_id, leg, account_id, direction, phase, amount_minor, limit_day,
    account_version, balance_after_minor, created_at)
  SELECT l.*, %(created_at)s
  FROM json_to_recordset(%(lines)s::json)
    AS l(transfer_id uuid, leg smallint, account_id uuid, direction text, phase text, amount_minor bigint,
      limit_day date, version bigint, balance numeric)
)
/* outbox of given */
SELECT numbers FROM announced

-- name: insert_holds
-- Write the state of new holds; a hold may have been resolved in the group that made it.
INSERT INTO ledger.holds (transfer_id, state, amount_minor, posted_amount_minor, expires_at, limit_day, resolved_by)
SELECT * FROM unnest(%(transfer_ids)b::uuid[], %(states)b::text[], %(amounts)b::bigint[],
  %(posted_amounts)b::bigint[], %(expiries)s::timestamptz[], %(limit_days)s::date[], %(resolved_by)s::uuid[])

-- name: resolve_holds
-- Note what became of holds.
UPDATE ledger.holds h SET state = r.state, posted_amount_minor = r.posted_amount_minor, resolved_by = r.resolved_by
FROM unnest(%(transfer_ids)b::uuid[], %(states)b::text[], %(posted_amounts)b::bigint[], %(resolved_by)b::uuid[])
  AS r(transfer_id, state, posted_amount_minor, resolved_by)
CROSS JOIN LATERAL (SELECT ctid FROM ledger.holds WHERE transfer_id = r.transfer_id OFFSET 0) place
WHERE h.ctid = place.ctid

-- name: insert_account
-- Open an account; False when the id is taken.
INSERT INTO ledger.accounts (id, account_type, currency, normal_side, overdraft_limit_minor, daily_limit_minor)
VALUES (%(id)s, %(account_type)s, %(currency)s, %(normal_side)s, %(overdraft_limit_minor)s, %(daily_limit_minor)s)
ON CONFLICT (id) DO NOTHING

-- name: update_account
-- Write an account's status and limits, and which command set them.
UPDATE ledger.accounts SET status = %(status)s, overdraft_limit_minor = %(overdraft_limit_minor)s,
  daily_limit_minor = %(daily_limit_minor)s, policy_revision = %(policy_revision)s,
  policy_refusal = %(policy_refusal)s WHERE id = %(id)s

-- name: due_holds
-- Holds whose time is over, the longest over first, and on whose behalf they were made.
SELECT h.transfer_id, t.origin FROM ledger.holds h JOIN ledger.transfers t ON t.id = h.transfer_id
WHERE h.state = 'pending' AND h.expires_at <= now() ORDER BY h.expires_at LIMIT %(limit)s

-- name: next_expiry
-- When the next hold expires.
SELECT min(expires_at) FROM ledger.holds WHERE state = 'pending' AND expires_at IS NOT NULL

-- name: claim_keys
-- Claim idempotency keys; returned are those that are the ledger's, now or from before.
INSERT INTO idempotency.keys (key, owner) SELECT key, 'ledger' FROM unnest(%(keys)b::text[]) AS given(key) ORDER BY key
ON CONFLICT (key) DO UPDATE SET owner = excluded.owner WHERE keys.owner = excluded.owner RETURNING key

-- name: stored_answers
-- The stored answers of idempotency keys.
SELECT key, fingerprint, resource_id, response_status, response_body FROM ledger.idempotency WHERE key = ANY(%(keys)b::text[])

-- name: store_answers
-- Store the answers given to idempotency keys.
INSERT INTO ledger.idempotency (key, fingerprint, resource_id, response_status, response_body)
SELECT * FROM unnest(%(keys)b::text[], %(fingerprints)b::bytea[], %(resource_ids)b::uuid[],
  %(statuses)b::integer[], %(bodies)b::text[])
