-- Statements that name rows find each by its index (LATERAL look-ups): a plan for a join or `= ANY` that was made
-- while a table was empty would read the whole table for as long as its connection lives
-- (tests/payment/test_query_plans.py).

-- name: claim_and_insert
-- Claim the idempotency keys of a group and insert the payments of those that were free, all at once.
WITH given AS (
  SELECT * FROM json_to_recordset(%(rows)s::json)
    AS t(key text, fingerprint bytea, id uuid, source uuid, destination uuid, amount bigint, currency text, capture text,
      reference text, actor text, expiry timestamptz, at timestamptz, splits jsonb, metadata jsonb, context jsonb)
), ours AS (
  INSERT INTO idempotency.keys (key, owner) SELECT key, 'payment' FROM given ORDER BY key
  ON CONFLICT (key) DO UPDATE SET owner = excluded.owner WHERE keys.owner = excluded.owner RETURNING key
), claimed AS (
  INSERT INTO payment.idempotency (key, fingerprint, resource_id)
  SELECT key, fingerprint, id FROM given JOIN ours USING (key) ORDER BY key ON CONFLICT (key) DO NOTHING RETURNING key
)
INSERT INTO payment.payments (id, source_account_id, destination_account_id, amount_minor, currency, capture,
  reference, actor, expires_at, created_at, updated_at, splits, metadata, context, idempotency_key, status)
SELECT g.id, g.source, g.destination, g.amount, g.currency, g.capture, g.reference, g.actor, g.expiry, g.at, g.at,
  g.splits, g.metadata, g.context, g.key, 'processing'
FROM given g JOIN claimed USING (key)
RETURNING id

-- name: idempotency_records
-- What is known of these keys.
SELECT record.key, fingerprint, resource_id, response_status, response_body, created_at
FROM unnest(%(keys)b::text[]) AS wanted(key)
CROSS JOIN LATERAL (SELECT * FROM payment.idempotency WHERE idempotency.key = wanted.key OFFSET 0) record

-- name: record_unscored
-- Note decisions taken without the fraud service, unless somebody else has taken the payment over.
UPDATE payment.payments p SET unscored_decision = g.decision
FROM unnest(%(ids)b::uuid[], %(decisions)b::text[], %(attempts)b::integer[]) AS g(id, decision, attempt)
CROSS JOIN LATERAL (SELECT ctid FROM payment.payments WHERE id = g.id OFFSET 0) place
WHERE p.ctid = place.ctid AND p.status = 'processing' AND p.attempt = g.attempt AND p.unscored_decision IS NULL
RETURNING p.id

-- name: settle_payments
-- Write the outcome of payments that are still processing and still ours, the answers that repetitions of their keys
-- get, and the events.
WITH given AS (
  SELECT * FROM json_to_recordset(%(rows)s::json)
    AS g(id uuid, attempt integer, status text, reason text, captured bigint, risk jsonb, at timestamptz, key text,
      body json)
), settled AS (
  UPDATE payment.payments p SET status = g.status, reason_code = g.reason, captured_minor = g.captured,
    risk = g.risk, version = p.version + 1, updated_at = g.at
  FROM given g
  CROSS JOIN LATERAL (SELECT ctid FROM payment.payments WHERE id = g.id OFFSET 0) place
  WHERE p.ctid = place.ctid AND p.status = 'processing' AND p.attempt = g.attempt
  RETURNING p.id, g.key, g.body
), answered AS (
  UPDATE payment.idempotency i SET response_status = 201, response_body = s.body::text
  FROM settled s
  CROSS JOIN LATERAL (SELECT ctid FROM payment.idempotency WHERE key = s.key OFFSET 0) place
  WHERE i.ctid = place.ctid AND i.response_status IS NULL
)
/* outbox of settled */
SELECT id, (SELECT numbers FROM announced) FROM settled

-- name: store_answers
-- Keep the answers that repetitions of the keys get.
UPDATE payment.idempotency i SET response_status = g.status, response_body = g.body
FROM unnest(%(keys)b::text[], %(statuses)b::integer[], %(bodies)b::text[]) AS g(key, status, body)
CROSS JOIN LATERAL (SELECT ctid FROM payment.idempotency WHERE key = g.key OFFSET 0) place
WHERE i.ctid = place.ctid AND i.response_status IS NULL

-- name: payment_columns
-- Every column of a payment, in the order of `rows.payment_from_row`.
SELECT id, source_account_id, destination_account_id, amount_minor, currency, capture, splits, reference, metadata,
  context, status, idempotency_key, actor, created_at, updated_at, reason_code, risk, unscored_decision,
  captured_minor, refunded_minor, refunding_minor, attempt, version, expires_at
FROM payment.payments

-- name: lock_payments
-- The named payments, locked in the order given; the columns are those of `payment_columns`.
SELECT p.* FROM unnest(%(ids)b::uuid[]) AS wanted(id)
CROSS JOIN LATERAL (
  SELECT id, source_account_id, destination_account_id, amount_minor, currency, capture, splits, reference, metadata,
    context, status, idempotency_key, actor, created_at, updated_at, reason_code, risk, unscored_decision,
    captured_minor, refunded_minor, refunding_minor, attempt, version, expires_at
  FROM payment.payments WHERE payments.id = wanted.id FOR NO KEY UPDATE
) p

-- name: get_payments
-- The named payments; the columns are those of `payment_columns`.
SELECT p.* FROM unnest(%(ids)b::uuid[]) AS wanted(id)
CROSS JOIN LATERAL (
  SELECT id, source_account_id, destination_account_id, amount_minor, currency, capture, splits, reference, metadata,
    context, status, idempotency_key, actor, created_at, updated_at, reason_code, risk, unscored_decision,
    captured_minor, refunded_minor, refunding_minor, attempt, version, expires_at
  FROM payment.payments WHERE payments.id = wanted.id OFFSET 0
) p

-- name: take_over_stuck
-- Take over payments that have been processing for too long; the request that made them is fenced out.
UPDATE payment.payments SET attempt = attempt + 1, updated_at = clock_timestamp()
WHERE id IN (SELECT id FROM payment.payments
             WHERE status = 'processing' AND updated_at < now() - make_interval(secs => %(age_seconds)s)
             ORDER BY id LIMIT 200 FOR UPDATE SKIP LOCKED)
RETURNING id, source_account_id, destination_account_id, amount_minor, currency, capture, splits, reference,
  metadata, context, status, idempotency_key, actor, created_at, updated_at, reason_code, risk, unscored_decision,
  captured_minor, refunded_minor, refunding_minor, attempt, version, expires_at

-- name: take_over_stuck_actions
-- Take over actions that have been processing for too long.
UPDATE payment.actions SET attempt = attempt + 1
WHERE id IN (SELECT id FROM payment.actions
             WHERE status = 'processing'
               AND created_at < now() - make_interval(secs => %(age_seconds)s) * attempt
             ORDER BY id LIMIT 200 FOR UPDATE SKIP LOCKED)
RETURNING id, payment_id, kind, amount_minor, splits, reference, actor, created_at, idempotency_key, status,
  reason_code, attempt, finished_at

-- name: look_for_stuck
-- Whether something has been processing for too long; whether anything is processing; and whether payments were made or
-- changed so recently that the process behind them may still be at work.
SELECT EXISTS (SELECT 1 FROM payment.payments
               WHERE status = 'processing' AND updated_at < now() - make_interval(secs => %(age_seconds)s))
    OR EXISTS (SELECT 1 FROM payment.actions
               WHERE status = 'processing' AND created_at < now() - make_interval(secs => %(age_seconds)s) * attempt),
  EXISTS (SELECT 1 FROM payment.payments WHERE status = 'processing')
    OR EXISTS (SELECT 1 FROM payment.actions WHERE status = 'processing'),
  EXISTS (SELECT 1 FROM (SELECT created_at FROM payment.payments ORDER BY id DESC LIMIT 1) newest
          WHERE created_at > clock_timestamp() - make_interval(secs => %(busy_seconds)s))
    OR EXISTS (SELECT 1 FROM (SELECT created_at FROM payment.actions ORDER BY id DESC LIMIT 1) newest
               WHERE created_at > clock_timestamp() - make_interval(secs => %(busy_seconds)s))

-- name: claim_keys
-- Claim the idempotency keys of a group of actions; returned are those that were free.
WITH given AS (
  SELECT * FROM unnest(%(keys)b::text[], %(fingerprints)b::bytea[], %(ids)b::uuid[]) AS g(key, fingerprint, id)
), ours AS (
  INSERT INTO idempotency.keys (key, owner) SELECT key, 'payment' FROM given ORDER BY key
  ON CONFLICT (key) DO UPDATE SET owner = excluded.owner WHERE keys.owner = excluded.owner RETURNING key
)
INSERT INTO payment.idempotency (key, fingerprint, resource_id)
SELECT key, fingerprint, id FROM given JOIN ours USING (key) ORDER BY key ON CONFLICT (key) DO NOTHING RETURNING key

-- name: release_keys
-- A refused action has recorded nothing: its key is free again.
WITH free AS (
  DELETE FROM payment.idempotency i USING unnest(%(keys)b::text[]) AS g(key)
  CROSS JOIN LATERAL (SELECT ctid FROM payment.idempotency WHERE key = g.key OFFSET 0) place
  WHERE i.ctid = place.ctid AND i.response_status IS NULL RETURNING i.key
)
DELETE FROM idempotency.keys k USING free
CROSS JOIN LATERAL (SELECT ctid FROM idempotency.keys WHERE key = free.key OFFSET 0) place
WHERE k.ctid = place.ctid AND k.owner = 'payment'

-- name: insert_actions
-- Write the intent of a group of actions.
INSERT INTO payment.actions (id, payment_id, kind, amount_minor, splits, reference, status, idempotency_key, actor,
  created_at)
SELECT id, payment_id, kind, amount, splits::jsonb, reference, 'processing', key, actor, at
FROM unnest(%(ids)b::uuid[], %(payment_ids)b::uuid[], %(kinds)b::text[], %(amounts)b::bigint[], %(splits)b::text[],
  %(references)b::text[], %(keys)b::text[], %(actors)b::text[], %(times)b::timestamptz[])
  AS g(id, payment_id, kind, amount, splits, reference, key, actor, at)

-- name: ends_in_progress
-- Payments whose hold is being ended by an action, or has been.
SELECT a.payment_id, a.id, a.kind FROM unnest(%(ids)b::uuid[]) AS wanted(id)
CROSS JOIN LATERAL (
  SELECT payment_id, id, kind FROM payment.actions
  WHERE payment_id = wanted.id AND kind IN ('capture', 'void', 'expire', 'decline')
    AND status IN ('processing', 'succeeded') OFFSET 0
) a

-- name: finish_actions
-- Write what became of actions that are still processing and still ours.
UPDATE payment.actions a SET status = g.status, reason_code = g.reason, finished_at = g.at
FROM unnest(%(ids)b::uuid[], %(attempts)b::integer[], %(statuses)b::text[], %(reasons)b::text[],
  %(times)b::timestamptz[]) AS g(id, attempt, status, reason, at)
CROSS JOIN LATERAL (SELECT ctid FROM payment.actions WHERE id = g.id OFFSET 0) place
WHERE a.ctid = place.ctid AND a.status = 'processing' AND a.attempt = g.attempt
RETURNING a.id

-- name: update_payments
-- Write payments that this transaction has locked and changed.
UPDATE payment.payments p SET status = g.status, reason_code = g.reason, captured_minor = g.captured,
  refunded_minor = g.refunded, refunding_minor = g.refunding, version = g.version, updated_at = g.at
FROM unnest(%(ids)b::uuid[], %(statuses)b::text[], %(reasons)b::text[], %(captured)b::bigint[],
  %(refunded)b::bigint[], %(refunding)b::bigint[], %(versions)b::integer[], %(times)b::timestamptz[])
  AS g(id, status, reason, captured, refunded, refunding, version, at)
CROSS JOIN LATERAL (SELECT ctid FROM payment.payments WHERE id = g.id OFFSET 0) place
WHERE p.ctid = place.ctid

-- name: action_columns
-- Every column of an action, in the order of `rows.action_from_row`.
SELECT id, payment_id, kind, amount_minor, splits, reference, actor, created_at, idempotency_key, status,
  reason_code, attempt, finished_at
FROM payment.actions

-- name: expired_payments
-- Payments whose hold has run out, by the database's clock.
SELECT id FROM payment.payments
WHERE status IN ('authorized', 'requires_review') AND expires_at <= now() ORDER BY expires_at LIMIT 200

-- name: next_expiry
-- When the next hold runs out.
SELECT min(expires_at) FROM payment.payments WHERE status IN ('authorized', 'requires_review')

-- name: unscored_payments
-- Payments that were decided without a score and have not been scored since; first those that are decided.
SELECT id, status FROM payment.payments WHERE unscored_decision IS NOT NULL AND NOT (risk ? 'rescored')
ORDER BY status = 'processing', id LIMIT 200

-- name: any_processing
-- Whether a payment is under way, whose decision may be about to be written.
SELECT EXISTS (SELECT 1 FROM payment.payments WHERE status = 'processing')

-- name: record_rescore
-- The score that a payment would have had.
UPDATE payment.payments p SET risk = p.risk || jsonb_build_object('rescored', g.risk::jsonb)
FROM unnest(%(ids)b::uuid[], %(risks)b::text[]) AS g(id, risk)
CROSS JOIN LATERAL (SELECT ctid FROM payment.payments WHERE id = g.id OFFSET 0) place
WHERE p.ctid = place.ctid AND NOT (p.risk ? 'rescored') RETURNING p.id

-- name: prune_idempotency
-- Forget keys after their retention.
WITH gone AS (
  DELETE FROM payment.idempotency WHERE created_at < now() - make_interval(days => %(days)s) RETURNING key
)
DELETE FROM idempotency.keys k USING gone
CROSS JOIN LATERAL (SELECT ctid FROM idempotency.keys WHERE key = gone.key OFFSET 0) place
WHERE k.ctid = place.ctid AND k.owner = 'payment'

-- name: record_of_key
-- What is known of one key, whichever service of the tenant has it.
SELECT owner, resource_id, response_status, response_body, created_at FROM idempotency.record_of(%(key)s)
